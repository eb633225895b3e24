"""Averaged SGD against a NumPy loop; what sets it off, what is validated and kept, and that a resumed run is equal."""

from __future__ import annotations

import signal
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrnn.train import Checkpoints, OptimizerOptions
from jaxrnn.train.averaging import averaged, begin_average, with_average
from jaxrnn.train.ending import best_params
from jaxrnn.train.loop import abstract_state, fit
from jaxrnn.train.meshes import make_mesh
from jaxrnn.train.optimizer import make_optimizer
from jaxrnn.train.step import init_state, make_step, place, state_shardings
from tests.train.test_loop import assert_same_run, stored
from tests.train.toy import experiment


def averaging(loop=None, **data):
    """Validated every fifth step of thirty; an average begins after two validations without a new best."""
    exp = experiment({"steps": 30, "validate_every": 5} | (loop or {}), **data)
    return replace(exp, optimizer=replace(exp.optimizer, averaging=2))


def test_equals_numpy():
    """SGD on 0.5 |p - g|^2, averaged from the fourth update on; before, the mean is not used."""
    targets = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    optimizer = with_average(optax.sgd(0.3))
    params, expected, iterates = jnp.array([1.0, -2.0, 0.5]), np.array([1.0, -2.0, 0.5]), []
    state = optimizer.init(params)
    for n, target in enumerate(targets):
        if n == 3:
            state = begin_average(state)
        updates, state = jax.jit(optimizer.update)(params - target, state, params)
        params = optax.apply_updates(params, updates)
        expected = expected - 0.3 * (expected - target)
        iterates += [expected] if n >= 3 else []
        np.testing.assert_allclose(params, expected, rtol=1e-5)
        np.testing.assert_allclose(averaged(state, params), np.mean(iterates or [expected], axis=0), rtol=1e-5)
    assert begin_average(state) is state  # an average that has begun goes on


def test_a_running_mean_equals_numpy():
    """Of SGD on 0.5 |p - g|^2, from the first update on: of all of them, until they are more than it remembers."""
    targets = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    optimizer = make_optimizer(
        OptimizerOptions("sgd", 0.3, warmup=0, schedule="constant", clip_norm=float("inf"), running=4), 9
    )
    params, expected, mean = jnp.array([1.0, -2.0, 0.5]), np.array([1.0, -2.0, 0.5]), np.zeros(3)
    state = optimizer.init(params)
    assert averaged(state, params) is params
    for n, target in enumerate(targets, 1):
        updates, state = jax.jit(optimizer.update)(params - target, state, params)
        params = optax.apply_updates(params, updates)
        expected = expected - 0.3 * (expected - target)
        mean = (n - 1) / n * mean + expected / n if n < 4 else 0.75 * mean + 0.25 * expected
        np.testing.assert_allclose(averaged(state, params), mean, rtol=1e-5)
        assert begin_average(state) is state


def test_without_averaging_there_is_neither_state_nor_mean():
    params = {"kernel": jnp.ones(3)}
    state = make_optimizer(OptimizerOptions(), 10).init(params)
    assert begin_average(state) is state
    assert averaged(state, params) is params


def judged(monkeypatch, exp, losses):
    """Validation losses come from a list; the parameters that were validated are noted."""
    seen, losses = [], iter(losses)

    def evaluate(task, params, place, split="validation"):
        seen.append(jax.device_get(params))
        return {"loss": next(losses)}

    monkeypatch.setattr(type(exp.task), "evaluate", evaluate)
    return seen


def test_begins_after_two_validations_without_a_best_and_is_validated_and_kept(tmp_path, console, stop, monkeypatch):
    exp = averaging({"checkpoint_every": 1, "keep": 99})
    seen = judged(monkeypatch, exp, [3.0, 2.0, 2.5, 2.0, 1.0, 1.5])
    fit(exp, tmp_path, console, stop)
    checkpoints, like = Checkpoints(tmp_path / "checkpoints", 99), abstract_state(exp, make_mesh())
    kernels = {step: np.asarray(checkpoints.read(step, like).state.params["kernel"]) for step in checkpoints.steps()}
    for n, step in enumerate((5, 10, 15, 20)):  # the second without a best is at step 20
        np.testing.assert_array_equal(seen[n]["kernel"], kernels[step])
    for n, step in ((4, 25), (5, 30)):
        mean = np.mean([kernels[k].astype(np.float64) for k in range(21, step + 1)], axis=0)
        np.testing.assert_allclose(seen[n]["kernel"], mean, rtol=1e-5)
    np.testing.assert_array_equal(best_params(exp, tmp_path)["kernel"], seen[4]["kernel"])


@pytest.mark.parametrize("at", [15, 27])
def test_a_resumed_run_is_the_same(tmp_path, console, stop, at, monkeypatch):
    """Stopped right where the average begins (no best at steps 10 and 15), and within it; one step is skipped."""
    exp = averaging(nan_steps=(17,))
    losses = {5: 1.0, 10: 2.0, 15: 2.0, 20: 0.5, 25: 0.7, 30: 0.4}
    number, moment, count = 0, None, type(exp.task).count

    def count_and_stop(task, batch):
        nonlocal number
        number += 1
        if number == moment:
            signal.raise_signal(signal.SIGTERM)
        return count(task, batch)

    monkeypatch.setattr(type(exp.task), "evaluate", lambda task, params, place: {"loss": losses[number]})
    monkeypatch.setattr(type(exp.task), "count", count_and_stop)
    fit(exp, tmp_path / "whole", console, stop)
    number, moment = 0, at
    assert fit(exp, tmp_path / "parts", console, stop)[0] == at
    stop.signal = None
    fit(exp, tmp_path / "parts", console, stop)
    assert_same_run(tmp_path / "whole", tmp_path / "parts", exp)
    assert int(stored(tmp_path / "whole", exp)[1].opt_state.iterates) == 14  # 16 to 30, one of them skipped


def test_one_compilation():
    exp, mesh = averaging(), make_mesh()
    optimizer = make_optimizer(exp.optimizer, 30)
    state = init_state(exp.task, optimizer, 0)
    shardings = state_shardings(state, mesh)
    step, state, batches = (
        make_step(exp.task.loss, optimizer, shardings),
        jax.device_put(state, shardings),
        exp.task.batches(),
    )
    for n in range(4):
        state, _ = step(state, place(next(batches), mesh))
        if n == 1:
            state = state._replace(opt_state=begin_average(state.opt_state))
    assert (step._cache_size(), int(state.opt_state.iterates)) == (1, 2)


def test_options_are_checked():
    with pytest.raises(ValueError, match=r"`optimizer.averaging` must be 0 or more validations, got -1"):
        OptimizerOptions(averaging=-1)
