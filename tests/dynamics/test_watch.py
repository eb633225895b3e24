"""`jaxrnn train --watch` and `jaxrnn look`: the figures are those of `jaxrnn.dynamics`, and a picture is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from jaxrnn import dynamics
from jaxrnn.cli import main
from jaxrnn.tasks import Adding
from jaxrnn.tasks.memory.adding import DataOptions
from jaxrnn.tasks.shared.network import Network
from jaxrnn.train.watch import look

NAMES = {"gradient_decades_a_step", "memory_steps", "lyapunov", "gates_saturated", "spectral_radius"}


def test_a_look_is_what_the_parts_say() -> None:
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"), jax.enable_x64(False):
        task = Adding(Network("gru", hidden=4), DataOptions(length=12, rows=3))
        params, batch = task.init(jax.random.key(0)), next(task.batches())
        [found] = look(task, params, batch)
        xs = np.moveaxis(batch.inputs, 0, 1)
        exact = dynamics.gradient_norms(task.model.layer, params["rnn"], xs, lengths=batch.lengths)
        np.testing.assert_allclose(found.gradients.norms, exact.norms, rtol=1e-4)  # fewer units than directions
        figures = found.figures()
        rates = [np.log10(n[L] / n[0]) / L for n, L in zip(exact.norms.T, batch.lengths, strict=True)]
        assert figures["gradient_decades_a_step"] == pytest.approx(np.mean(rates), rel=1e-3)
        assert figures["spectral_radius"] == pytest.approx(1, abs=1e-5)
        assert figures.keys() >= NAMES - {"memory_steps"}


@pytest.mark.slow
def test_training_is_watched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And is what it is without."""
    sizes = ["--model.hidden", "8", "--data.length", "20", "--data.rows", "8"]
    often = ["--loop.steps", "4", "--loop.validate_every", "2", "--loop.log_every", "1"]
    lines: dict[str, list[dict[str, Any]]] = {}
    for name, flags in (("watched", ["--watch"]), ("plain", [])):
        assert main(["train", "adding", "--run", str(tmp_path / name), *flags, *sizes, *often]) == 0
        lines[name] = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
    watched = [line for line in lines["watched"] if any(k.startswith("watch_") for k in line)]
    assert [line["step"] for line in watched] == [2, 4]
    assert watched[0].keys() >= {f"watch_{name}" for name in NAMES - {"memory_steps"}}
    assert [line for line in lines["watched"] if line not in watched] == lines["plain"]
    assert (tmp_path / "watched/watch.png").read_bytes()[:4] == b"\x89PNG"
    assert not (tmp_path / "plain/watch.png").exists()
    assert "spectral_radius" in capsys.readouterr().out
    assert main(["look", str(tmp_path / "plain"), "--out", str(tmp_path / "look.png")]) == 0
    assert "gates_saturated: " in capsys.readouterr().out
    assert main(["look", str(tmp_path / "plain"), "--out", "look.txt"]) == 1


@pytest.mark.slow
def test_the_shipped_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["look", "char_lm", "--out", str(tmp_path / "look.png")]) == 0
    assert {line.partition(":")[0] for line in capsys.readouterr().out.splitlines()} >= NAMES - {"memory_steps"}
