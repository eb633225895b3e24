"""`jaxrnn train --watch`: figures against Jacobians by JAX and gates by hand; the training is what it is without."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrnn.cli import main
from jaxrnn.tasks import Adding
from jaxrnn.tasks.memory.adding import DataOptions
from jaxrnn.tasks.shared.network import Network
from jaxrnn.train import ByLength, LoopOptions, of_functions, train_task
from jaxrnn.train.watch import ROWS, Watch
from tests.promotion import default_promotion
from tests.test_cli import as_users_train

SIZES = ["--model.hidden", "8", "--data.length", "20", "--data.rows", "8"]
OFTEN = ["--loop.steps", "4", "--loop.validate_every", "2", "--loop.log_every", "1"]


@pytest.mark.slow
def test_figures_are_those_of_jacobians_and_gates(tmp_path: Path) -> None:
    """Fewer units than directions: norms are exact. Jacobians of whole ends by `jax.jacobian`, step by step."""
    with jax.enable_x64(False), default_promotion():
        task = Adding(Network("gru", hidden=4), DataOptions(length=12, rows=8))
        params, batch = task.init(jax.random.key(0)), next(task.batches())
        [found] = Watch(task, tmp_path).look(params)
        cell, own = task.model.layer, params["rnn"]
        logs: dict[int, list[float]] = {1: [], 10: []}
        shares: list[np.ndarray] = []
        for inputs, length in zip(batch.inputs[:ROWS], np.asarray(batch.lengths)[:ROWS], strict=True):
            states = [cell.initial_carry((), own).h]
            for x in inputs[:length]:
                states.append(cell.step(own, type(cell.initial_carry((), own))(states[-1]), x)[0].h)
                shares.append(gates_by_hand(own, x, states[-2]))

            def end(h: Any, back: int, inputs: Any = inputs, length: int = int(length)) -> Any:
                carry = type(cell.initial_carry((), own))(h)
                for x in inputs[length - back : length]:
                    carry, _ = cell.step(own, carry, x)
                return carry.h

            for back in logs:
                if back <= length:
                    jacobian = np.asarray(jax.jacobian(end)(states[int(length) - back], back), np.float64)
                    logs[back].append(np.log(np.linalg.norm(jacobian) / 2))  # of no steps it is sqrt(4)
        figures = found.figures()
        for back, some in logs.items():
            np.testing.assert_allclose(figures[f"gradient_{back}"], np.exp(np.mean(some)), rtol=1e-4)
        saturated = np.mean(shares, axis=(0, 2))
        np.testing.assert_allclose([figures[f"saturated_{gate}"] for gate in "rz"], saturated[:2], rtol=1e-6)


def gates_by_hand(params: Any, x: Any, h: Any) -> np.ndarray:
    """[2, H]: whether r and z are below 0.1 or above 0.9."""
    kernel, recurrent, bias = (np.asarray(params[n], np.float64) for n in ("kernel", "recurrent_kernel", "bias"))
    net = np.einsum("d,dgh->gh", np.asarray(x, np.float64), kernel) + bias
    net += np.einsum("d,dgh->gh", np.asarray(h, np.float64), recurrent)
    gates = 1 / (1 + np.exp(-net[:2]))
    return (gates < 0.1) | (gates > 0.9)


def lines_of(run: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lines of metrics with figures of a watch, and the others."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    watched = [line for line in lines if any(name.startswith("watch_") for name in line)]
    return watched, [line for line in lines if line not in watched]


@pytest.mark.slow
def test_training_is_what_it_is_without(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with as_users_train():
        for name, flags in (("watched", ["--watch"]), ("plain", [])):
            assert main(["train", "adding", "--run", str(tmp_path / name), *flags, *SIZES, *OFTEN]) == 0
    watched, others = lines_of(tmp_path / "watched")
    assert [line["step"] for line in watched] == [2, 4]
    assert watched[0].keys() >= {"watch_gradient_1", "watch_gradient_10", "watch_saturated_f"}
    assert ([], others) == lines_of(tmp_path / "plain")
    assert (tmp_path / "watched/watch.png").read_bytes()[:4] == b"\x89PNG"
    assert not (tmp_path / "plain/watch.png").exists()
    assert " s to look, " in capsys.readouterr().out
    results = [json.loads((tmp_path / name / "result.json").read_text())["figures"] for name in ("watched", "plain")]
    assert results[0] == results[1]


def test_a_model_that_cannot_be_watched_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One without a recurrent layer."""

    def no_layer(params: Any, batch: Any, key: Any) -> Any:
        return jnp.mean((params["w"] - batch["x"]) ** 2)

    x = np.ones(8, np.float32)
    task = of_functions(
        lambda key: {"w": jnp.zeros(())}, no_layer, lambda: ByLength(x, 8, 0, lambda rows: {"x": x[rows]}), [{"x": x}]
    )
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with jax.enable_x64(False), default_promotion():
        trained = train_task(task, tmp_path / "run", loop=LoopOptions(steps=2), watch=True)
    assert trained.finished
    assert "not watched: `function` must be one that runs a recurrent layer" in capsys.readouterr().out
    assert {number: signal.getsignal(number) for number in handlers} == handlers
