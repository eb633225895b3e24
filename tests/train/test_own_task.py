"""One's own functions and modules in the loop, and what is said of a task that does not keep the protocol."""

from __future__ import annotations

import json
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxrnn.train import (
    ByLength,
    Experiment,
    LoopOptions,
    OptimizerOptions,
    RunError,
    check_task,
    of_functions,
    of_module,
    run,
    train_task,
)
from jaxrnn.train.metrics import read_metrics
from tests.tasks.resuming import StopAfter
from tests.train.toy import Toy, ToyOptions

X = np.linspace(-1, 1, 64, dtype=np.float32)
LOOP = LoopOptions(steps=20, log_every=5, validate_every=10)
SGD = OptimizerOptions(name="sgd", learning_rate=0.1, warmup=0, schedule="constant", clip_norm=float("inf"))


def rows(index):
    return {"x": X[index], "y": 3 * X[index]}


def batches():
    return ByLength(np.ones(64), rows=64, seed=0, collate=rows)


def squares(params, batch, key):
    error = params["w"] * batch["x"] - batch["y"]
    return jnp.mean(error**2), {"worst": jnp.max(jnp.abs(error))}


def line(**more):
    given = {"init": lambda key: {"w": jnp.zeros(())}, "loss": squares, "training": batches}
    return of_functions(**given | {"validation": [rows(np.arange(16)), rows(np.arange(16, 64))]} | more)


def test_functions_are_trained_as_gradient_descent_by_hand(tmp_path):
    lines = []
    trained = train_task(line(), tmp_path / "run", loop=LOOP, optimizer=SGD, callbacks=[lines.append])
    w, mean = 0.0, np.mean(X.astype(np.float64) ** 2)
    for _ in range(20):
        w -= 0.1 * 2 * mean * (w - 3)
    np.testing.assert_allclose(trained.params["w"], w, rtol=1e-5)
    np.testing.assert_allclose(trained.figures["validation loss"], mean * (w - 3) ** 2, rtol=1e-4)
    assert lines == read_metrics(tmp_path / "run/metrics.jsonl")
    assert trained.finished


def test_a_logger_that_fails_is_left_out_and_training_goes_on(tmp_path):
    def broken(line):
        raise RuntimeError("no network")

    lines = []
    with pytest.warns(UserWarning, match="is left out from here on: RuntimeError"):
        train_task(line(), tmp_path / "run", loop=LOOP, optimizer=SGD, callbacks=[broken, lines.append])
    assert len(lines) == 6


def test_a_module_is_trained_by_the_same_steps_and_comes_back(tmp_path):
    class Line(nnx.Module):
        def __init__(self, rngs):
            self.w, self.drop = nnx.Param(jnp.zeros(())), nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, x):
            return self.w[...] * self.drop(x)

    seen = []

    def loss(module, batch):
        seen.append(module.drop.deterministic)
        return jnp.mean((module.w[...] * batch["x"] - batch["y"]) ** 2)

    task = of_module(Line, loss, batches, [rows(np.arange(64))])
    by_module = train_task(task, tmp_path / "module", loop=LOOP, optimizer=SGD)
    by_functions = train_task(line(), tmp_path / "functions", loop=LOOP, optimizer=SGD)
    np.testing.assert_array_equal(by_module.params["w"], by_functions.params["w"])
    np.testing.assert_array_equal(task.module_of(by_module.params)(X), by_module.params["w"] * X)  # nothing is dropped
    assert {*seen} == {True, False}


class Normed(nnx.Module):
    def __init__(self, rngs):
        self.norm = nnx.BatchNorm(1, momentum=0.9, epsilon=1e-5, rngs=rngs)


def normed(**more):
    """A line through what a batch norm makes of x; the eight devices of the tests share the rows."""

    def loss(module, batch):
        return jnp.mean((module.norm(batch["x"][:, None])[:, 0] - batch["y"]) ** 2)

    def some():
        return ByLength(np.ones(48), rows=24, seed=3, collate=rows)

    return of_module(Normed, loss, **{"training": some, "validation": [rows(np.arange(64))]} | more)


def by_hand(steps):
    """Gradient descent in float64 on scale and bias, and the running moments."""
    scale, bias, mean, var, stream = 1.0, 0.0, 0.0, 1.0, normed().batches()
    for _ in range(steps):
        batch = {name: a.astype(np.float64) for name, a in next(stream).items()}
        m, v = batch["x"].mean(), batch["x"].var()
        z = (batch["x"] - m) / np.sqrt(v + 1e-5)
        error = scale * z + bias - batch["y"]
        scale, bias = scale - 0.1 * 2 * (error * z).mean(), bias - 0.1 * 2 * error.mean()
        mean, var = 0.9 * mean + 0.1 * m, 0.9 * var + 0.1 * v
    return {"scale": scale, "bias": bias, "mean": mean, "var": var}


def test_running_means_are_those_of_a_loop_by_hand(tmp_path):
    trained = train_task(normed(), tmp_path / "run", loop=LOOP, optimizer=SGD)
    wanted = by_hand(20)
    for name in ("mean", "var", "scale", "bias"):
        np.testing.assert_allclose(trained.params["norm"][name], [wanted[name]], rtol=2e-5, atol=2e-6, err_msg=name)
    module = normed().module_of(trained.params)
    got = module.norm(jnp.asarray(X)[:, None])[:, 0]
    scale, bias = (float(trained.params["norm"][name][0]) for name in ("scale", "bias"))
    z = (X.astype(np.float64) - wanted["mean"]) / np.sqrt(wanted["var"] + 1e-5)
    np.testing.assert_allclose(got, scale * z + bias, rtol=1e-4, atol=1e-5)
    loss = np.mean((scale * z + bias - 3 * X.astype(np.float64)) ** 2)  # validation sees the running means
    np.testing.assert_allclose(trained.figures["validation loss"], loss, rtol=1e-4)


@pytest.mark.slow
def test_running_means_are_resumed_and_a_skipped_step_leaves_them(tmp_path):
    whole = train_task(normed(), tmp_path / "whole", loop=LOOP, optimizer=SGD)
    stop = lambda line: signal.raise_signal(signal.SIGTERM)  # noqa: E731, after step 5
    half = LoopOptions(steps=20, log_every=5, validate_every=10, checkpoint_every=7)
    stopped = train_task(normed(), tmp_path / "cut", loop=half, optimizer=SGD, callbacks=[stop])
    assert not stopped.finished
    resumed = train_task(normed(), tmp_path / "cut", loop=half, optimizer=SGD, resume=True)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), whole.params, resumed.params))

    def spoiled(index):
        return {"x": np.full(24, np.nan, np.float32), "y": np.zeros(24, np.float32)}

    nothing = normed(training=lambda: ByLength(np.ones(48), rows=24, seed=3, collate=spoiled))
    left = train_task(nothing, tmp_path / "nan", loop=LoopOptions(steps=3), optimizer=SGD)
    assert {name: a.tolist() for name, a in left.params["norm"].items()} == {
        "scale": [1], "bias": [0], "mean": [0], "var": [1]
    }  # fmt: skip


def test_state_that_is_no_number_is_refused_and_a_model_answers_rows(tmp_path):
    class Counted(nnx.Module):
        def __init__(self, rngs):
            self.w, self.calls = nnx.Param(jnp.ones(())), nnx.Variable(jnp.zeros((), jnp.int32))

    with pytest.raises(ValueError, match=r"state of floating numbers, got calls \(int32\)"):
        of_module(Counted, lambda module, batch: 0, batches, [])
    task = normed(predict=lambda module, rows: ({"y": float(module.norm(jnp.full((1, 1), x))[0, 0])} for x in rows))
    params = {"norm": dict(zip(("scale", "bias", "mean", "var"), np.float32([[2], [1], [3], [4]]), strict=True))}
    said = [answer["y"] for answer in task.predict(params, [3.0, 5.0])]
    np.testing.assert_allclose(said, [1, 1 + 2 * 2 / np.sqrt(4 + 1e-5)], rtol=1e-6)
    with pytest.raises(ValueError, match="made with `predict`"):
        line().predict({}, [])
    doubled = line(predict=lambda params, rows: [{"y": params["w"] * x} for x in rows])
    assert [*doubled.predict({"w": 2}, [1, 2])] == [{"y": 2}, {"y": 4}]


def test_given_parameters_are_begun_with(tmp_path):
    start = {"w": np.array(2.5)}  # float64, as NumPy makes it
    trained = train_task(line(), tmp_path / "run", loop=LoopOptions(steps=1), optimizer=SGD, start=start)
    np.testing.assert_allclose(trained.params["w"], 2.5 + np.mean(X**2) * 0.1, rtol=1e-5)
    with pytest.raises(TypeError, match=r"`start` must be parameters of the task, {'w': float32\[\]}, got {'v'"):
        train_task(line(), tmp_path / "other", start={"v": np.ones(())})
    assert not (tmp_path / "other").exists()
    with pytest.raises(RunError, match="is not empty"):
        train_task(line(), tmp_path / "run", loop=LoopOptions(steps=1), optimizer=SGD)
    assert json.loads((tmp_path / "run/result.json").read_text())["from"] == "given parameters"


@pytest.mark.slow  # Grain takes seconds to be imported
@pytest.mark.filterwarnings("ignore")
def test_grains_iterators_are_batches_and_a_run_over_them_resumes_to_the_bit(tmp_path):
    grain = pytest.importorskip("grain")

    def dataset():
        source = grain.MapDataset.source(X).shuffle(seed=0).repeat().map(lambda x: {"x": x, "y": 3 * x})
        return iter(source.batch(16).to_iter_dataset())

    experiment = Experiment(
        "own", 0, line(training=dataset), SGD, LoopOptions(steps=20, log_every=1, validate_every=20)
    )
    for name, looks in (("whole", (99,)), ("pieces", (7, 99))):
        for n, stop in enumerate(looks):
            assert run(experiment, tmp_path / name, n > 0, StopAfter(stop)) == 0
    whole, pieces = (read_metrics(tmp_path / name / "metrics.jsonl") for name in ("whole", "pieces"))
    assert whole == pieces
    assert whole[-1]["validation_loss"] < whole[0]["loss"] / 4


class Without(Toy):
    """The toy with one member replaced."""

    def __init__(self, **members):
        for name, value in members.items():
            object.__setattr__(self, name, value)
        super().__init__(ToyOptions())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("members", "error", "message"),
    [
        ({"splits": ("test",)}, TypeError, "`task.splits` must be a tuple of names, 'validation' first"),
        ({"headline": "accuracy"}, ValueError, "`task.headline` must be one of validation, test"),
        ({"unit": 3}, TypeError, "`task.unit` must be a text"),
        ({"init": lambda key: {}}, TypeError, "`task.init` must be"),
        (
            {"batches": lambda: iter([])},
            TypeError,
            r"`task.batches\(\)` must be an iterator with get_state and set_state",
        ),
        ({"count": lambda batch: 1.5}, TypeError, r"`task.count\(batch\)` must be an integer"),
        ({"loss": lambda *_: jnp.zeros(())}, TypeError, r"`task.loss\(...\)` must be \(loss, \(carry, figures\)\)"),
        ({"loss": lambda p, c, b, r: (b["y"], (c, {}))}, TypeError, "got a loss"),
        ({"loss": lambda p, c, b, r: (b["y"].sum(), ((), {}))}, TypeError, "the carry"),
        ({"loss": lambda p, c, b, r: (b["y"].sum(), (c, {"all": b["y"]}))}, TypeError, "no scalars: all"),
    ],
)
def test_a_task_that_does_not_keep_the_protocol_is_told_before_anything_is_written(tmp_path, members, error, message):
    with pytest.raises(error, match=message):
        train_task(Without(**members), tmp_path / "run", loop=LOOP)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_task_or_no_batch_is_named():
    with pytest.raises(TypeError, match=r"`task` must be a Task, .* which has no unit, headline, splits, init"):
        check_task(object())
    check_task(Toy(ToyOptions()))
    with pytest.raises(ValueError, match="a multiple of the 3 devices in rows, got 8 rows"):
        check_task(Toy(ToyOptions()), devices=3)
    for wrong in ({"validation": None}, {"validation": iter([])}, {"training": 3}, {"init": 3}, {"options": {"a": 1}}):
        with pytest.raises(TypeError, match=f"`{next(iter(wrong))}` must be"):
            line(**wrong)
    for wrong in ({"unit": 3}, {"count": 3}, {"show": "a"}, {"training": [rows(np.arange(4))]}, {"validation": "abc"}):
        with pytest.raises(TypeError, match=f"`{next(iter(wrong))}"):
            line(**wrong)
    with pytest.raises(ValueError, match="`validation` must be of one batch or more"):
        line(validation=[])
    with pytest.raises(ValueError, match="one that was made by of_module"):
        line().module_of({})
