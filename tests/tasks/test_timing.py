"""Timed spikes: streams by brute force, loss and figures against NumPy."""

from __future__ import annotations

import re

import jax
import numpy as np
import pytest

from jaxrnn.tasks.memory.timing import DataOptions, Spikes, Timing, draw
from jaxrnn.tasks.shared.network import Network
from tests.tasks.reading import read_row, spread


@pytest.mark.parametrize(
    "options",
    [
        DataOptions(shortest=4, extra=2, length=31),
        DataOptions(shortest=1, extra=0, length=5),
        DataOptions(shortest=7, extra=3, length=1),
        DataOptions(shortest=10, extra=1, length=10),
    ],
)
def test_streams_are_delays_one_after_the_other(options):
    batch = draw(np.random.default_rng(0), 500, options)
    delays = []
    for inputs, targets in zip(batch.inputs, batch.targets, strict=True):
        time = 0
        while time < options.length:  # walk from spike to spike as the input says
            delay = options.shortest + int(inputs[time])
            whole = time + delay <= options.length
            expected = [0.0] * (delay - 1) + [1.0]
            assert targets[time : time + delay].tolist() == expected[: options.length - time]
            assert (inputs[time : time + delay] == inputs[time]).all()
            if whole:
                delays.append(delay)
            time += delay
    assert set(delays) <= set(range(options.shortest, options.shortest + options.extra + 1))
    first = options.shortest + batch.inputs[:, 0]
    for delay in range(options.shortest, options.shortest + options.extra + 1):
        assert abs((first == delay).mean() - 1 / (options.extra + 1)) < 0.1


TASK = Timing(Network("lstm_peepholes", hidden=5), DataOptions(shortest=3, extra=2, length=17, rows=6))


def expected(params, batch):
    logits = np.array([read_row(TASK.model, params, inputs[:, None])[:, 0] for inputs in batch.inputs])
    p, due = 1 / (1 + np.exp(-logits)), batch.targets == 1
    hits = sum(1 for a, b in zip((p > 0.5).flat, due.flat, strict=True) if a and b)
    told_or_due = sum(1 for a, b in zip((p > 0.5).flat, due.flat, strict=True) if a or b)
    loss = -np.where(due, np.log(p), np.log(1 - p)).mean()
    return loss, np.mean([((a > 0.5) == b).all() for a, b in zip(p, due, strict=True)]), hits / max(told_or_due, 1)


def test_loss_and_figures_equal_numpy():
    params, batch = spread(TASK.init(jax.random.key(0))), next(TASK.batches())
    logits = np.asarray(TASK.logits(params, batch.inputs))
    own = batch._replace(targets=np.float32(logits > 0))  # in two rows the targets are what is told
    batch = batch._replace(targets=np.concatenate([own.targets[:2], batch.targets[2:]]))
    loss, (carry, figures) = TASK.loss(params, (), batch, None)
    answer = expected(params, batch)
    assert carry == ()
    assert answer[1] >= 2 / 6
    np.testing.assert_allclose([loss, figures["streams"], figures["spikes"]], answer, rtol=1e-10)


def test_evaluate_equals_numpy():
    params = spread(TASK.init(jax.random.key(1)))
    found = TASK.evaluate(params, jax.device_put, "test")
    answer = expected(params, draw(np.random.default_rng((2, 0)), 1000, TASK.data))
    np.testing.assert_allclose([found[name] for name in ("loss", "streams", "spikes")], answer, rtol=1e-10)


def test_the_output_starts_at_the_rate_of_spikes():
    bias = TASK.init(jax.random.key(0))["readout"]["bias"]
    rate = draw(np.random.default_rng(0), 200, DataOptions(shortest=3, extra=2, length=400)).targets.mean()
    np.testing.assert_allclose(1 / np.exp(-bias[0]), rate, rtol=0.02)  # its odds, as for any rare event


def test_streams_without_a_spike_count_as_right_where_none_is_told():
    task = Timing(Network("elman", hidden=1), DataOptions(shortest=9, extra=0, length=3, rows=2))
    params = jax.tree.map(np.zeros_like, jax.device_get(task.init(jax.random.key(0))))
    params["readout"]["bias"][:] = -1.0
    _, (_, figures) = task.loss(params, (), Spikes(np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32)), None)
    assert (figures["streams"], figures["spikes"]) == (1, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shortest": 0}, "`data.shortest` must be 1 or more steps, got 0"),
        ({"extra": -1}, "`data.extra` must be 0 or more steps"),
        ({"length": 0}, "`data.length` must be"),
        ({"rows": 0}, "`data.rows` must be"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        DataOptions(**options)
