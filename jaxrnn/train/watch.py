"""What goes on inside a model while it is trained: how far gradients reach back, and how often gates are saturated.

At each validation a line of metrics.jsonl has, for every recurrent layer that the task's loss runs,

    watch_gradient_K     || d z[L] / d z[L - K] || / || d z[L] / d z[L] ||, the geometric mean over rows, K = 1, 10, 100
    watch_saturated_G    the share of units and steps at which gate G is shut or open

with the layer's number before the name where there are several; watch.png draws them. Both are `jaxrnn.dynamics` on a
few rows of the first batch: the training is what it is without.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn import dynamics
from jaxrnn.train.metrics import METRICS, MetricsFile, read_metrics
from jaxrnn.train.plots import save_figure
from jaxrnn.train.task import Params, Task

ROWS, STEPS = 4, 256  # of the batch, at most
DIRECTIONS = 16  # from which a norm is estimated
DISTANCES = (1, 10, 100)
PICTURE = "watch.png"
PREFIX = "watch_"


class Look(NamedTuple):
    """One recurrent layer at one moment; None or nothing where it has no such thing."""

    gradients: dynamics.GradientNorms | None
    gates: dict[str, dynamics.Gate]

    def figures(self) -> dict[str, float]:
        """A number of each, all finite."""
        found = {f"saturated_{name}": gate.saturated for name, gate in self.gates.items()}
        norms = np.zeros((0, 0)) if self.gradients is None else self.gradients.norms
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(norms / norms[:1]).reshape(len(norms), -1)
        for k in DISTANCES:
            known = logs[k][~np.isnan(logs[k])] if k < len(logs) else np.zeros(0)
            if known.size:
                found[f"gradient_{k}"] = float(np.exp(known.mean()))
        return {name: value for name, value in found.items() if np.isfinite(value)}


class Watch:
    """Looks at each validation, and keeps how long that took.

    Args:
        task: Whose model it is.
        folder: Of the run.
    """

    def __init__(self, task: Task, folder: Path) -> None:
        self._task, self._folder, self._batch, self.seconds = task, folder, _first(next(task.batches())), 0.0

    def look(self, params: Params) -> list[Look]:
        """At every recurrent layer that the loss runs, in their order.

        Raises:
            ValueError: The loss runs none by itself.
        """
        params = jax.tree.map(jnp.asarray, jax.device_get(params))
        carry = _first(jax.device_get(self._task.initial_carry(params)))
        return [_look(seen) for seen in dynamics.calls(self._task.loss, params, carry, self._batch, None)]

    def __call__(self, params: Params, number: int, metrics: MetricsFile) -> str:
        """A line of metrics, a picture, and what to print. That it cannot must not cost a run its training."""
        began = time.monotonic()
        try:
            looks = self.look(params)
            several = len(looks) > 1
            found = {
                f"{PREFIX}{f'{i}_' if several else ''}{name}": value
                for i, one in enumerate(looks)
                for name, value in one.figures().items()
            }
            metrics.write({"step": number, **found})
            draw(looks, read_metrics(self._folder / METRICS), self._folder / PICTURE)
            said = "  ".join(f"{name.removeprefix(PREFIX)} {value:.3g}" for name, value in found.items())
        except (ValueError, TypeError, FloatingPointError) as error:
            said = f"not watched: {error}"
        seconds = time.monotonic() - began
        self.seconds += seconds
        return f"step {number}: {said}  ({seconds:.1f} s to look, {self.seconds:.1f} s in all)"


def _first(tree: Any) -> Any:
    """The first rows of a batch, or of a carry."""
    return jax.tree.map(lambda a: a[:ROWS], tree)


def _look(seen: dynamics.Seen) -> Look:
    xs = seen.xs[:STEPS]
    lengths = None if seen.lengths is None else jnp.minimum(jnp.asarray(seen.lengths), len(xs))
    per_step = {name: a[: len(xs)] for name, a in seen.per_step.items()} if seen.per_step else None
    given: dict[str, Any] = {"lengths": lengths, "per_step": per_step}
    try:
        gates = dynamics.gate_saturation(seen.layer, seen.params, xs, seen.carry, **given)
    except dynamics.NoGates:
        gates = {}
    if seen.layer.stepless is not None:
        return Look(None, gates)
    return Look(dynamics.gradient_norms(seen.layer, seen.params, xs, seen.carry, directions=DIRECTIONS, **given), gates)


def draw(looks: list[Look], lines: list[dict[str, Any]], path: Path) -> None:
    """A row a layer: norms by distance as they are now, those at some distances over training, saturation over it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 4 * len(looks)), layout="constrained")
    panels = figure.subplots(len(looks), 3, squeeze=False)
    for i, (found, row) in enumerate(zip(looks, panels, strict=True)):
        if found.gradients is None:
            row[0].set_axis_off()
        else:
            dynamics.draw_gradients(found.gradients, row[0])
        here = f"{PREFIX}{f'{i}_' if len(looks) > 1 else ''}"
        for panel, kind, title in ((row[1], "gradient_", "gradient's norm"), (row[2], "saturated_", "saturated gates")):
            names = sorted({name for line in lines for name in line if name.startswith(here + kind)})
            for name in names:
                shown = [(line["step"], line[name]) for line in lines if name in line]
                panel.plot(*zip(*shown, strict=True), ".-", label=name.removeprefix(here + kind))
            panel.set(title=title, xlabel="step of training")
            if kind == "gradient_":
                panel.set_yscale("log")
            if names:
                panel.legend(fontsize=8, title="steps back" if kind == "gradient_" else "gate")
    save_figure(figure, path, dpi=80)
