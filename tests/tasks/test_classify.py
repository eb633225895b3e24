"""Classification: what ships, the network in NumPy, pieces, folds, own files, predictions without the data."""

from __future__ import annotations

import dataclasses
import json
import lzma
import re
from collections import Counter
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxrnn.tasks import TASKS, Classify
from jaxrnn.tasks.classify.encoding import Examples, symbols
from jaxrnn.tasks.classify.examples import POLARITY, Example
from jaxrnn.tasks.classify.network import ModelOptions
from jaxrnn.tasks.classify.options import DataOptions
from jaxrnn.tasks.classify.scores import macro_f1
from jaxrnn.tasks.models import scored_on
from jaxrnn.tasks.shared.shipped import DATA
from jaxrnn.train import (
    EMPTY,
    Experiment,
    LoopOptions,
    OptimizerOptions,
    carried_over,
    find_config,
    read_experiment,
)
from jaxrnn.train.published import of_these_data
from jaxrnn.train.run_files import record_data
from tests import oracle
from tests.tasks.reading import spread
from tests.tasks.resuming import run_in_two_pieces

SMALL = ModelOptions(hidden=3, embedding=4, dropout=0.0)
PARTS = ("training", "validation", "test")


def lines_of(name: str) -> list[list[str]]:
    return [line.split("\t") for line in lzma.open(DATA / name, "rt", encoding="utf-8").read().splitlines()[1:]]


def texts(folder: Path, content: str, **options) -> Classify:
    folder.mkdir(exist_ok=True)
    (folder / "mine.tsv").write_text(content)
    return Classify(SMALL, DataOptions(path=str(folder / "mine.tsv"), **options))


# ---------------------------------------------------------------- what ships


def test_languages_are_split_by_article() -> None:
    task = Classify(SMALL, DataOptions())
    assert [len(task.contents(split)) for split in PARTS] == [2957, 702, 935]
    assert len(task.encoding.labels) == 78
    articles: dict[str, set[str]] = {}
    for split, _, article, _ in lines_of("udhr/udhr_languages.tsv.xz"):
        articles.setdefault(split, set()).add(article)
    assert {split: len(some) for split, some in articles.items()} == {"train": 21, "dev": 4, "test": 6}
    assert not articles["test"] & (articles["train"] | articles["dev"]) | articles["train"] & articles["dev"]
    found = {(one.content, one.label) for one in task.contents("test")}
    assert found == {(text, lang) for split, lang, _, text in lines_of("udhr/udhr_languages.tsv.xz") if split == "test"}


def test_vowels_have_the_official_split_and_scales_of_what_trains() -> None:
    task = Classify(SMALL, DataOptions(set="vowels"))
    assert [len(task.contents(split)) for split in PARTS] == [216, 54, 370]
    said = Counter(one.label for one in task.contents("test"))
    assert [said[f"speaker {n}"] for n in range(1, 10)] == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    assert {*Counter(one.label for one in task.contents("validation")).values()} == {6}
    with np.load(DATA / "japanese_vowels/japanese_vowels.npz") as file:
        series = np.split(file["x"], file["offset"][1:-1])
        ours = [one.content for one in task.contents("test")]
        assert all(map(np.array_equal, ours, (s for s, held in zip(series, file["test"], strict=True) if held)))
    steps = np.concatenate([one.content for one in task.contents("training")]).astype(np.float64)
    learned = task.learn()
    np.testing.assert_allclose(learned["mean"], steps.mean(0), rtol=1e-12)
    np.testing.assert_allclose(learned["deviation"], steps.std(0), rtol=1e-12)


def test_what_others_report_of_the_vowels_is_for_what_ships() -> None:
    experiment = read_experiment(find_config("classify_vowels"), [], TASKS)
    assert of_these_data(experiment, record_data(experiment.task).digests)


def test_sentences_of_reviews_are_in_one_part_each() -> None:
    task = Classify(SMALL, DataOptions(set="sentiment", by="words"))
    assert [len(task.contents(split)) for split in PARTS] == [2400, 300, 300]
    parts = [{one.content for one in task.contents(split)} for split in PARTS]
    assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
    assert {one.label for one in task.contents("test")} == {"negative", "positive"}
    some = {word for one in task.contents("training") for word in symbols(one.content, task.data)}
    assert {*task.encoding.vocabulary.tokens} == some | {"", "<unk>"}


def test_ten_folds_are_as_large_as_can_be_and_keep_equal_texts_together() -> None:
    folds = [Classify(SMALL, DataOptions(set="sentiment", by="words", fold=n)) for n in range(10)]
    tests = [{one.content for one in fold.contents("test")} for fold in folds]
    assert sum(len(one.contents("test")) for one in folds) == 3000
    assert sum(map(len, tests)) == len(set().union(*tests))  # no text is in two
    for n, fold in enumerate(folds):
        labels = Counter(one.label for one in fold.contents("test"))
        assert abs(labels["positive"] - labels["negative"]) < 10
        assert len(fold.contents("training")) > 2390
        assert {one.content for one in fold.contents("validation")} == tests[(n + 1) % 10]
        assert not {one.content for one in fold.contents("training")} & (tests[n] | tests[(n + 1) % 10])


def test_film_snippets_have_their_own_folds(tmp_path: Path) -> None:
    rows = [f'{n % 10}\t{n % 2}\ta "quoted text {n}' for n in range(40)]
    (tmp_path / f"{POLARITY}.xz").write_bytes(lzma.compress("\n".join(["fold\tlabel\ttext", *rows]).encode()))
    for path in (tmp_path, tmp_path / f"{POLARITY}.xz"):
        task = Classify(SMALL, DataOptions(set="polarity", path=str(path), by="words", fold=9))
        assert {one.content for one in task.contents("test")} == {f'a "quoted text {n}' for n in (9, 19, 29, 39)}
        assert {one.content for one in task.contents("validation")} == {f'a "quoted text {n}' for n in (0, 10, 20, 30)}
        assert len(task.contents("training")) == 32
    (tmp_path / POLARITY).write_text("fold\tlabel\ttext\n0\t1\tgood\n10\t1\tgood\n")
    with pytest.raises(ValueError, match=r"a fold from 0 to 9, .* got line 3 of '.*sentence_polarity\.tsv'"):
        Classify(SMALL, DataOptions(set="polarity", path=str(tmp_path / POLARITY))).contents("test")
    with pytest.raises(ValueError, match=r"a folder with sentence_polarity\.tsv, got none"):
        Classify(SMALL, DataOptions(set="polarity")).contents("test")


# ---------------------------------------------------------------- the network in NumPy, one row at a time


def by_hand(task: Classify, params, xs):
    """Logits, and the weight of each step, of one row."""
    params = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    if "channels" in params:
        hs = np.asarray(xs, np.float64) @ params["channels"]["kernel"] + params["channels"]["bias"]
    else:
        hs = params["embedding"][xs]
    features = hs
    for layer in range(task.model.layers):
        both = params["encoder"][f"layer_{layer}"]
        ways = []
        for way, order in (("forward", 1), ("backward", -1)):
            carry, ys = (np.zeros(task.model.hidden),), []
            for x in hs[::order]:
                carry, y = oracle.gru(both[way], carry, x)
                ways_y = y
                ys.append(ways_y)
            ways.append(np.array(ys)[::order])
        hs = np.concatenate(ways, -1)
    H = task.model.hidden
    weights = np.full(len(hs), 1 / len(hs))
    if task.model.head == "attention":
        attention = params["attention"]
        scores = np.tanh(hs @ attention["hidden"]["kernel"] + attention["hidden"]["bias"]) @ attention["query"]
        weights = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    pooled = {"last": np.concatenate([hs[-1, :H], hs[0, H:]]), "max": hs.max(0)}.get(task.model.head, weights @ hs)
    pooled = np.append(pooled, features.mean(0)) if task.model.bag else pooled
    return pooled @ params["readout"]["kernel"] + params["readout"]["bias"], weights


def batch_of(task: Classify, rng):
    """Rows of 5, 1, 8, no and 3 steps, of which the fourth is there to fill up."""
    lengths = np.array([5, 1, 8, 0, 3], np.int32)
    size, dtype = task.encoding.inputs, np.int32
    xs = rng.integers(0, size, (5, 8)).astype(dtype)
    if task.encoding.vocabulary is None:
        xs = rng.normal(size=(5, 8, size)).astype(np.float64)
    labels = rng.integers(0, len(task.encoding.labels), 5).astype(np.int32)
    return Examples(xs, lengths, labels, lengths > 0)


@pytest.mark.parametrize("chosen", ["vowels", "sentiment"])
@pytest.mark.parametrize(
    ("head", "layers", "bag"),
    [("attention", 2, False), ("last", 1, False), ("mean", 1, False), ("max", 1, False), ("max", 1, True)],
)
def test_loss_equals_numpy_and_padding_changes_no_bit(chosen: str, head, layers: int, bag: bool) -> None:
    model = ModelOptions(hidden=3, layers=layers, embedding=4, head=head, bag=bag, dropout=0.0)
    task = Classify(model, DataOptions(set=chosen, at_least=9))
    params, batch = spread(task.init(jax.random.key(0))), batch_of(task, np.random.default_rng(0))
    losses, right = [], []
    logs, weights = task._log_probabilities(params, batch.xs, batch.lengths)
    for n, length in enumerate(batch.lengths):
        if not length:
            continue
        logits, expected = by_hand(task, params, batch.xs[n, :length])
        np.testing.assert_allclose(logs[n], logits - np.log(np.exp(logits).sum()), rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(weights[n, :length], expected, rtol=1e-9)
        assert not np.asarray(weights)[n, length:].any()
        losses.append(np.log(np.exp(logits).sum()) - logits[batch.labels[n]])
        right.append(logits.argmax() == batch.labels[n])
    gradient = jax.jit(jax.value_and_grad(task.loss, has_aux=True))
    (loss, (_, figures)), _ = gradient(params, (), batch, None)
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-10)
    np.testing.assert_allclose(figures["accuracy"], np.mean(right))
    beyond = np.arange(8) >= batch.lengths[:, None]
    junk = np.where(beyond[..., None], np.nan, batch.xs) if batch.xs.ndim == 3 else np.where(beyond, 7, batch.xs)
    spoilt = batch._replace(
        xs=junk.astype(batch.xs.dtype), labels=np.where(batch.valid, batch.labels, 1).astype(np.int32)
    )
    for a, b in zip(*(jax.tree.leaves(gradient(params, (), one, None)) for one in (batch, spoilt)), strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_array_equal(a, b)


def test_noise_is_there_with_a_key_alone() -> None:
    task = Classify(ModelOptions(hidden=3, embedding=4, dropout=0.5), DataOptions(set="sentiment"))
    blanks = Classify(ModelOptions(hidden=3, embedding=4, dropout=0.0, blanks=0.5), DataOptions(set="sentiment"))
    params, batch = spread(task.init(jax.random.key(0))), batch_of(task, np.random.default_rng(0))
    for one in (task, blanks):
        losses = [one.loss(params, (), batch, key)[0].item() for key in (None, *map(jax.random.key, (1, 1, 2)))]
        assert losses[1] == losses[2]
        assert len({*losses}) == 3
    assert task.loss(params, (), batch, None)[0] == blanks.loss(params, (), batch, None)[0]


# ---------------------------------------------------------------- pieces, figures


def test_pieces_begin_with_a_text_or_a_word_and_a_capital_and_labels_are_as_frequent(tmp_path: Path) -> None:
    lines = [f"a\tone two three {n} αβγ" for n in range(30)] + ["b\tvier fünf sechs sieben acht neun"] * 4
    task = texts(tmp_path, "\n".join(lines), first=4, crop=9, rows=200, held_out=0.2)
    batch = next(task.batches())
    assert batch.xs.shape == (200, 9)
    assert {*batch.lengths.tolist()} <= {*range(4, 10)}
    assert len({*batch.lengths.tolist()}) > 3
    tokens = task.encoding.vocabulary.tokens
    of_label: dict[int, set[str]] = {0: set(), 1: set()}
    for xs, length, label in zip(batch.xs, batch.lengths, batch.labels, strict=True):
        assert not xs[length:].any()
        of_label[int(label)].add("".join(tokens[x] if x > 1 else "?" for x in xs[:length]))
    words = {
        0: {"one", "two", "three", "αβγ", *map(str, range(30))},
        1: {"vier", "fünf", "sechs", "sieben", "acht", "neun"},
    }
    for label, found in of_label.items():
        assert len(found) > 10
        for piece in found:  # a capital that no text has is unknown
            assert any(word[1:].startswith(piece[1:].split(" ")[0]) for word in words[label]), piece
    assert 70 < batch.labels.sum() < 130
    again = task.batches()
    again.set_state({"batch": 0})
    np.testing.assert_array_equal(next(again).xs, batch.xs)


def test_figures_are_those_of_the_examples_one_by_one(tmp_path: Path) -> None:
    lines = "".join(f"{'abc'[n % 3]}\t{'xyz'[n % 3] * (n % 7 + 4)} {n} end\n" for n in range(60))
    task = texts(tmp_path, lines, first=4, crop=6, held_out=0.3)
    params = spread(task.init(jax.random.key(3)))
    examples = task.contents("test")
    for first, name in ((4, "accuracy"), (8, "accuracy_8"), (0, "accuracy_whole")):
        losses, right = [], []
        for one in examples:
            ids = task.encoding.vocabulary.encode(symbols(one.content, task.data)[: first or None])
            logits, _ = by_hand(task, params, ids)
            label = task.encoding.labels.number(one.label)
            losses.append(np.log(np.exp(logits).sum()) - logits[label])
            right.append(logits.argmax() == label)
        found = task.evaluate(params, jax.device_put, "test")
        np.testing.assert_allclose(found[name], np.mean(right))
        if first == 4:
            np.testing.assert_allclose(found["loss"], np.mean(losses), rtol=1e-9)
    assert {*task.evaluate(params, jax.device_put)} == {"loss", "accuracy", "macro_f1"}
    broken = jax.tree.map(lambda a: a * np.nan, params)
    assert all(np.isnan([*task.evaluate(broken, jax.device_put).values()]))


def test_macro_f1_is_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    for labels in (2, 5):
        said, right = rng.integers(0, labels, (2, 40))
        assert macro_f1(said, right) == pytest.approx(metrics.f1_score(right, said, average="macro"))


# ---------------------------------------------------------------- own files


def contents(path, **options):
    task = Classify(SMALL, DataOptions(path=str(path), held_out=0.2, **options))
    return sorted((str(one.content), one.label) for split in PARTS for one in task.contents(split))


def test_texts_in_five_shapes_are_the_same(tmp_path: Path) -> None:
    pairs = [(f'Ένα "κείμενο", {n}', ("yes", "no")[n % 2]) for n in range(20)]
    quoted = [(text.replace('"', '""'), label) for text, label in pairs]
    files = {
        "a.tsv": "".join(f"{label}\t{text}\n\n" for text, label in pairs),
        "b.csv": "text;label\n" + "".join(f'"{text}";{label}\n' for text, label in quoted),
        "c.jsonl": "".join(json.dumps({"label": label, "text": text}) + "\n" for text, label in pairs),
        "d.tsv": "label\ttext\n" + "".join(f'{label}\t"{text}"\n' for text, label in quoted),
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
        assert contents(tmp_path / name) == sorted(pairs), name
    for n, (text, label) in enumerate(pairs):
        place = tmp_path / "folder" / ("train", "valid", "test")[max(0, n - 17)] / label
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{n}.txt").write_text(f"{text}\n")
    assert contents(tmp_path / "folder") == sorted(pairs)
    own = Classify(SMALL, DataOptions(path=str(tmp_path / "folder")))
    assert [len(own.contents(split)) for split in PARTS] == [18, 1, 1]


def test_series_in_three_shapes_are_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    series = [rng.integers(-9, 9, (n % 4 + 1, 2)).astype(np.float32) for n in range(12)]
    labels = ["up" if n % 2 else "down" for n in range(12)]
    offset = np.cumsum([0, *map(len, series)])
    np.savez(tmp_path / "a.npz", x=np.concatenate(series), offset=offset, label=np.array(labels))
    rows = [{"label": label, "values": one.tolist()} for one, label in zip(series, labels, strict=True)]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)))
    steps = [f"{n},{labels[n]},{a},{b}" for n, one in enumerate(series) for a, b in one]
    (tmp_path / "c.csv").write_text("\n".join(["series,label,left,right", *steps]))
    expected = sorted((str(one), label) for one, label in zip(series, labels, strict=True))
    for name in ("a.npz", "b.jsonl", "c.csv"):
        assert contents(tmp_path / name) == expected, name
    assert Classify(SMALL, DataOptions(path=str(tmp_path / "a.npz"))).encoding.inputs == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.tsv",
            "x\tgood\nno tab\n",
            r"a label, a tab and a text, and no other tab, got line 2 of '.*a\.tsv': 'no tab'",
        ),
        ("a.tsv", "x\ta\nx\tb\n", r"of two labels or more, got .*, with one"),
        ("a.csv", "text,label\na,b\nc,\n", r"a label in 'label', got line 3 of '.*a\.csv': nothing"),
        ("a.csv", "text,class\na,b\nc\n", r"2 cells, as its header has .*, got line 3 of '.*a\.csv'"),
        (
            "a.jsonl",
            '{"text": "a", "label": "b"}\n{"text": "a"}\n',
            r"a column label or .*, got line 2 of '.*a\.jsonl'",
        ),
        ("a.jsonl", '{"values": [[1, 2], [3]], "label": "b"}\n', r"a series, .*, got line 1 of '.*a\.jsonl'"),
        ("a.jsonl", '{"values": [[1, null]], "label": "b"}\n', r"a series, .*, got line 1 of '.*a\.jsonl'"),
        ("a.csv", "series,label,x1\n1,a,2\n1,a,two\n", r"a finite number in 'x1', got line 3 of '.*a\.csv': 'two'"),
        ("a.csv", "id,label,x1\n1,a,2\n2,b,2\n1,a,3\n", r"rows of one series together, got line 4 of '.*a\.csv'"),
        ("a.csv", "id,label,x1\n1,a,2\n1,b,2\n", r"one label a series, got line 2 of '.*a\.csv'"),
        ("a.csv", "id,label,x1\n1,a,2\n1,a,1_0\n", r"a finite number in 'x1', got line 3 of '.*a\.csv': '1_0'"),
        ("a.tsv", "1\tpos\tfine\n2\tneg\tbad\n", r"and no other tab, got line 1 of '.*a\.tsv': '1\\tpos\\tfine'"),
        ("a.tsv", "class\tbody\nx\ta\ny\tb\nx\tc\n", r"a header with text .* beside class, .*line 1 of '.*a\.tsv'"),
        ("a.csv", "sentiment,review\nx,a\n", r"a column text or .*, got line 2 of .*: the columns sentiment, review"),
        ("a.csv", "x,a\ny,b\n", r"a column text or .*, got line 2 of '.*a\.csv': the columns x, a"),
        ("a.tsv", "one\ta\ntwo\tb\nthree\ta\ntwo\ta\n", r"fewer labels than texts, got 3 labels and 2 texts in"),
        ("a.jsonl", '{"text": "a", "label": false}\n', r"a label in 'label', got line 1 of '.*a\.jsonl': False"),
        ("a.csv", "text,label,Text\na,b,c\n", r"a header that names each column once, .* 'text' is there twice"),
        ("a.tsv", "x\ta\ny\tb\nz\tc\n", r"labels that occur again, got .*, with another label each"),
        ("a.jsonl", '{"text": "a", "label": "b", "text": "c"}\n', r"got line 1 of .*'text' is there twice"),
        ("a.jsonl", '{"text": "\\ud83d", "label": "b"}\n', r"got line 1 of .*surrogates not allowed"),
    ],
)
def test_what_is_no_example_is_named_with_file_and_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=rf"`data\.path` must be .*{message}"):
        contents(tmp_path / name)


def test_arrays_that_are_no_series_are_named(tmp_path: Path) -> None:
    for given, message in (
        ({"x": np.ones((3, 2)), "offset": [0, 2], "label": ["a"]}, "x float64"),
        ({"x": np.ones((3, 2)), "offset": [0, 3, 3], "label": ["a", "b"]}, "offset int64"),
        ({"x": np.full((2, 2), np.nan), "offset": [0, 1, 2], "label": ["a", "b"]}, "NaN or inf in x"),
        ({"x": np.full((2, 2), 1e300), "offset": [0, 1, 2], "label": ["a", "b"]}, "NaN or inf in x"),
        ({"x": np.ones((3, 2)), "offset": [0, 2]}, "without label"),
    ):
        np.savez(tmp_path / "a.npz", **given)
        with pytest.raises(ValueError, match=rf"`data\.path` must be .*{message}"):
            contents(tmp_path / "a.npz")


# ---------------------------------------------------------------- without the data


@pytest.fixture
def kept(tmp_path: Path):
    """A task whose data are gone, its parameters, and what it had read."""
    lines = "".join(f"{'ab'[n % 2]}\t{'xy'[n % 2] * 3} {n} end\n" for n in range(40))
    task = texts(tmp_path / "data", lines, held_out=0.2)
    params = spread(task.init(jax.random.key(0)))
    examples = task.contents("test")
    expected = [by_hand(task, params, task.encoding.encode(one.content))[0] for one in examples]
    (tmp_path / "data" / "mine.tsv").unlink()
    return dataclasses.replace(task, learned=json.dumps(task.learn())), params, examples, np.array(expected)


def test_a_run_predicts_without_its_data(kept, tmp_path: Path) -> None:
    task, params, examples, logits = kept
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    (tmp_path / "new.txt").write_text("\n".join(one.content for one in examples) + "\n\n")
    inputs = task.inputs(tmp_path / "new.txt")
    assert inputs == [one.content for one in examples]
    (tmp_path / "new.csv").write_text('text\n"a\nb"\n\nc\n\n')
    with pytest.raises(ValueError, match=r"a text in 'text', got line 4 of '.*new\.csv': nothing"):
        task.inputs(tmp_path / "new.csv")
    (tmp_path / "new.csv").write_text('text\n"a\nb"\nc\n\n')
    assert task.inputs(tmp_path / "new.csv") == ["a\nb", "c"]
    found = [*task.predict(params, inputs)]
    assert [row["label"] for row in found] == ["ab"[n] for n in logits.argmax(1)]
    np.testing.assert_allclose([row["probability"] for row in found], chances.max(1), rtol=1e-9)
    assert all(row["labels"] in (["a", "b"], ["b", "a"]) for row in found)
    assert [*task.predict(params, [])] == []
    (tmp_path / "new.txt").write_text("one\n \ntwo\n")
    with pytest.raises(ValueError, match=r"a text in each line, got line 2 of '.*new\.txt': a blank one"):
        task.inputs(tmp_path / "new.txt")
    with pytest.raises(ValueError, match="expected a text"):
        [*task.predict(params, [np.zeros((2, 2))])]


def test_the_program_says_what_predict_does(kept) -> None:
    task, params, examples, logits = kept
    program = task.program(params)
    lengths, collate = task.encoding.batches([Example(one.content, "a") for one in examples])
    batch = collate(np.array([*range(len(examples)), EMPTY]))
    (found,) = jax.jit(program.function)(batch.xs, batch.lengths)
    np.testing.assert_allclose(found[:-1], np.exp(logits) / np.exp(logits).sum(1, keepdims=True), rtol=1e-9)
    B, T = jax.export.symbolic_shape("B, T")
    sizes = {"B": B, "T": T}
    shapes = [
        jax.ShapeDtypeStruct(tuple(sizes.get(n, n) for n in shape), np.dtype(dtype))
        for shape, dtype in program.arguments.values()
    ]
    exported = jax.export.export(jax.jit(program.function))(*shapes)
    np.testing.assert_allclose(exported.call(batch.xs, batch.lengths)[0], found, rtol=1e-12)
    assert [*program.arguments] == ["ids", "lengths"]
    assert "a, b" in program.note
    assert len(lengths) == len(examples)


def test_a_program_of_series_takes_them_as_they_are_measured() -> None:
    task = Classify(SMALL, DataOptions(set="vowels"))
    params = spread(task.init(jax.random.key(0)))
    one = task.contents("test")[0]
    (found,) = task.program(params).function(one.content[None], np.array([len(one.content)], np.int32))
    (row,) = task.predict(params, [one.content])
    np.testing.assert_allclose(np.max(found), row["probability"], rtol=1e-5)


def test_another_file_is_scored_by_the_runs_vocabulary(kept, tmp_path: Path) -> None:
    task, _, _, _ = kept
    (tmp_path / "other.tsv").write_text("a\tx ω\nb\ty\n")  # as many labels as lines: it is not to train on
    other, splits = scored_on(task, str(tmp_path / "other.tsv"))
    assert splits == ("test",)
    assert other.encoding.vocabulary == task.encoding.vocabulary
    assert len(other.contents("test")) == 2


def test_a_new_vocabulary_and_labels_keep_the_rows_that_they_share(kept, tmp_path: Path) -> None:
    task, params, _, _ = kept
    new = texts(tmp_path / "new", "".join(f"{'bc'[n % 2]}\txyω {n}\n" for n in range(20)), held_out=0.2)
    found = carried_over(new, 0, task, params, "mine").params
    for letter in "xy 1":
        ours, theirs = (one.learn()["vocabulary"].index(letter) for one in (new, task))
        np.testing.assert_array_equal(found["embedding"][ours], params["embedding"][theirs])
    ours, theirs = (one.learn()["labels"].index("b") for one in (new, task))
    np.testing.assert_array_equal(found["readout"]["kernel"][:, ours], params["readout"]["kernel"][:, theirs])
    np.testing.assert_array_equal(found["attention"]["query"], params["attention"]["query"])


@pytest.mark.slow
@pytest.mark.parametrize(("first", "accuracy"), [(10, 0.846), (20, 0.936)])
def test_what_counts_of_characters_reach_is_what_the_guide_says(first: int, accuracy: float) -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    bayes = pytest.importorskip("sklearn.naive_bayes")
    task = Classify(SMALL, DataOptions())
    counts = text.CountVectorizer(analyzer="char_wb", ngram_range=(1, 3), lowercase=True)
    training, test = task.contents("training"), task.contents("test")
    seen = counts.fit_transform([one.content for one in training])
    model = bayes.MultinomialNB(alpha=0.01).fit(seen, [one.label for one in training])
    found = model.score(counts.transform([one.content[:first] for one in test]), [one.label for one in test])
    assert found == pytest.approx(accuracy, abs=0.002)


@pytest.mark.slow
@pytest.mark.parametrize("chosen", ["texts", "vowels"])
def test_training_learns_stops_and_resumes(tmp_path: Path, chosen: str) -> None:
    lines = "".join(f"{'ab'[n % 2]}\t{'xy'[n % 2] * 3} {n} end\n" for n in range(80))
    task = texts(tmp_path / "data", lines, rows=16)
    if chosen == "vowels":
        task = Classify(ModelOptions(hidden=8, embedding=8), DataOptions(set="vowels", rows=16))
    loop = LoopOptions(steps=60, log_every=10, validate_every=30, checkpoint_every=20)
    experiment = Experiment("classify", 0, task, OptimizerOptions(learning_rate=1e-2, warmup=5), loop)
    pieces, losses = run_in_two_pieces(experiment, tmp_path, looks=25)
    assert losses[-1] < losses[0] - 0.3
    assert (pieces / "confusion.png").stat().st_size > 4000
    assert (pieces / "attention.png").exists() == (chosen == "texts")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModelOptions(cell="gruu"), "`model.cell` must be one of the"),
        (lambda: ModelOptions(cell="phased_lstm"), "`model.cell` must be one of the"),
        (lambda: ModelOptions(head="median"), "`model.head` must be attention, last, mean or max"),
        (lambda: ModelOptions(dropout=1.0), "`model.dropout` must be a rate in [0, 1)"),
        (lambda: DataOptions(by="lines"), "`data.by` must be characters or words"),
        (lambda: DataOptions(by="words", first=3), "`data.first` must be 0 for texts by words"),
        (lambda: DataOptions(fold=10), "`data.fold` must be -1, or one of 10 folds from 0"),
        (lambda: DataOptions(folds=2), "`data.folds` must be 3 or more"),
        (lambda: DataOptions(set="polarity", folds=5), "`data.folds` must be 10"),
    ],
)
def test_bad_options_are_named(make, message, unchecked) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
