"""The adding problem: every sequence by the paper's rules, the loss against NumPy."""

from __future__ import annotations

import re

import jax
import numpy as np
import pytest

from jaxrnn.tasks.memory.adding import Adding, DataOptions, draw
from jaxrnn.tasks.shared.network import CELLS, Network
from tests.tasks.reading import read_row, spread


@pytest.mark.parametrize("length", [11, 12, 47])
def test_every_sequence_follows_the_rules(length):
    batch = draw(np.random.default_rng(1), 4000, length)
    seen = set()
    for inputs, steps, target in zip(batch.inputs.astype(float), batch.lengths, batch.targets, strict=True):
        assert length <= steps <= length + length // 10
        values, markers = inputs[:steps].T
        assert (inputs[steps:] == 0).all()
        marked = np.flatnonzero(markers == 1)
        assert len(marked) == 2
        assert all(markers[end] == -1 for end in (0, steps - 1) if end not in marked)
        assert (markers[[t for t in range(1, steps - 1) if t not in marked]] == 0).all()
        assert (np.abs(values) <= 1).all()
        if 0 in marked:
            assert values[0] == 0
        np.testing.assert_allclose(target, 0.5 + values[marked].sum() / 4, atol=1e-6)
        seen.add(tuple(marked))
    possible = set()
    for first in range(10):
        unmarked = [t for t in range(length) if t != first][: length // 2 - 1]
        possible |= {tuple(sorted((first, second))) for second in unmarked}
    assert seen <= possible
    assert len(seen) > 0.95 * len(possible)
    assert set(batch.lengths) == set(range(length, length + length // 10 + 1))


def test_values_and_places_are_evenly_spread():
    batch = draw(np.random.default_rng(2), 20000, 40)
    values = batch.inputs[:, 25:35, 0]
    assert np.abs(np.histogram(values, 10, (-1, 1))[0] / values.size - 0.1).max() < 4 * np.sqrt(0.09 / values.size)
    second = batch.inputs[:, 10:, 1].argmax(1)[(batch.inputs[:, 10:, 1] == 1).any(1)]  # its places: 10 to 19
    assert np.abs(np.bincount(second) / len(second) - 0.1).max() < 4 * np.sqrt(0.09 / len(second))


@pytest.mark.parametrize("name", CELLS)
def test_loss_equals_numpy_whatever_is_in_the_padding(name):
    task = Adding(Network(name, hidden=5), DataOptions(length=11, rows=7))
    params = spread(task.init(jax.random.key(0)))
    batch = next(task.batches())
    lengths = np.array([11, 5, 0, 1, 9, 11, 3], np.int32)
    outputs = [read_row(task.model, params, x[:n])[-1:] for x, n in zip(batch.inputs, lengths, strict=True)]
    bias = np.asarray(params["readout"]["bias"])  # what a row without a step answers
    answers = np.array([output[0, 0] if output.size else bias[0] for output in outputs])
    targets = np.float32(answers + np.array([0.039, 0.5, -0.039, 0.041, -0.041, 0.0, 1.0]))
    inside = np.arange(12)[:, None] < lengths[:, None, None]
    batch = batch._replace(inputs=np.where(inside, batch.inputs, np.float32("nan")), lengths=lengths, targets=targets)
    (loss, (carry, figures)), grads = jax.value_and_grad(task.loss, has_aux=True)(params, (), batch, None)
    np.testing.assert_allclose(loss, np.mean((answers - targets) ** 2), rtol=1e-10)
    assert (carry, figures["accuracy"]) == ((), 3 / 7)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))


def test_evaluate_equals_numpy_on_2560_sequences():
    task = Adding(Network("elman", hidden=3), DataOptions(length=11))
    params = spread(task.init(jax.random.key(1)))
    errors = []
    for n in range(10):
        batch = draw(np.random.default_rng((2, n)), 256, 11)
        for inputs, steps, target in zip(*batch, strict=True):
            errors.append(read_row(task.model, params, inputs[:steps])[-1, 0] - target)
    found = task.evaluate(params, jax.device_put, "test")
    np.testing.assert_allclose(found["loss"], np.mean(np.square(errors)), rtol=1e-10)
    np.testing.assert_allclose(found["accuracy"], np.mean(np.abs(errors) < 0.04), rtol=1e-12)


def test_gates_start_open_for_as_long_as_memories_are_needed():
    biases = Network("lstm", hidden=200, chrono=50.0).init(jax.random.key(0), 2, 1)["rnn"]["bias"]
    kept = 1 / (1 + np.exp(-np.asarray(biases)[1]))
    assert (1 / (1 - kept)).min() >= 1.9  # e-folding times from about 1 to T_max - 1 steps
    assert 40 < (1 / (1 - kept)).max() <= 50


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Network("lstn"), "`model.cell` must be one of elman, lstm_1997"),
        (lambda: Network(hidden=0), "`model.hidden` must be 1 or more"),
        (lambda: Network(chrono=1.5), "`model.chrono` must be 0, or more than 2 steps"),
        (lambda: Network("elman", chrono=30.0), "`model.chrono` must be 0 for all but lstm"),
        (lambda: DataOptions(length=10), "`data.length` must be 11 or more"),
        (lambda: DataOptions(rows=0), "`data.rows` must be 1 or more"),
    ],
)
def test_bad_options_are_named(make, message, unchecked):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
