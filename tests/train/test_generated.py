"""Generated batches by number, and short runs of the tasks that live on them: losses fall, resumed runs are equal."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxrnn.tasks import Adding, MemoryPolicy, Reber, Timing
from jaxrnn.tasks.memory import adding, reber, timing
from jaxrnn.tasks.memory_policy import memory_policy
from jaxrnn.tasks.shared.network import Network
from jaxrnn.train import Experiment, LoopOptions, OptimizerOptions
from jaxrnn.train.generated import Generated
from jaxrnn.train.loop import fit
from jaxrnn.train.metrics import read_metrics
from tests.tasks.resuming import StopAfter
from tests.train.test_loop import assert_same_run


def test_a_batch_is_its_split_and_its_number():
    numbers = {}
    for split in ("training", "validation", "test"):
        batches = Generated(lambda rng: rng.integers(2**62), split)
        numbers[split] = [next(batches) for _ in range(5)]
        assert batches.get_state() == {"batch": 5}
        batches.set_state({"batch": 2})
        assert [next(batches) for _ in range(3)] == numbers[split][2:]
    assert len({number for split in numbers.values() for number in split}) == 15
    assert numbers["test"][3] == np.random.default_rng((2, 3)).integers(2**62)


def test_an_unknown_split_is_named():
    with pytest.raises(ValueError, match="`split` must be one of training, validation, test, got 'tset'"):
        Generated(lambda rng: rng, "tset")


TASKS = {
    "adding": Adding(Network("lstm", 8), adding.DataOptions(length=11, rows=32)),
    "reber": Reber(Network("elman", 8), reber.DataOptions(rows=16)),
    "timing": Timing(Network("lstm_peepholes", 4), timing.DataOptions(shortest=3, length=20)),
    "memory_policy": MemoryPolicy(
        Network("gru", 8), memory_policy.DataOptions(corridor=2, rows=8, length=12), memory_policy.PolicyOptions()
    ),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in ("memory_policy", "reber", "timing") else n for n in TASKS]
)
def test_the_loss_falls_and_a_resumed_run_is_equal(name, tmp_path, console):
    loop = LoopOptions(steps=40, log_every=10, validate_every=40, checkpoint_every=10)
    exp = Experiment(name, 0, TASKS[name], OptimizerOptions(learning_rate=2e-2, warmup=5), loop)
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    fit(exp, whole, console, StopAfter(1000))
    for looks in (17, 1000):
        step, progress = fit(exp, pieces, console, StopAfter(looks))
    assert (step, progress.finished) == (40, "all steps done")
    assert_same_run(whole, pieces, exp)
    losses = [line["validation_loss"] for line in read_metrics(whole / "metrics.jsonl") if "validation_loss" in line]
    fresh = exp.task.evaluate(exp.task.init(jax.random.key(5)), jax.device_put)["loss"]
    assert losses[-1] < fresh - 0.01 * abs(fresh)


@pytest.mark.parametrize("name", TASKS)
def test_samples_are_written(name, tmp_path):
    task = TASKS[name]
    text = task.show(task.init(jax.random.key(0)), tmp_path, seed=1)
    assert (tmp_path / "sample.txt").read_text(encoding="utf-8") == text + "\n"
    assert len(text) > 20
    assert task.count(next(task.batches())) > 0
