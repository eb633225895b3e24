"""The loop on a toy: resume bit by bit, bad batches, early stopping, and one compilation."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrnn.train import Checkpoints, NonFiniteError, OptimizerOptions
from jaxrnn.train.loop import abstract_state, fit
from jaxrnn.train.meshes import make_mesh
from jaxrnn.train.metrics import read_metrics
from jaxrnn.train.optimizer import learning_rate, make_optimizer
from jaxrnn.train.step import init_state, make_step, place, state_shardings
from tests.train.toy import Toy, experiment


def stored(folder, exp):
    """Newest step, state and progress of a run, as host arrays."""
    step, state, progress = Checkpoints(folder / "checkpoints", 9).newest(abstract_state(exp, make_mesh()))
    return step, jax.device_get(state), progress


def assert_same_run(a, b, exp):
    """Equal metrics.jsonl and equal final state, bit by bit."""
    assert (a / "metrics.jsonl").read_bytes() == (b / "metrics.jsonl").read_bytes()
    (step_a, state_a, progress_a), (step_b, state_b, progress_b) = stored(a, exp), stored(b, exp)
    assert step_a == step_b
    jax.tree.map(np.testing.assert_array_equal, state_a, state_b)
    clocks = {"seconds": 0, "cpu_seconds": 0}
    assert progress_a | clocks == progress_b | clocks


def by_hand(exp, steps):
    """The same training as a plain loop: no guard, checkpoint or mesh. Losses and parameters by step."""
    task, optimizer = exp.task, make_optimizer(exp.optimizer, exp.loop.steps)
    start = init_state(task, optimizer, exp.seed)
    params, opt_state, carry, batches = start.params, start.opt_state, start.carry, task.batches()
    gradient, update = jax.jit(jax.value_and_grad(task.loss, has_aux=True)), jax.jit(optimizer.update)
    losses = []
    for n in range(steps):
        rng = jax.random.fold_in(jax.random.wrap_key_data(start.key), n)
        (loss, (carry, _)), grads = gradient(params, carry, next(batches), rng)
        updates, opt_state = update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
        losses.append(float(loss))
    return losses, params


def test_equals_a_plain_loop(tmp_path, console, stop):
    exp = experiment({"steps": 20, "log_every": 1})
    fit(exp, tmp_path, console, stop)
    losses, params = by_hand(exp, 20)
    lines = [line for line in read_metrics(tmp_path / "metrics.jsonl") if "loss" in line]
    np.testing.assert_allclose([line["loss"] for line in lines], losses, rtol=1e-5)
    for a, b in zip(jax.tree.leaves(stored(tmp_path, exp)[1].params), jax.tree.leaves(params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_task_may_record_another_loss_than_it_lowers(tmp_path, console, stop, monkeypatch):
    exp, loss = experiment({"steps": 1, "log_every": 1}), Toy.loss

    def scaled(task, *arguments):
        value, (carry, figures) = loss(task, *arguments)
        return 10 * value, (carry, figures | {"loss": value})

    monkeypatch.setattr(Toy, "loss", scaled)
    fit(exp, tmp_path, console, stop)
    monkeypatch.undo()
    start = init_state(exp.task, make_optimizer(exp.optimizer, 1), exp.seed)
    rng = jax.random.fold_in(jax.random.wrap_key_data(start.key), 0)
    arguments = start.carry, next(exp.task.batches()), rng
    expected, slopes = jax.value_and_grad(lambda p: exp.task.loss(p, *arguments)[0])(start.params)
    line = read_metrics(tmp_path / "metrics.jsonl")[0]
    np.testing.assert_allclose(line["loss"], expected, rtol=1e-5)
    np.testing.assert_allclose(line["grad_norm"], 10 * optax.tree.norm(slopes), rtol=1e-5)


def parts(exp):
    """The compiled step, its first state, and a function that gives the next batch, placed."""
    mesh, optimizer = make_mesh(), make_optimizer(exp.optimizer, 30)
    state = init_state(exp.task, optimizer, 0)
    shardings = state_shardings(state, mesh)
    batches = exp.task.batches()
    return (
        make_step(exp.task.loss, optimizer, shardings),
        jax.device_put(state, shardings),
        lambda: place(next(batches), mesh),
    )


def test_one_compilation():
    step, state, batch = parts(experiment())
    for _ in range(4):
        state, _ = step(state, batch())
    assert step._cache_size() == 1


def test_memory_of_the_old_state_is_reused():
    step, state, batch = parts(experiment())
    step(state, batch())
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state))


@pytest.mark.parametrize("at", [1, 13, 29])
def test_stopped_and_resumed_run_equals_an_uninterrupted_one(tmp_path, console, stop, at, monkeypatch):
    exp = experiment({"steps": 30}, nan_steps=(3, 12), steep_steps=(14,))
    fit(exp, tmp_path / "whole", console, stop)
    count = type(exp.task).count
    seen = iter(range(1, 99))

    def count_and_stop(task, batch):
        if next(seen) == at:
            signal.raise_signal(signal.SIGTERM)
        return count(task, batch)

    monkeypatch.setattr(type(exp.task), "count", count_and_stop)
    step, progress = fit(exp, tmp_path / "parts", console, stop)
    assert (step, progress.finished, stop.exit_code) == (at, None, 0)
    stop.signal = None
    step, progress = fit(exp, tmp_path / "parts", console, stop)
    assert (step, progress.finished) == (30, "all steps done")
    assert_same_run(tmp_path / "whole", tmp_path / "parts", exp)


def test_damaged_newest_checkpoint_is_named_and_the_one_before_gives_the_same_run(tmp_path, console, stop):
    exp = experiment({"steps": 30})
    fit(exp, tmp_path / "whole", console, stop)
    fit(exp, tmp_path / "parts", console, stop)
    newest = tmp_path / "parts" / "checkpoints" / "000000030"
    (newest / "progress.json").write_text("{}")
    with pytest.warns(UserWarning, match="000000030 is damaged.*progress.json"):
        step, _ = fit(exp, tmp_path / "parts", console, stop)
    assert step == 30
    assert "resuming after step 20" in console.file.getvalue()
    assert_same_run(tmp_path / "whole", tmp_path / "parts", exp)


def test_cut_off_line_of_metrics_is_dropped(tmp_path, console, stop):
    exp = experiment({"steps": 30})
    fit(exp, tmp_path / "whole", console, stop)
    fit(exp, tmp_path / "parts", console, stop)
    shutil.rmtree(tmp_path / "parts" / "checkpoints" / "000000030")
    metrics = tmp_path / "parts" / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes()[:-17])  # as if killed after step 20, in the middle of a line
    fit(exp, tmp_path / "parts", console, stop)
    assert "resuming after step 20" in console.file.getvalue()
    assert_same_run(tmp_path / "whole", tmp_path / "parts", exp)


@pytest.mark.parametrize("kind", ["nan_steps", "steep_steps"])
def test_bad_step_keeps_parameters_optimizer_and_carry(kind):
    step, state, batch = parts(experiment(**{kind: (3,)}))
    for n in (1, 2, 3, 4):
        before = jax.device_get(state)
        state, outcome = step(state, batch())
        after = jax.device_get(state)
        pairs = zip(jax.tree.leaves(before[:3]), jax.tree.leaves(after[:3]), strict=True)  # params, opt_state, carry
        same = [np.array_equal(a, b) for a, b in pairs]
        assert bool(outcome["finite"]) == (n != 3)
        assert all(same) if n == 3 else not any(same)
        assert (int(after.step), int(after.skipped), int(after.skipped_in_a_row)) == (n, int(n >= 3), int(n == 3))
        if n == 3:
            assert np.isfinite(outcome["loss"]) == (kind == "steep_steps")


def test_skipped_steps_are_counted_and_reported(tmp_path, console, stop):
    exp = experiment({"steps": 20}, nan_steps=(3, 4, 5, 6, 7, 8, 9, 10, 11), steep_steps=(15,))  # nine in a row go on
    fit(exp, tmp_path, console, stop)
    lines = {line["step"]: line for line in read_metrics(tmp_path / "metrics.jsonl") if "skipped" in line}
    assert [lines[step]["skipped"] for step in (5, 10, 15, 20)] == [3, 8, 10, 10]
    assert "loss" not in lines[10]
    assert np.isfinite(lines[5]["loss"])
    assert "step 3: loss nan, gradient norm nan: skipped (1 so far)" in console.file.getvalue()
    rate = learning_rate(exp.optimizer, 20)  # the schedule counts updates, not batches
    assert lines[20]["learning_rate"] == float(rate(10))


def test_ten_in_a_row_stop_the_run_and_the_last_good_checkpoint_stays(tmp_path, console, stop):
    exp = experiment({"steps": 40}, nan_steps=tuple(range(15, 40)))
    with pytest.raises(NonFiniteError, match=r"step 24: .*the 10th step in a row.*000000020"):
        fit(exp, tmp_path, console, stop)
    step, state, _ = stored(tmp_path, exp)
    assert (step, int(state.skipped)) == (20, 6)  # saved among bad steps: the parameters are those after step 14
    np.testing.assert_allclose(state.params["kernel"], by_hand(exp, 14)[1]["kernel"], rtol=1e-5)


@pytest.mark.parametrize("kind", ["nan_steps", "steep_steps"])
def test_raise_on_request(tmp_path, console, stop, kind):
    exp = experiment({"nonfinite": "raise"}, **{kind: (13,)})
    with pytest.raises(NonFiniteError, match=r"step 13: .*loop.nonfinite is 'raise'.*000000010"):
        fit(exp, tmp_path, console, stop)


@pytest.mark.parametrize("kind", ["nan_steps", "steep_steps"])
def test_what_is_not_finite_from_the_first_step_on(tmp_path, console, stop, kind):
    """Skipped, it leaves parameters, moments and carry as they began; nothing is written that a resumed run trusts."""
    exp = experiment({"steps": 1}, **{kind: (1,)})
    fit(exp, tmp_path / "one", console, stop)
    _, state, _ = stored(tmp_path / "one", exp)
    fresh = init_state(exp.task, make_optimizer(exp.optimizer, 1), exp.seed)
    for part in ("params", "opt_state", "carry"):
        jax.tree.map(np.testing.assert_array_equal, getattr(state, part), jax.device_get(getattr(fresh, part)))
    assert (int(state.step), int(state.skipped)) == (1, 1)
    for loop, steps, said in (
        ({"nonfinite": "raise"}, (1,), "step 1: .*loop.nonfinite is 'raise'"),
        ({"checkpoint_every": 20}, range(1, 11), "step 10: .*the 10th step in a row"),
    ):
        folder = tmp_path / str(len(steps))
        with pytest.raises(NonFiniteError, match=f"{said}.*There is no checkpoint yet"):
            fit(experiment({"validate_every": 20} | loop, **{kind: tuple(steps)}), folder, console, stop)
        assert not [*folder.glob("checkpoints/*")]


def test_patience_ends_the_run_and_the_best_is_kept(tmp_path, console, stop, monkeypatch):
    losses = iter([3.0, 2.0, float("nan"), 2.5, 2.0, 1.0])
    exp = experiment({"steps": 60, "patience": 3, "keep": 1})
    monkeypatch.setattr(type(exp.task), "evaluate", lambda *_: {"loss": next(losses)})
    step, progress = fit(exp, tmp_path, console, stop)
    assert (step, progress.best_step, progress.best_loss) == (50, 20, 2.0)
    assert progress.finished == "no better validation loss in 3 validations"
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["000000020", "000000050"]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["validation_loss"] for line in lines if "validation_loss" in line] == [3.0, 2.0, None, 2.5, 2.0]
    assert fit(exp, tmp_path, console, stop) == (step, progress)  # finished: nothing more is done


class Chosen(Toy):
    """Its validations say the figures that they are given."""

    chosen_by = "f1"
    figures = ()

    def evaluate(self, params, place, split="validation"):
        return next(self.figures)


@pytest.mark.parametrize(("best", "steps"), [("task", (40, 60)), ("loss", (20, 50))])
def test_a_task_may_choose_by_a_figure(tmp_path, console, stop, best, steps):
    """Of equal figures the lower loss counts; what is no number does not."""
    nan = float("nan")
    told = [(4.0, 0.0), (2.0, 0.0), (2.5, 0.2), (2.4, 0.2), (nan, 0.9), (9.0, nan)]
    exp = experiment({"steps": 60, "patience": 3, "keep": 1, "best": best})
    task = Chosen(exp.task.data)
    object.__setattr__(task, "figures", iter({"loss": loss, "f1": f1} for loss, f1 in told))
    step, progress = fit(dataclasses.replace(exp, task=task), tmp_path, console, stop)
    assert (progress.best_step, step) == steps
    assert progress.best_loss == told[progress.best_step // 10 - 1][0]
    shown = {"task": "best validation f1 0.2000", "loss": "best validation loss 2.0000"}[best]
    assert shown in console.file.getvalue()
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {f"{n:09d}" for n in steps}


def test_a_task_that_chooses_by_what_it_does_not_say_is_told(tmp_path, console, stop):
    exp = experiment()
    task = Chosen(exp.task.data)
    object.__setattr__(task, "figures", iter([{"loss": 1.0, "accuracy": 0.5}]))
    with pytest.raises(ValueError, match=r"`task\.chosen_by` must be one of the figures loss, accuracy, got 'f1'"):
        fit(dataclasses.replace(exp, task=task), tmp_path, console, stop)


def test_metrics_hold_the_mean_since_the_last_line(tmp_path, console, stop):
    every, fifth = experiment({"log_every": 1}), experiment({"log_every": 5})
    fit(every, tmp_path / "every", console, stop)
    fit(fifth, tmp_path / "fifth", console, stop)
    single = [line for line in read_metrics(tmp_path / "every" / "metrics.jsonl") if "loss" in line]
    for n, line in enumerate(line for line in read_metrics(tmp_path / "fifth" / "metrics.jsonl") if "loss" in line):
        for name in ("loss", "grad_norm", "bias"):
            np.testing.assert_allclose(line[name], np.mean([s[name] for s in single[5 * n : 5 * n + 5]]), rtol=1e-14)


def test_learning_rate_warms_up_then_follows_a_cosine():
    exp = experiment({"steps": 105})
    rate = learning_rate(exp.optimizer, 105)  # peak 0.05 after 5
    expected = [0.05 / 6, 0.05 / 3, 0.05, 0.025, 0]
    np.testing.assert_allclose([rate(n) for n in (0, 1, 5, 55, 105)], expected, rtol=1e-6, atol=1e-9)


def test_rows_must_divide_by_devices():
    with pytest.raises(ValueError, match=r"batch of 7 rows.*8 devices"):
        place({"x": np.zeros((7, 2))}, make_mesh(jax.devices()[:1] * 8))


@pytest.mark.parametrize("warmup", [0, 3])
def test_staircase(warmup):
    """Zaremba's: the peak for some epochs, then a factor an epoch."""
    options = OptimizerOptions(name="sgd", learning_rate=1.0, warmup=warmup, schedule="staircase", hold=8, stair=4)
    rate = learning_rate(options, 20)
    rise = [(n + 1) / (warmup + 1) for n in range(warmup)]
    expected = rise + [1.0] * (8 - warmup) + [0.5] * 4 + [0.25] * 4 + [0.125] * 4
    np.testing.assert_allclose([rate(n) for n in range(20)], expected, rtol=1e-6)


def test_sgd_is_the_clipped_gradient_times_the_rate():
    options = OptimizerOptions(name="sgd", learning_rate=0.5, warmup=0, schedule="constant", clip_norm=1.0)
    optimizer = make_optimizer(options, 10)
    params = {"kernel": jnp.array([3.0, 1.0]), "bias": jnp.array([2.0])}
    gradient = {"kernel": jnp.array([3.0, 0.0]), "bias": jnp.array([4.0])}  # of norm 5
    updates, _ = optimizer.update(gradient, optimizer.init(params), params)
    np.testing.assert_allclose(updates["kernel"], [-0.3, 0.0], rtol=1e-6)
    np.testing.assert_allclose(updates["bias"], [-0.4], rtol=1e-6)
