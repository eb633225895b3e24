"""Translation against NumPy: losses, greedy translations, BLEU; and the sentences that ship with the package."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrnn.decode import Attend
from jaxrnn.tasks import Translation
from jaxrnn.tasks.shared.writing import LENGTH_PENALTY
from jaxrnn.tasks.translation.alignment import alignment_svg
from jaxrnn.tasks.translation.byte_pairs import BytePairs
from jaxrnn.tasks.translation.parallel_text import DataOptions, ParallelText, to_batch
from jaxrnn.tasks.translation.translation import ModelOptions, bleu
from jaxrnn.train import END, OptimizerOptions
from jaxrnn.train.meshes import make_mesh
from jaxrnn.train.optimizer import make_optimizer
from jaxrnn.train.step import init_state, make_step, state_shardings
from tests import oracle

E, H = 4, 5
ENJA = Path(__file__).parents[2].parent / "shared/data/translation/small_parallel_enja"
MULTI30K = Path(__file__).parents[2].parent / "shared/data/translation/multi30k_task1_tok"
KINDS = [("none", "lstm"), ("bahdanau", "gru"), ("luong", "lstm")]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Numbers and their names, in the other order: "3 1" is "un trois"."""
    folder, draw = tmp_path_factory.mktemp("corpus"), np.random.default_rng(0)
    names = ["zero", "un", "deux", "trois", "quatre", "cinq"]
    for part, count in (("train", 90), ("dev", 7), ("test", 5)):
        lines = [draw.integers(0, 6, draw.integers(1, 6)) for _ in range(count)]
        (folder / f"{part}.xx").write_text("\n".join(" ".join(map(str, line)) for line in lines) + "\n")
        (folder / f"{part}.fr").write_text("\n".join(" ".join(names[n] for n in line[::-1]) for line in lines) + "\n")
    return folder


def make(corpus: Path, attention: str = "bahdanau", cell: str = "gru", **options: Any) -> Translation:
    model = {"embedding": E, "hidden": H, "dropout": 0.0, "label_smoothing": 0.0} | options
    return Translation(
        ModelOptions(attention=attention, cell=cell, **model),
        DataOptions(path=str(corpus), source="xx", target="fr", validation="dev", at_least=1, batch=4, longest=9),
    )


def weights(task: Translation) -> Any:
    """Parameters that are no zeros and no symmetries."""
    shapes, draw = jax.eval_shape(task.init, jax.random.key(0)), np.random.default_rng(1)
    return jax.tree.map(lambda leaf: jnp.asarray(draw.normal(size=leaf.shape) * 0.6), shapes)


# ---------------------------------------------------------------- the model in NumPy


def dense(p: Any, x: Any) -> Any:
    return x @ p["kernel"] + p["bias"]


class Reader:
    """One source sentence, read; `next` gives the log-probabilities of the word that follows those so far."""

    def __init__(self, task: Translation, p: Any, source: Any) -> None:
        p = jax.tree.map(np.asarray, p)
        self.task, self.p, self.cell = task, p, getattr(oracle, task.model.cell)
        blank = tuple(np.zeros(H) for _ in range(2 if task.model.cell == "lstm" else 1))
        xs = p["source"]["embedding"][source]
        last, outputs = [], []
        for way, order in (("forward", xs), ("backward", xs[::-1])):
            carry, ys = blank, []
            for x in order:
                carry, y = self.cell(p["encoder"][way], carry, x)
                ys.append(y)
            last.append(carry)
            outputs.append(ys if way == "forward" else ys[::-1])
        self.memory = np.array([np.concatenate(pair) for pair in zip(*outputs, strict=True)]).reshape(-1, 2 * H)
        joined = [np.concatenate(pair) for pair in zip(*last, strict=True)]
        names = ("c", "h") if len(blank) == 2 else ("h",)
        self.carry = tuple(np.tanh(dense(p["bridge"][n], a)) for n, a in zip(names, joined, strict=True))
        self.summary, self.output = joined[-1], self.carry[-1]

    def attend(self, query: Any) -> Any:
        p, m = self.p["decoder"]["attention"], self.memory
        if self.task.model.attention == "bahdanau":
            scores = np.tanh(query @ p["query_kernel"] + m @ p["memory_kernel"] + p["bias"]) @ p["score_kernel"]
        else:
            scores = m @ p["kernel"] @ query
        shares = np.exp(scores)
        return shares / shares.sum() @ m if len(m) else np.zeros(2 * H)

    def next(self, word: int) -> Any:
        p, x = self.p, self.p["target"]["embedding"][word]
        if self.task.model.attention == "luong":
            self.carry, y = self.cell(p["decoder"]["cell"], self.carry, x)
            features = [np.tanh(np.concatenate([self.attend(y), y]) @ p["decoder"]["combine_kernel"])]
        else:
            within = p["decoder"] if self.task.model.attention == "none" else p["decoder"]["cell"]
            context = self.summary if self.task.model.attention == "none" else self.attend(self.output)
            self.carry, self.output = self.cell(within, self.carry, np.concatenate([x, context]))
            features = [self.output, context]
        logits = np.tanh(dense(p["readout"], np.concatenate([*features, x]))) @ p["target"]["embedding"].T
        logits = logits + p["target"]["bias"]
        return logits - np.log(np.exp(logits).sum())


def numbers(task: Translation, row: int) -> tuple[Any, Any]:
    source, target = task.text.encoded("training")
    return source[row], target[row]


def loss_of(task: Translation, p: Any, source: Any, target: Any, smoothing: float = 0.0) -> float:
    reader, word, total = Reader(task, p, source), task.words.number("<s>"), 0.0
    for following in target:
        logs = reader.next(word)
        total -= (1 - smoothing) * logs[following] + smoothing * logs.mean()
        word = following
    return total


@pytest.mark.parametrize(("attention", "cell"), KINDS)
def test_loss_equals_numpy_on_ragged_pairs(corpus: Path, attention: str, cell: str) -> None:
    task = make(corpus, attention, cell, label_smoothing=0.2)
    p, rows = weights(task), np.array([3, 0, -1, 8])
    source, target = task.text.encoded("training")
    source[8] = source[8][:0]  # a sentence without words still has a translation
    batch = to_batch(source, target, rows)
    assert batch.target_lengths[2] == 0
    total = sum(loss_of(task, p, source[r], target[r], 0.2) for r in rows if r >= 0)
    count = sum(len(target[r]) for r in rows if r >= 0)
    step = jax.jit(jax.value_and_grad(lambda p, batch: task.loss(p, (), batch, None)[0]))
    loss, gradient = step(p, batch)
    assert task.count(batch) == count
    np.testing.assert_allclose(loss, total / count, rtol=1e-10)
    # What is written in the padding changes nothing.
    for lengths, words in ((batch.source_lengths, batch.source), (batch.target_lengths, batch.target)):
        words[np.arange(words.shape[1]) >= lengths[:, None]] = 1
    jax.tree.map(np.testing.assert_array_equal, step(p, batch), (loss, gradient))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize(("attention", "cell"), KINDS)
def test_translations_equal_numpy(corpus: Path, attention: str, cell: str) -> None:
    task = make(corpus, attention, cell)
    p, sources = weights(task), task.text.encoded("test")[0]
    p["target"]["bias"] = p["target"]["bias"].at[task.words.number(END)].set(1.0)  # some end early, some never
    greedy, wide = task.translations(p, sources), task.translations(p, sources, beam=3)
    for source, found, other in zip(sources, greedy, wide, strict=True):
        reader, word, expected = Reader(task, p, source), task.words.number("<s>"), []
        while len(expected) < 9:
            word = int(reader.next(word).argmax())
            if task.words.tokens[word] == END:
                break
            expected.append(task.words.tokens[word])
        assert found == expected
        scores = []
        for words in (found, other):  # a beam's finding scores as well as the greedy one or better
            ended = [] if len(words) == 9 else [END]
            total = loss_of(task, p, source, task.words.encode([*words, *ended]))
            scores.append(-total / ((5 + len(words)) / 6) ** LENGTH_PENALTY)
        assert scores[1] >= scores[0] - 1e-9
    text = " ".join(task.text.sentences("test")[0][0])
    assert task.translate(p, text, 1) == " ".join(greedy[0])
    assert task.translate(p, text, 3) == " ".join(wide[0])


def test_alignment_is_where_the_decoder_looked(corpus: Path) -> None:
    task = make(corpus)
    p = weights(task)
    source, target, shares = task.align(p, "3 1 4")
    assert source == ["3", "1", "4"]
    assert target[-1] == END
    reader = Reader(task, p, task.text.vocabularies[0].encode(source))
    word = task.words.number("<s>")
    for t, following in enumerate(task.words.encode(target)):
        q = reader.p["decoder"]["attention"]
        scores = np.tanh(reader.output @ q["query_kernel"] + reader.memory @ q["memory_kernel"] + q["bias"])
        expected = np.exp(scores @ q["score_kernel"])
        np.testing.assert_allclose(shares[t], expected / expected.sum(), rtol=1e-10)
        reader.next(word)
        word = following


# ---------------------------------------------------------------- the figures


def bleu_by_hand(found: list[list[str]], references: list[list[str]]) -> float:
    """Papineni et al. 2002, with the exponential smoothing of orders without a match (Chen & Cherry 2014)."""
    logs, smooth = 0.0, 1.0
    for order in range(1, 5):
        hits = tries = 0
        for ours, theirs in zip(found, references, strict=True):
            grams = [Counter(tuple(s[i : i + order]) for i in range(len(s) - order + 1)) for s in (ours, theirs)]
            hits += sum((grams[0] & grams[1]).values())
            tries += sum(grams[0].values())
        if hits == 0:
            smooth *= 2
        logs += math.log(hits / tries if hits else 1 / (smooth * tries)) / 4
    ours, theirs = (sum(map(len, side)) for side in (found, references))
    return 100 * min(1.0, math.exp(1 - theirs / ours)) * math.exp(logs)


def test_bleu_and_its_signature() -> None:
    references = [s.split() for s in ("the cat sat on the mat .", "there is a dog here .", "he can 't swim .")]
    found = [s.split() for s in ("the cat is on the mat .", "there is a dog .", "he swims .")]
    score, signature = bleu(found, references)
    np.testing.assert_allclose(score, bleu_by_hand(found, references), rtol=1e-10)
    assert "tok:none" in signature
    assert bleu(references, references)[0] == pytest.approx(100)


def test_evaluate_sums_over_all_pairs(corpus: Path) -> None:
    task = make(corpus)
    p = weights(task)
    for split in task.splits:
        source, target = task.text.encoded(split)
        found = task.evaluate(p, jax.device_put, split)
        expected = sum(loss_of(task, p, s, t) for s, t in zip(source, target, strict=True)) / sum(map(len, target))
        np.testing.assert_allclose(found["loss"], expected, rtol=1e-10)
        np.testing.assert_allclose(found["perplexity"], np.exp(expected), rtol=1e-10)
    references = task.text.sentences("test")[1]
    np.testing.assert_allclose(found["BLEU"], bleu_by_hand(task.translations(p, source), references), rtol=1e-9)
    assert found.keys() == {"loss", "perplexity", "BLEU", "BLEU_beam"}


@pytest.mark.slow
def test_it_learns_to_count_backwards(corpus: Path, tmp_path: Path) -> None:
    """A few hundred steps on ninety pairs: the loss falls, and what it writes is right."""
    task = make(corpus, hidden=32, embedding=16, dropout=0.1)
    options = OptimizerOptions(learning_rate=1e-2, warmup=10)
    # As users train: Optax is not written for stricter rules of promotion.
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        optimizer, batches = make_optimizer(options, 250), task.batches()
        state = init_state(task, optimizer, 0)
        step = make_step(task.loss, optimizer, state_shardings(state, make_mesh(jax.devices()[:1])))
        losses = []
        for _ in range(250):
            state, outcome = step(state, next(batches))
            losses.append(outcome["loss"].item())
        assert np.mean(losses[-10:]) < 0.3 * np.mean(losses[:10])
        assert task.translate(state.params, "3 1 4", 1) == "quatre un trois"
        assert "model" in task.show(state.params, tmp_path, seed=0)
    assert (tmp_path / "attention.svg").read_text().startswith("<svg")
    assert "sacrebleu" in (tmp_path / "translations.txt").read_text()


def test_dropout_changes_with_the_key_and_is_absent_without_one(corpus: Path) -> None:
    task = make(corpus, dropout=0.5)
    p, batch = weights(task), next(task.batches())
    loss = jax.jit(lambda key: task.loss(p, (), batch, key)[0])
    keyed = [loss(jax.random.key(n)).item() for n in (1, 1, 2)]
    assert keyed[0] == keyed[1] != keyed[2]
    np.testing.assert_allclose(task.loss(p, (), batch, None)[0], make(corpus).loss(p, (), batch, None)[0], rtol=1e-12)


# ---------------------------------------------------------------- the sentences


@cache
def embedded() -> Translation:
    return Translation(ModelOptions(), DataOptions())


def test_the_pairs_of_the_package() -> None:
    text = embedded().text
    assert [len(text.sentences(split)[0]) for split in ("training", "validation", "test")] == [21_138, 1_019, 1_008]
    english, german = text.sentences("test")
    assert " ".join(english[3]) == "make sure that there is enough space on your device"
    assert " ".join(german[3]) == "achte darauf , dass auf deinem gerät ausreichend speicherplatz vorhanden ist"
    source, target = text.encoded("test")
    assert text.vocabularies[0].decode(source[3]) == english[3]
    known = [word if word in text.vocabularies[1] else "<unk>" for word in german[3]]
    assert text.vocabularies[1].decode(target[3]) == [*known, END]
    backwards = ParallelText(DataOptions(source="de", target="en")).sentences("test")
    assert backwards == (german, english)


@pytest.mark.parametrize("options", [{"target": "fr"}, {"training": "train.tok"}])
def test_other_pairs_than_those_that_ship_need_a_path(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"`data\.path` must be a folder .*, got none\. Multi30k is at"):
        ParallelText(DataOptions(**options)).sentences("training")


@pytest.mark.skipif(not ENJA.exists(), reason="small_parallel_enja comes from no published package, and does not ship")
def test_english_and_japanese() -> None:
    text = ParallelText(DataOptions(path=str(ENJA), target="ja", validation="dev"))
    assert [len(text.sentences(split)[0]) for split in ("training", "validation", "test")] == [50_000, 500, 500]
    english, japanese = text.sentences("test")
    assert " ".join(english[0]) == "they finally acknowledged it as true ."
    assert " ".join(japanese[0]) == "彼 ら は つい に それ が 真実 だ と 認め た 。"
    assert list(map(len, text.vocabularies)) == [1 + 4105, 3 + 4902]


# ---------------------------------------------------------------- words as pieces


def pairs_by_hand(counts: dict[str, int], most: int) -> list[tuple[str, str]]:
    """As the paper's program does: count all pairs anew, join the most frequent everywhere, and again."""
    words = {word: [f"{c}@@" for c in word[:-1]] + [word[-1]] for word in counts}
    found: list[tuple[str, str]] = []
    for _ in range(most):
        seen: Counter[tuple[str, str]] = Counter()
        for word, pieces in words.items():
            for pair in itertools.pairwise(pieces):
                seen[pair] += counts[word]
        if not seen or max(seen.values()) < 2:
            break
        best = min(seen, key=lambda pair: (-seen[pair], pair))
        found.append(best)
        for word, pieces in words.items():
            text = "".join(f"{piece} " for piece in pieces)
            text = re.sub(rf"(?<!\S){re.escape(' '.join(best))} ", best[0][:-2] + best[1] + " ", text)
            words[word] = text.split()
    return found


@pytest.mark.parametrize("seed", range(20))
def test_byte_pairs_are_those_of_the_papers_program(seed: int) -> None:
    """Of words over few letters, so that pairs overlap ("aaa") and counts are equal; then any word is split by them."""
    draw = np.random.default_rng(seed)
    words = ["".join(draw.choice(list("abc"), draw.integers(1, 9))) for _ in range(60)]
    counts = {word: int(draw.integers(1, 5)) for word in words}
    pairs = BytePairs.learned(counts, 25)
    assert list(pairs.merges) == pairs_by_hand(counts, 25)
    for word in [*words, *("".join(draw.choice(list("abcd"), draw.integers(1, 12))) for _ in range(40))]:
        pieces = [f"{c}@@" for c in word[:-1]] + [word[-1]]
        for first, second in pairs.merges:  # one after the other, which is what splitting means
            text = "".join(f"{piece} " for piece in pieces)
            pieces = re.sub(rf"(?<!\S){re.escape(f'{first} {second}')} ", f"{first[:-2]}{second} ", text).split()
        assert pairs.split(word) == pieces
        assert pairs.joined(pieces) == [word]


def test_a_model_of_pieces_reads_and_writes_words(corpus: Path) -> None:
    data = DataOptions(
        path=str(corpus), source="xx", target="fr", validation="dev", at_least=1, batch=4, longest=20, merges=6
    )
    task = Translation(ModelOptions(embedding=E, hidden=H, dropout=0.0, label_smoothing=0.0), data)
    _, target = task.text.sentences("training")
    pieces = [task.text.pieces(words) for words in target]
    assert [task.text.joined(some) for some in pieces] == target
    assert max(len(some) for some in pieces) > max(map(len, target))
    assert {piece for some in pieces for piece in some} == {*task.words.tokens[3:]}
    p = weights(task)
    assert not any("@@" in word for words in task.translations(p, task.text.encoded("test")[0]) for word in words)
    source, written, looked = task.align(p, "3 1 4")
    assert looked.shape == (len(written), len(source))
    again = Translation(task.model, data, learned=json.dumps(task.learn()))
    assert again.text.pairs == task.text.pairs
    assert again.translate(p, "3 1 4") == task.translate(p, "3 1 4")
    with pytest.raises(ValueError, match=r"`data\.merges` must be 0 or more"):
        DataOptions(merges=-1)


def test_every_training_pair_once_an_epoch_beside_pairs_of_its_length(corpus: Path) -> None:
    task = make(corpus)
    batches = task.batches()
    epoch = [next(batches) for _ in range(batches.batches)]
    pairs = [
        (
            batch.source[row, : batch.source_lengths[row]].tolist(),
            batch.target[row, : batch.target_lengths[row]].tolist(),
        )
        for batch in epoch
        for row in np.flatnonzero(batch.target_lengths)
    ]
    expected = [(s.tolist(), t.tolist()) for s, t in zip(*task.text.encoded("training"), strict=True)]
    assert sorted(pairs) == sorted(expected)
    assert np.mean([np.ptp(batch.target_lengths[batch.target_lengths > 0]) for batch in epoch]) < 0.5


def test_words_of_a_sentence_as_it_is_typed() -> None:
    words = ParallelText(DataOptions()).words
    assert words("I can 't swim, 3.5 km is far!") == ["i", "can", "'t", "swim", ",", "3.5", "km", "is", "far", "!"]
    assert words("what?!") == ["what", "?", "!"]
    assert words("Don't set 'Auto' (IP-Adresse)") == ["don't", "set", "'", "auto", "'", "(", "ip-adresse", ")"]


@pytest.mark.skipif(not MULTI30K.exists(), reason="Multi30k is not here")
def test_multi30k() -> None:
    parts = {"training": "train", "validation": "val", "test": "test_2016_flickr"}
    names = {key: f"{part}.lc.norm.tok" for key, part in parts.items()}
    text = ParallelText(DataOptions(path=str(MULTI30K), source="de", target="en", **names))
    assert [len(text.sentences(split)[1]) for split in parts] == [29_000, 1_014, 1_000]


@pytest.mark.parametrize(
    ("make_options", "message"),
    [
        (lambda: ModelOptions(attention="dot"), "`model.attention` must be"),
        (lambda: ModelOptions(cell="rnn"), "`model.cell` must be"),
        (lambda: ModelOptions(hidden=0), "`model.hidden` must be"),
        (lambda: ModelOptions(dropout=1.0), "`model.dropout` must be"),
        (lambda: ModelOptions(label_smoothing=-0.1), "`model.label_smoothing` must be"),
        (lambda: DataOptions(source="de"), "`data.target` must be another language"),
        (lambda: DataOptions(training=""), "`data.training` must be"),
        (lambda: DataOptions(batch=0), "`data.batch` must be"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_options_are_checked(make_options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make_options()


def test_files_that_do_not_fit(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"sentence pairs, got .*, a folder without a file"):
        make(tmp_path).text.vocabularies  # noqa: B018
    for part in ("train", "dev", "test"):  # a whole set, and then a pair of files alone
        (tmp_path / f"{part}.xx").write_text("1\n2\n")
        (tmp_path / f"{part}.fr").write_text("un\n")
    for missing in ("test.fr", "test.xx"):
        with pytest.raises(ValueError, match="equally many lines, got 2 and 1"):
            make(tmp_path).text.vocabularies  # noqa: B018
        (tmp_path / missing).unlink()
    short = Translation(ModelOptions(), DataOptions(path=str(corpus), source="xx", target="fr", longest=1, batch=4))
    assert max(len(s) for s in short.text.encoded("training")[0]) == 1
    task = make(corpus)
    for arguments, message in (
        (("  ", 1), "`text` must be a sentence"),
        (("1", 0), "`beam` must be a positive integer"),
    ):
        with pytest.raises(ValueError, match=message):
            task.translate({}, *arguments)


def test_the_networks_without_attention_are_cells(corpus: Path) -> None:
    assert not isinstance(make(corpus, "none").network.decoder, Attend)
    assert make(corpus).network == make(corpus).network


def test_the_picture_has_a_field_for_each_pair_and_escapes_words() -> None:
    picture = alignment_svg(["<a>", "b"], ["誰", "&", "x"], np.full((3, 2), 0.5))
    assert picture.count("<rect") == 1 + 6
    assert "&lt;a&gt;" in picture
    assert "<a>" not in picture
