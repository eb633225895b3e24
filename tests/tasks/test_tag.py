"""Tagging: what ships, the network in NumPy, spans beside seqeval, own files, predictions without the data."""

from __future__ import annotations

import dataclasses
import json
import lzma
import re
from itertools import product
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxrnn.tasks import Tag
from jaxrnn.tasks.shared.shipped import DATA
from jaxrnn.tasks.tag.encoding import LONGEST, spelling
from jaxrnn.tasks.tag.network import Sentences
from jaxrnn.tasks.tag.options import DataOptions, ModelOptions
from jaxrnn.tasks.tag.sentences import Sentence, cut, read_conll
from jaxrnn.tasks.tag.spans import span_figures, spans
from jaxrnn.train import EMPTY, Experiment, LoopOptions, OptimizerOptions, carried_over
from jaxrnn.train.judging import chosen_by
from jaxrnn.train.vocabulary import UNKNOWN
from tests import oracle
from tests.tasks.reading import spread
from tests.tasks.resuming import run_in_two_pieces

SMALL = ModelOptions(cell="gru", hidden=3, words=4, characters=2, dropout=0.0, blanks=0.0)
PARTS = ("training", "validation", "test")
ANIMALS = "the\tD\nfat\tA\ncat\tN\nsat\tV\n\na\tD\nDog\tN\n\n"


def own(folder: Path, content: str, name: str = "mine.conll", model: ModelOptions = SMALL, **options) -> Tag:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(content)
    return Tag(model, DataOptions(path=str(folder / name), **{"held_out": 0.2} | options))


# ---------------------------------------------------------------- what ships


def test_the_treebank_has_no_document_in_two_parts() -> None:
    task = Tag(SMALL, DataOptions(tag=1))
    assert [len(task.contents(split)) for split in PARTS] == [3879, 485, 487]
    assert [sum(len(one.words) for one in task.contents(split)) for split in PARTS] == [53374, 6508, 6584]
    assert len(task.encoding.tags) == 14
    documents = []
    for part in ("train", "dev", "test"):
        text = lzma.decompress((DATA / f"turkish_web/twt_{part}.conll.xz").read_bytes()).decode()
        names = re.findall(r"^# sent_id = (.*):", text, re.MULTILINE)
        assert len(names) == text.count("# sent_id = ")
        documents.append({*names})
    assert not documents[0] & documents[1] | documents[0] & documents[2] | documents[1] & documents[2]
    assert {*task.learn()["words"][2:]} <= {word.lower() for one in task.contents("training") for word in one.words}
    assert not task.learn()["blanks"]


def test_addresses_say_which_part_they_are_for() -> None:
    task = Tag(SMALL, DataOptions(set="addresses"))
    assert [len(task.contents(split)) for split in PARTS] == [1126, 140, 140]
    assert [sum(len(one.words) for one in task.contents(split)) for split in PARTS] == [7779, 1017, 949]
    parts = [{one.words for one in task.contents(split)} for split in PARTS]
    assert not parts[0] & parts[2] | parts[1] & parts[2] | parts[0] & parts[1]
    assert task.headline == "test accuracy"
    assert task.learn()["blanks"]  # a comma is at its word: "Road,"
    assert task.encoding.split("12 Elm Road, Deale") == ("12", "Elm", "Road,", "Deale")


# ---------------------------------------------------------------- the network in NumPy, one sentence at a time


def both_ways(params, xs, hidden):
    ways = []
    for way, order in (("forward", 1), ("backward", -1)):
        carry, ys = (np.zeros(hidden),), []
        for x in xs[::order]:
            carry, y = oracle.gru(params["layer_0"][way], carry, x)
            ys.append(y)
        ways.append(np.array(ys)[::order])
    return np.concatenate(ways, -1)


def buckets_by_hand(letters: list[int]):
    """Of the first 1 to 4 characters and of the last: polynomials over a prime; what a word lacks is zero."""
    found = []
    for order in (letters, letters[::-1]):
        codes = [*order, 0, 0, 0, 0]
        found += [sum(code * 263 ** (k - n) for n, code in enumerate(codes[: k + 1])) % 2039 for k in range(4)]
    return found


def emissions_by_hand(task: Tag, params, words, spelt):
    """Scores [L, K] of a sentence: numbers of words, and of the characters of each."""
    params = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    xs = []
    for word, letters in zip(words, spelt, strict=True):
        size = task.model.characters
        hs = both_ways(params["speller"], params["characters"][letters], size)
        xs.append(np.concatenate([params["words"][word], hs[-1, :size], hs[0, size:]]))
        if task.model.affixes:
            symbols = [task.encoding.characters.tokens[letter] for letter in letters]
            codes = [1 if symbol == UNKNOWN else ord(symbol) for symbol in symbols]
            looked_up = [params["affixes"][2039 * n + bucket] for n, bucket in enumerate(buckets_by_hand(codes))]
            xs[-1] = np.concatenate([xs[-1], *looked_up])
    hs = both_ways(params["encoder"], np.array(xs), task.model.hidden)
    return hs @ params["readout"]["kernel"] + params["readout"]["bias"]


def paths_by_hand(task: Tag, params, scores):
    """The log probability of every path."""
    if not task.model.crf:
        logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        every = product(range(scores.shape[1]), repeat=len(scores))
        return {path: sum(logs[t, k] for t, k in enumerate(path)) for path in every}
    field = {name: np.asarray(a, np.float64) for name, a in params["transitions"].items()}
    found = {}
    for path in product(range(scores.shape[1]), repeat=len(scores)):
        total = field["first"][path[0]] + field["last"][path[-1]] + sum(scores[t, k] for t, k in enumerate(path))
        found[path] = total + sum(field["between"][path[t], path[t + 1]] for t in range(len(path) - 1))
    total = np.log(np.sum(np.exp([*found.values()])))
    return {path: score - total for path, score in found.items()}


def ragged(task: Tag) -> Sentences:
    """Sentences of 4, no and 2 words."""
    lengths, collate = task.encoding.batches(
        [Sentence(("the", "fat", "cat", "Sat"), tuple("DANV")), Sentence(("a", "x"), tuple("DN"))]
    )
    batch = collate(np.array([0, EMPTY, 1]))
    assert lengths.tolist() == [4, 2]
    assert batch.lengths.tolist() == [4, 0, 2]
    assert batch.sizes[0, :4].tolist() == [3, 3, 3, 3]
    return batch


@pytest.mark.parametrize(("crf", "affixes"), [(True, 0), (False, 0), (True, 2)])
def test_losses_and_tags_equal_numpy_and_padding_changes_no_bit(tmp_path: Path, crf: bool, affixes: int) -> None:
    model = dataclasses.replace(SMALL, crf=crf, affixes=affixes)
    task = own(tmp_path, ANIMALS * 4, model=model, at_least=1)
    params, batch = spread(task.init(jax.random.key(0))), ragged(task)
    losses = []
    tags, chances = task.network.tag(params, batch)
    for n, length in enumerate(batch.lengths):
        if not length:
            losses.append(0.0)
            continue
        spelt = [batch.characters[n, t, : batch.sizes[n, t]] for t in range(length)]
        paths = paths_by_hand(task, params, emissions_by_hand(task, params, batch.words[n, :length], spelt))
        losses.append(-paths[tuple(batch.tags[n, :length].tolist())])
        best = max(paths, key=paths.get)
        assert tuple(np.asarray(tags)[n, :length].tolist()) == best
        for t, k in enumerate(best):
            expected = sum(np.exp(log) for path, log in paths.items() if path[t] == k)
            np.testing.assert_allclose(chances[n, t], expected, rtol=1e-9)
    np.testing.assert_allclose(task.network.losses(params, batch), losses, rtol=1e-9, atol=1e-12)
    gradient = jax.jit(jax.value_and_grad(task.loss, has_aux=True))
    np.testing.assert_allclose(gradient(params, (), batch, None)[0][0], sum(losses) / 6, rtol=1e-9)
    beyond = np.arange(batch.words.shape[1]) >= batch.lengths[:, None]
    unread = (np.arange(LONGEST) >= batch.sizes[..., None]) | beyond[..., None]
    spoilt = batch._replace(
        words=np.where(beyond, 2, batch.words).astype(np.int32),
        characters=np.where(unread, 3, batch.characters).astype(np.int32),
        sizes=np.where(beyond, 5, batch.sizes).astype(np.int32),
        tags=np.where(beyond, 1, batch.tags).astype(np.int32),
    )
    for a, b in zip(*(jax.tree.leaves(gradient(params, (), one, None)) for one in (batch, spoilt)), strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_array_equal(a, b)


def test_noise_is_there_with_a_key_alone(tmp_path: Path) -> None:
    plain = own(tmp_path, ANIMALS * 4, at_least=1)
    params, batch = spread(plain.init(jax.random.key(0))), ragged(plain)
    for noise in ({"dropout": 0.5}, {"blanks": 0.5}):
        task = dataclasses.replace(plain, model=dataclasses.replace(SMALL, **noise))
        losses = [task.loss(params, (), batch, key)[0].item() for key in (None, *map(jax.random.key, (1, 1, 2)))]
        assert losses[1] == losses[2]
        assert len({*losses}) == 3
        assert losses[0] == plain.loss(params, (), batch, None)[0]
    bare = own(tmp_path, ANIMALS * 4, model=dataclasses.replace(SMALL, characters=0), at_least=1)
    assert {*bare.init(jax.random.key(0))} == {"words", "encoder", "readout", "transitions"}
    assert np.isfinite(bare.loss(bare.init(jax.random.key(0)), (), batch, None)[0])


# ---------------------------------------------------------------- figures


def test_spans_and_their_f1_are_seqevals() -> None:
    metrics = pytest.importorskip("seqeval.metrics")
    labeling = pytest.importorskip("seqeval.metrics.sequence_labeling")
    rng = np.random.default_rng(0)
    kinds = ["O", "B-a", "I-a", "B-b-c", "I-b-c"]
    said, right = ([[kinds[k] for k in rng.integers(0, 5, n)] for n in (1, 2, 7, 30, 0, 12)] for _ in range(2))
    for tags in (*said, *right):
        theirs = [(start, end + 1, kind) for kind, start, end in labeling.get_entities(tags)] if tags else []
        assert [tuple(span) for span in spans(tags)] == theirs
    ours = span_figures(said, right)
    for name, theirs in (("precision", "precision_score"), ("recall", "recall_score"), ("f1", "f1_score")):
        assert ours[name] == pytest.approx(getattr(metrics, theirs)(right, said))
    assert span_figures([["O"]], [["O"]]) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


@pytest.mark.parametrize("kinds", [["O", "B-a", "I-a", "E-a", "S-a", "B-b", "E-b"], ["O", "B", "I", "E", "S"]])
def test_spans_that_say_where_they_end_are_seqevals(kinds: list[str]) -> None:
    labeling = pytest.importorskip("seqeval.metrics.sequence_labeling")
    rng = np.random.default_rng(1)
    for n in (1, 2, 7, 30, 200):
        tags = [kinds[k] for k in rng.integers(0, len(kinds), n)]
        theirs = [(start, end + 1) for _, start, end in labeling.get_entities(tags)]
        assert [(span.start, span.end) for span in spans(tags)] == theirs
        other = [{"E": "L", "S": "U"}.get(tag[0], tag[0]) + tag[1:] for tag in tags]
        assert spans(other) == spans(tags)
        assert spans([tag.replace("I", "M") for tag in tags]) == spans(tags)


@pytest.mark.parametrize(
    ("tags", "chosen"),
    [
        ("O B-x I-x", "f1"),
        ("O B I", "f1"),
        ("B I", "f1"),
        ("B M E S", "f1"),
        ("O B-x I-x E-x S-x", "f1"),
        ("O I-x I-y", "f1"),
        ("A B", "accuracy"),
        ("N V O", "accuracy"),
        ("B-side A-side", "accuracy"),
        ("O B-x I-x B", "4 'B'"),
        ("O B-x I-x x", "4 'x'"),
        ("B-x I-x o", "3 'o'"),
        ("O B-x B-y BI", "4 'BI'"),
        ("O B-", "accuracy"),
        ("O B-x B-", "3 'B-'"),
        ("o b-x i-x", "2 'b-x'"),
        ("O B_x I_x", "2 'B_x'"),
    ],
)
def test_tags_that_are_nearly_those_of_spans_are_named_with_their_line(tmp_path: Path, tags: str, chosen: str) -> None:
    """One mistyped tag would make accuracy the figure, by which a model that finds nothing is a good one."""
    text = "".join(f"w{n}\t{tag}\n" for n, tag in enumerate(tags.split())) + "\n"
    if chosen in ("f1", "accuracy"):
        assert own(tmp_path, text * 6).chosen_by == chosen
        return
    row, got = chosen.split()
    with pytest.raises(ValueError, match=rf"must be tags of spans .*, got line {row} of '.*mine\.conll': {got}"):
        own(tmp_path, text * 6).contents("test")


def test_figures_are_those_of_the_words_one_by_one(tmp_path: Path) -> None:
    task = own(tmp_path, ANIMALS * 6 + "odd\tX\nones\tY\n\n" * 3, split_seed=3, at_least=1)
    params = spread(task.init(jax.random.key(1)))
    test = task.contents("test")
    known = {word.lower() for one in task.contents("training") for word in one.words}
    lengths, collate = task.encoding.batches(test)
    right, unseen, whole, losses = [], [], [], []
    for n, one in enumerate(test):
        batch = collate(np.array([n]))
        spelt = [batch.characters[0, t, : batch.sizes[0, t]] for t in range(lengths[n])]
        paths = paths_by_hand(task, params, emissions_by_hand(task, params, batch.words[0, : lengths[n]], spelt))
        best = task.encoding.tags.decode(max(paths, key=paths.get))
        hits = [a == b for a, b in zip(best, one.tags, strict=True)]
        losses.append(-paths[tuple(batch.tags[0, : lengths[n]].tolist())])
        right += hits
        whole.append(all(hits))
        unseen += [hit for hit, word in zip(hits, one.words, strict=True) if word.lower() not in known]
    found = task.evaluate(params, jax.device_put, "test")
    np.testing.assert_allclose(found["loss"], np.sum(losses) / len(right), rtol=1e-9)
    assert found["accuracy"] == pytest.approx(np.mean(right))
    assert found["sentences"] == pytest.approx(np.mean(whole))
    assert found["unknown"] == pytest.approx(np.mean(unseen) if unseen else 1.0)
    broken = jax.tree.map(lambda a: a * np.nan, params)
    assert all(np.isnan([*task.evaluate(broken, jax.device_put).values()]))


def test_steps_are_chosen_by_spans_or_else_by_words(tmp_path: Path) -> None:
    """A step that finds something is better than one that is silent and has the lower loss."""
    spans_task = own(tmp_path / "spans", "the\tO\nNew\tB-x\nYork\tI-x\n\n" * 5)
    assert (spans_task.chosen_by, spans_task.headline) == ("f1", "test f1")
    words = own(tmp_path / "words", ANIMALS * 4)
    assert (words.chosen_by, words.headline) == ("accuracy", "test accuracy")
    assert Tag(SMALL, DataOptions(set="wnut17", path="not read yet")).chosen_by == "f1"
    loop = LoopOptions()
    for task, by in ((spans_task, "f1"), (words, "accuracy")):
        assert chosen_by(Experiment("tag", 0, task, OptimizerOptions(), loop)) == by
        every = Experiment("tag", 0, task, OptimizerOptions(), dataclasses.replace(loop, best="loss"))
        assert chosen_by(every) == "loss"
        assert by in task.evaluate(task.init(jax.random.key(0)), jax.device_put)


# ---------------------------------------------------------------- files


def read(path: Path, **options) -> list[Sentence]:
    return [one for split in PARTS for one in Tag(SMALL, DataOptions(path=str(path), **options)).contents(split)]


def test_columns_comments_and_documents(tmp_path: Path) -> None:
    sentences = [Sentence((f"w{n}", "#", "x"), ("A", "B", "A")) for n in range(12)]
    plain = "".join("".join(f"{w} {t}\n" for w, t in zip(*one, strict=True)) + "\n" for one in sentences)
    (tmp_path / "a.conll").write_text(plain.replace("w0 A", "-DOCSTART- -X-\n\nw0 A", 1))
    assert sorted(read(tmp_path / "a.conll")) == sorted(sentences)
    rows = [
        f"# text = {n}\n1-2\tno\t_\t_\n"
        + "".join(f"{i}\t{w}\t_\t{t}\t_\n" for i, (w, t) in enumerate(zip(*one, strict=True), 1))
        for n, one in enumerate(sentences)
    ]
    (tmp_path / "b.conllu").write_text("# newdoc id = 0\n" + "\n".join(rows))
    assert sorted(read(tmp_path / "b.conllu", token=1, tag=3, held_out=1.0)[:12]) == sorted(sentences)
    documents = [f"# newdoc id = {n}\n" + "\n".join(rows[3 * n : 3 * n + 3]) for n in range(4)]
    (tmp_path / "c.conllu").write_text("\n".join(documents))
    task = Tag(SMALL, DataOptions(path=str(tmp_path / "c.conllu"), token=1, tag=3, held_out=0.25))
    found = [{int(one.words[0][1:]) // 3 for one in task.contents(split)} for split in PARTS]
    assert [len(some) for some in found] == [2, 1, 1]
    assert len(set.union(*found)) == 4  # no document is in two parts


@pytest.mark.parametrize("tab", ["\t", " "])
def test_remarks_are_no_words(tmp_path: Path, tab: str) -> None:
    """A line that begins with # and a blank has the columns of the others, or is none of them."""
    rows = "# my own remark\nw\tA\n#tag\tB\n#\tA\n# another one here\n\n".replace("\t", tab)
    (tmp_path / "r.conll").write_text(rows * 3)
    assert read(tmp_path / "r.conll") == [Sentence(("w", "#tag", "#"), ("A", "B", "A"))] * 3


def test_files_that_name_their_parts_and_long_sentences(tmp_path: Path) -> None:
    for name, count in (("my_train.conll", 3), ("my_dev.conll", 2), ("my_test.conll", 1)):
        (tmp_path / name).write_text(ANIMALS * count)
    task = Tag(SMALL, DataOptions(path=str(tmp_path), longest=3))
    assert [len(task.contents(split)) for split in PARTS] == [9, 6, 3]
    assert cut(Sentence(tuple("abcde"), tuple("12345")), 2)[-1] == Sentence(("e",), ("5",))
    assert len(spelling("a" * 8 + "-" * 40 + "z" * 8)) == LONGEST
    assert spelling("a" * 8 + "-" * 40 + "z" * 8) == "a" * 8 + "z" * 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tX\nb\n", r"a word in column 0 and a tag in column -1, got line 2 of '.*m\.conll': 'b'"),
        ("a\tX\n\n\tY\n", r"got line 3 of '.*m\.conll'"),
        ("a\t\n", r"a tag in column -1, got line 1 of '.*m\.conll'"),
        ("\n\n", r"sentences with tags, got .*, where there is none"),
        ("a\tX\n\nNew York X\n", r"2 columns, as its first word has, got line 3 of '.*m\.conll': 3, 'New York X'"),
        ("a\tX\n\nb\tY\n", r"3 or more sentences with tags, one for each part, got 2"),
    ],
)
def test_what_is_no_word_is_named_with_file_and_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "m.conll").write_text(content)
    with pytest.raises(ValueError, match=rf"`data\.path` must be .*{message}"):
        read(tmp_path / "m.conll")


@pytest.mark.parametrize("tag", [None, -1])
def test_numbers_of_words_are_no_words(tmp_path: Path, tag: int | None) -> None:
    (tmp_path / "m.conllu").write_text("1\tNew\tX\n2\tYork\tX\n")
    with pytest.raises(ValueError, match=r"a word in column 0, got line 1 of '.*m\.conllu': '1', .*--data\.token 1"):
        read_conll(tmp_path / "m.conllu", 0, tag)
    assert [one.sentence.words for one in read_conll(tmp_path / "m.conllu", 1, tag)] == [("New", "York")]


# ---------------------------------------------------------------- without the data


@pytest.fixture
def kept(tmp_path: Path):
    task = own(tmp_path / "data", "the\tO\nNew\tB-place\nYork\tI-place\n\nfat\tO\ncats\tB-x\n\n" * 5, at_least=1)
    task = dataclasses.replace(task, learned=json.dumps(task.learn()))
    (tmp_path / "data" / "mine.conll").unlink()
    return task, spread(task.init(jax.random.key(0)))


def test_a_run_predicts_without_its_data(kept, tmp_path: Path) -> None:
    task, params = kept
    (tmp_path / "new.txt").write_text("The fat cat, sat\nthe Xyz\n\n")
    inputs = task.inputs(tmp_path / "new.txt")
    assert inputs == [("The", "fat", "cat", ",", "sat"), ("the", "Xyz")]
    (tmp_path / "new.conll").write_text("The\nfat\n\nthe\tO\n")
    assert task.inputs(tmp_path / "new.conll") == [("The", "fat"), ("the",)]
    found = [*task.predict(params, inputs)]
    for row, words in zip(found, inputs, strict=True):
        number = {token: n for n, token in enumerate(task.encoding.words.tokens)}
        letters = {token: n for n, token in enumerate(task.encoding.characters.tokens)}
        spelt = [[letters.get(c, 1) for c in word] for word in words]
        scores = emissions_by_hand(task, params, [number.get(word.lower(), 1) for word in words], spelt)
        paths = paths_by_hand(task, params, scores)
        assert task.encoding.tags.encode(row["tags"]).tolist() == [*max(paths, key=paths.get)]
        assert row["words"] == [*words]
        assert len(row["probabilities"]) == len(words)
        assert all(isinstance(text, str) for text in row["spans"])
    assert [*task.predict(params, [])] == []


def test_the_program_gives_what_the_best_path_is_found_by(kept) -> None:
    task, params = kept
    _, collate = task.encoding.batches([Sentence(("the", "cat"), ("O", "O")), Sentence(("a",), ("B-x",))])
    batch, program = collate(np.array([0, 1])), task.program(params)
    sizes = dict(zip("BTC", jax.export.symbolic_shape("B, T, C"), strict=True))
    shapes = [
        jax.ShapeDtypeStruct(tuple(sizes[n] for n in shape), np.dtype(dtype))
        for shape, dtype in program.arguments.values()
    ]
    given = batch.words, batch.lengths, batch.characters, batch.sizes
    found = jax.export.export(jax.jit(program.function))(*shapes).call(*given)
    assert program.results == ("emissions", "first", "between", "last")
    expected = emissions_by_hand(
        task, params, batch.words[0, :2], [batch.characters[0, t, : batch.sizes[0, t]] for t in range(2)]
    )
    np.testing.assert_allclose(found[0][0, :2], expected, rtol=1e-9)
    np.testing.assert_array_equal(found[2], params["transitions"]["between"])


def test_a_new_vocabulary_keeps_the_rows_that_it_shares(kept, tmp_path: Path) -> None:
    task, params = kept
    new = own(tmp_path / "new", "the\tO\nYork\tB-x\nÅ\tB-new\n\n" * 9, at_least=1)
    found = carried_over(new, 0, task, params, "mine").params
    for name, words, key in (("words", ("the", "york"), "words"), ("characters", ("t", "Y", "k"), "characters")):
        for word in words:
            ours, theirs = (one.learn()[key].index(word) for one in (new, task))
            np.testing.assert_array_equal(found[name][ours], params[name][theirs])
    before, after = (one.learn()["tags"] for one in (task, new))
    for a, b in product(("O", "B-x"), repeat=2):
        ours = found["transitions"]["between"][after.index(a), after.index(b)]
        assert ours == params["transitions"]["between"][before.index(a), before.index(b)]
    assert found["transitions"]["between"][after.index("B-new"), 0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("crf", [True, False])
def test_training_learns_stops_and_resumes(tmp_path: Path, crf: bool) -> None:
    model = ModelOptions(hidden=8, words=8, characters=4, crf=crf, dropout=0.1)
    task = own(tmp_path / "data", ANIMALS * 40, model=model, rows=8)
    loop = LoopOptions(steps=60, log_every=10, validate_every=30, checkpoint_every=20)
    experiment = Experiment("tag", 0, task, OptimizerOptions(learning_rate=1e-2, warmup=5), loop)
    pieces, losses = run_in_two_pieces(experiment, tmp_path, looks=25)
    assert losses[-1] < losses[0] / 2
    assert (pieces / "confusion.png").stat().st_size > 4000
    figures = json.loads((pieces / "result.json").read_text())["figures"]
    assert figures["test accuracy"] > 0.9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModelOptions(cell="lstn"), "`model.cell` must be one of the"),
        (lambda: ModelOptions(hidden=0), "`model.hidden` must be 1 or more"),
        (lambda: ModelOptions(characters=-1), "`model.characters` must be 0 or more"),
        (lambda: ModelOptions(blanks=1.0), "`model.blanks` must be a share in [0, 1)"),
        (lambda: DataOptions(tag=0), "`data.tag` must be another column than data.token"),
        (lambda: DataOptions(tag=-2), "`data.tag` must be -1 or more"),
        (lambda: DataOptions(rows=0), "`data.rows` must be 1 or more"),
    ],
)
def test_bad_options_are_named(make, message, unchecked) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
