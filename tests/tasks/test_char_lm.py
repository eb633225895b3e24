"""The character model against NumPy: loss, evaluation, sampling, and what it says to a bad prompt."""

from __future__ import annotations

import re
from functools import cache
from itertools import islice
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxrnn.tasks import CharLM
from jaxrnn.tasks.language.char_lm import DataOptions, ModelOptions
from jaxrnn.train import Streams
from tests import oracle

TINY = Path(__file__).parents[2].parent / "shared/data/language_model/tinyshakespeare.txt"
TASK = CharLM(ModelOptions(layers=2, hidden=12, dropout=0.3), DataOptions(streams=64, length=50))


@cache
def params():
    return jax.tree.map(lambda leaf: leaf * 1.5, TASK.init(jax.random.key(0)))


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


class Reader:
    """The model in NumPy, float64: reads one symbol a row and gives the log-probabilities of the next."""

    def __init__(self, rows):
        self.params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params())
        self.carry = [(np.zeros((rows, 12)), np.zeros((rows, 12))) for _ in range(2)]

    def read(self, symbols):
        y = np.eye(64)[symbols]
        for n in range(2):
            self.carry[n], y = oracle.lstm(self.params["rnn"][f"layer_{n}"], self.carry[n], y)
        return log_softmax(y @ self.params["readout"]["kernel"] + self.params["readout"]["bias"])


def test_text_and_vocabulary():
    training, validation = TASK.symbols
    assert (len(training), len(validation), len(TASK.vocabulary)) == (1_018_726, 113_192, 64)
    assert "".join(TASK.vocabulary[s] for s in training[:14]) == "First Citizen:"
    assert TASK.encode("First Citizen:") == training[:14].tolist()


def test_another_text_is_read_by_its_path(tmp_path):
    """A file of that name, or a folder or archive that holds one, first nine tenths for training."""
    (tmp_path / "tinyshakespeare.txt").write_text("ROMEO:\n" * 10)
    for path in (tmp_path, tmp_path / "tinyshakespeare.txt"):
        task = CharLM(ModelOptions(), DataOptions("tinyshakespeare", str(path)))
        assert [task.contents(split) for split in ("training", "validation")] == ["ROMEO:\n" * 9, "ROMEO:\n"]
        assert (task.headline, task.splits) == ("validation loss", ("validation",))
    with pytest.raises(ValueError, match=r"tinyshakespeare\.txt, got none\. .*karpathy/char-rnn"):
        CharLM(ModelOptions(), DataOptions("tinyshakespeare")).batches()


@pytest.mark.skipif(not TINY.exists(), reason="tinyshakespeare comes from no published package, and does not ship")
def test_the_text_that_others_report_on_is_nearly_the_one_that_ships():
    task = CharLM(ModelOptions(), DataOptions("tinyshakespeare", str(TINY)))
    assert [len(part) for part in task.symbols] == [1_003_854, 111_540]
    assert {*task.vocabulary} == {*TASK.vocabulary, "3"}
    theirs, ours = (
        [" ".join(line.split()) for part in ("training", "validation") for line in text.contents(part).splitlines()]
        for text in (task, TASK)
    )
    assert len({*theirs} - {*ours}) < 0.001 * len(theirs)


def test_evaluate_equals_numpy_on_every_stream_from_end_to_end():
    """NumPy reads each stream in one piece, so this also proves that carries handed from chunk to chunk are true."""
    validation = TASK.symbols[1]
    bounds = np.arange(65) * (len(validation) - 1) // 64
    reader, total = Reader(64), 0.0
    for time in range(np.diff(bounds).max()):
        valid = time < np.diff(bounds)
        position = np.where(valid, bounds[:-1] + time, 0)
        total -= (reader.read(validation[position])[np.arange(64), validation[position + 1]] * valid).sum()
    found = TASK.evaluate(params(), jax.device_put)
    np.testing.assert_allclose(found["loss"], total / (len(validation) - 1), rtol=1e-11)
    np.testing.assert_allclose(found["bits_per_character"], found["loss"] / np.log(2), rtol=1e-15)


def test_loss_counts_valid_characters_and_starts_fresh_rows_anew():
    streams = Streams(TASK.symbols[0][:3000], 64, 50)  # 46 or 47 characters a row: the chunk is padded
    carry = jax.tree.map(lambda c: c + 0.3, TASK.initial_carry(params()))
    chunk = next(streams)._replace(fresh=np.arange(64) < 5)
    reader = Reader(64)
    for n in range(2):
        reader.carry[n] = tuple(np.where(chunk.fresh[:, None], 0.0, 0.3) * np.ones((64, 12)) for _ in range(2))
    total, ends = 0.0, [None] * 64
    for time in range(50):
        logs = reader.read(chunk.inputs[:, time])
        for row in range(64):
            if time < chunk.lengths[row]:
                total -= logs[row, chunk.targets[row, time]]
                ends[row] = [part[row] for layer in reader.carry for part in layer]
    loss, (after, _) = TASK.loss(params(), carry, chunk, None)
    assert 46 * 64 <= chunk.lengths.sum() == 2999
    np.testing.assert_allclose(loss, total / 2999, rtol=1e-12)
    for found, expected in zip(jax.tree.leaves(after), zip(*ends, strict=True), strict=True):
        np.testing.assert_allclose(found, np.stack(expected), rtol=1e-10, atol=1e-12)


def test_dropout_changes_with_the_key_and_is_absent_without_one():
    chunk, carry = next(TASK.batches()), TASK.initial_carry(params())
    keys = [None, *(jax.random.key(n) for n in (1, 1, 2))]
    losses = [TASK.loss(params(), carry, chunk, key)[0].item() for key in keys]
    assert losses[1] == losses[2]
    assert len(set(losses)) == 3


def test_dropout_before_the_readout_keeps_the_mean():
    wide = CharLM(ModelOptions(layers=1, hidden=100, dropout=0.5), DataOptions(streams=2, length=3))
    weights = wide.init(jax.random.key(0))
    chunk, carry = next(wide.batches()), wide.initial_carry(weights)
    plain = wide.loss(weights, carry, chunk, None)[0]
    loss = jax.jit(wide.loss)
    many = [loss(weights, carry, chunk, jax.random.key(n))[0] for n in range(100)]
    assert np.std(many) > 1e-3
    np.testing.assert_allclose(np.mean(many), plain, atol=5 * np.std(many) / np.sqrt(100) + 0.02)


def write(prompt="ROMEO:", length=40, temperature=0.8, seed=0):
    return "".join(TASK.sample(params(), prompt, length, temperature, seed))


def test_equal_seeds_write_equal_texts():
    assert write(seed=7) == write(seed=7)
    assert len({write(seed=seed) for seed in range(5)}) == 5
    assert len(write()) == 40
    assert write(length=0) == ""


def test_the_text_does_not_depend_on_how_much_is_asked_for():
    assert write(length=40).startswith(write(length=10))


def test_greedy_text_equals_numpy():
    reader, symbols = Reader(1), TASK.encode("ROMEO:")
    for symbol in symbols[:-1]:
        reader.read(np.array([symbol]))
    symbol, text = symbols[-1], ""
    for _ in range(60):
        symbol = int(reader.read(np.array([symbol])).argmax())
        text += TASK.vocabulary[symbol]
    assert write(length=60, temperature=0.0) == text


def test_draws_follow_the_softmax_at_a_temperature():
    """Frequencies of the first character over many seeds against NumPy's probabilities."""
    logs = Reader(1).read(np.array(TASK.encode("Q")))[0] / 0.5
    expected = np.exp(log_softmax(logs))
    first = [write(prompt="Q", length=1, temperature=0.5, seed=seed) for seed in range(600)]
    counts = np.bincount([TASK.vocabulary.index(c) for c in first], minlength=len(TASK.vocabulary))
    assert np.abs(counts / 600 - expected).max() < 4 * np.sqrt(0.25 / 600)
    top = expected.argmax()
    assert abs(counts[top] / 600 - expected[top]) < 4 * np.sqrt(expected[top] * (1 - expected[top]) / 600)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompt": "ROMEO é"}, "character 'é' is not in the vocabulary"),
        ({"prompt": "a\tb"}, r"character '\t' is not"),
        ({"length": -1}, "`length` must be 0 or more characters, got -1"),
        ({"temperature": -0.1}, "`temperature` must be"),
        ({"temperature": float("nan")}, "`temperature` must be"),
        ({"seed": -1}, "`seed` must be"),
    ],
)
def test_bad_requests_are_named_before_anything_is_computed(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        TASK.sample(params(), **{"prompt": "R", "length": 1, "temperature": 1.0, "seed": 0} | arguments)


def test_compiled_once():
    chunks = islice(TASK.batches(), 3)
    step = jax.jit(TASK.loss)
    carry = TASK.initial_carry(params())
    for chunk in chunks:
        _, (carry, _) = step(params(), carry, chunk, jax.random.key(0))
    assert step._cache_size() == 1


def test_a_gru_reads_as_in_numpy():
    task = CharLM(ModelOptions(layers=1, hidden=7, cell="gru"), DataOptions(streams=8, length=5))
    params = task.init(jax.random.key(1))
    chunk = next(task.batches())
    weights, carry, losses = jax.tree.map(np.asarray, params), (np.zeros((8, 7)),), []
    for time in range(5):
        carry, y = oracle.gru(weights["rnn"]["layer_0"], carry, np.eye(64)[chunk.inputs[:, time]])
        logs = log_softmax(y @ weights["readout"]["kernel"] + weights["readout"]["bias"])
        losses.append(-logs[np.arange(8), chunk.targets[:, time]])
    np.testing.assert_allclose(
        task.loss(params, task.initial_carry(params), chunk, None)[0], np.mean(losses), rtol=1e-12
    )
