"""What goes on inside a model while it is trained, or afterwards: a few figures, and a picture of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn import dynamics
from jaxrnn.base.errors import fail
from jaxrnn.train.task import Batch, Params, Task

ROWS, STEPS = 4, 256  # of a batch that are looked at, at most
DIRECTIONS, EXPONENTS = 16, 8
PICTURE = "watch.png"


class Look(NamedTuple):
    """One recurrent layer at one moment; None where it has no such thing."""

    gradients: dynamics.GradientNorms | None
    memory: Any
    lyapunov: dynamics.Lyapunov | None
    gates: dict[str, dynamics.Gate]
    spectra: dict[str, dynamics.Spectrum]

    def figures(self) -> dict[str, float]:
        """A number of each, all finite."""
        found: dict[str, float] = {}
        if self.gradients is not None:
            norms = self.gradients.norms.reshape(len(self.gradients.norms), -1)
            known = [column[~np.isnan(column)] for column in norms.T]
            rates = [np.log10(max(c[-1], 1e-300) / c[0]) / (len(c) - 1) for c in known if len(c) > 1]
            found["gradient_decades_a_step"] = float(np.mean(rates)) if rates else np.nan
        if self.memory is not None:
            lengths = np.concatenate([np.ravel(a) for a in jax.tree.leaves(self.memory)])
            found["memory_steps"] = float(np.median(lengths))
        if self.lyapunov is not None:
            found["lyapunov"] = float(self.lyapunov.exponents[..., 0].mean())
        if self.gates:
            found["gates_saturated"] = float(np.mean([gate.saturated for gate in self.gates.values()]))
        if self.spectra:
            found["spectral_radius"] = max(spectrum.radius for spectrum in self.spectra.values())
        return {name: value for name, value in found.items() if np.isfinite(value)}


def look(task: Task, params: Params, batch: Batch | None = None) -> list[Look]:
    """Look at every recurrent layer that a task's loss runs, on a few rows of a batch.

    Args:
        task: whose model it is.
        params: its parameters.
        batch: what it reads; None for the first of its training data.

    Returns:
        A `Look(gradients, memory, lyapunov, gates, spectra)` of each layer, in the order in which they run.

    Raises:
        TypeError: `task` is none.
        ValueError: the task's loss runs no layer of jaxrnn by itself.
    """
    if not isinstance(task, Task):
        fail("task", "a task", task, kind=TypeError)
    batch = next(task.batches()) if batch is None else batch
    return [_look(seen) for seen in dynamics.calls(task.loss, params, task.initial_carry(params), batch, None)]


def _look(seen: dynamics.Seen) -> Look:
    layer, params, ints = seen.layer, seen.params, jnp.issubdtype(seen.xs.dtype, jnp.integer)
    one = seen.xs.ndim - 1 - (not ints) - layer.axes == 1  # rows that can be told apart
    rows = (lambda a, axis: a[(slice(None),) * axis + (slice(ROWS),)]) if one else (lambda a, axis: a)
    xs = rows(seen.xs, 1)[:STEPS]
    lengths = None if seen.lengths is None else jnp.minimum(rows(jnp.asarray(seen.lengths), 0), len(xs))
    named = None if not seen.per_step else {n: rows(a, 1)[: len(xs)] for n, a in seen.per_step.items()}
    carry = None if seen.carry is None else jax.tree.map(lambda a: rows(a, 0), seen.carry)
    given: dict[str, Any] = dict(lengths=lengths, per_step=named)
    try:
        gates = dynamics.gate_saturation(layer, params, xs, carry, **given)
    except dynamics.NoGates:
        gates = {}
    spectra = dynamics.spectra(layer, params)
    if layer.stepless is not None:
        return Look(None, None, None, gates, spectra)
    size = sum(np.prod(a.shape[1:], dtype=int) for a in jax.tree.leaves(layer.initial_carry((1,), params)))
    norms = dynamics.gradient_norms(layer, params, xs, carry, directions=DIRECTIONS, **given)
    memory = dynamics.memory_lengths(layer, params, xs, carry, directions=DIRECTIONS, **given)
    exponents = dynamics.lyapunov(layer, params, xs, carry, count=min(EXPONENTS, int(size)), **given)
    return Look(norms, memory, exponents, gates, spectra)


def figures_of(looks: list[Look]) -> dict[str, float]:
    """For a line of metrics: with the number of the layer where there are several."""
    several = len(looks) > 1
    named = ((f"{i}_" if several else "", one.figures()) for i, one in enumerate(looks))
    return {f"watch_{which}{name}": value for which, found in named for name, value in found.items()}


def draw(looks: list[Look], lines: list[dict[str, Any]], path: Path, title: str) -> None:
    """A picture: a row of panels for each layer as it is now, and above them how figures went on over training."""
    from matplotlib.figure import Figure

    from jaxrnn.train.plots import save_figure

    names = sorted({name for line in lines for name in line if name.startswith("watch_")})
    tops = -(-len(names) // 5)
    figure = Figure(figsize=(20, 3.2 * tops + 3.6 * len(looks)), layout="constrained")
    grid = figure.add_gridspec(tops + len(looks), 5)
    for i, name in enumerate(names):
        panel = figure.add_subplot(grid[i // 5, i % 5])
        shown = [(line["step"], line[name]) for line in lines if name in line]
        panel.plot(*zip(*shown, strict=True), ".-")
        panel.set_title(name.removeprefix("watch_").replace("_", " "), fontsize=10)
        panel.set_xlabel("step of training")
        panel.grid(alpha=0.3)
    for row, found in enumerate(looks, tops):
        panels = [figure.add_subplot(grid[row, column]) for column in range(5)]
        if found.gradients is not None and found.lyapunov is not None:
            dynamics.draw_gradients(found.gradients, panels[0])
            dynamics.draw_memory(found.memory, panels[1])
            dynamics.draw_lyapunov(found.lyapunov, panels[2:4])
            panels[3].remove()
            panels[3] = figure.add_subplot(grid[row, 3])
        _saturation(panels[3], found.gates)
        _radii(panels[4], found.spectra)
    figure.suptitle(title)
    save_figure(figure, path, dpi=80)


def _saturation(panel: Any, gates: dict[str, dynamics.Gate]) -> None:
    names = list(gates)
    for part, color in (("shut", "C0"), ("open", "C1")):
        base = [0.0] * len(names) if part == "shut" else [float(gates[n].shut.mean()) for n in names]
        panel.bar(names, [float(getattr(gates[n], part).mean()) for n in names], bottom=base, color=color, label=part)
    panel.set(ylim=(0, 1), title="gates: share of steps", ylabel="saturated")
    if names:
        panel.legend()


def _radii(panel: Any, spectra: dict[str, dynamics.Spectrum]) -> None:
    turn = np.exp(2j * np.pi * np.linspace(0, 1, 200))
    panel.plot(turn.real, turn.imag, color="black", linewidth=0.8)
    for i, (name, spectrum) in enumerate(spectra.items()):
        if spectrum.eigenvalues is not None:
            values = spectrum.eigenvalues
            label = name.replace("recurrent_kernel/", "")
            panel.scatter(values.real, values.imag, s=5, alpha=0.5, color=f"C{i % 10}", label=label)
    panel.set(title="eigenvalues of recurrent kernels", aspect="equal")
    if spectra:
        panel.legend(fontsize=7, markerscale=2, loc="upper right")
