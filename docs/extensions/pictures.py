"""What a cell does before it is trained: how long an impulse is felt, and by how many units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib

import jaxrnn
from jaxrnn.cells import COLLECTION

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

STEPS, ROWS, UNITS, INPUTS = 256, 16, 64, 64
GREY, GREEN, ORANGE = "#888888", "#1b9e77", "#d95f02"
# The inputs by name: time goes on by one, everything is observed, what is to be stored is one.
PER_STEP = {
    "t": lambda inputs: jnp.broadcast_to(jnp.arange(STEPS, dtype=jnp.float32)[:, None], (STEPS, ROWS)),
    "dt": lambda inputs: jnp.ones((STEPS, ROWS)),
    "elapsed": lambda inputs: jnp.ones((STEPS, ROWS, inputs)),
    "observed": lambda inputs: jnp.ones((STEPS, ROWS, inputs)),
    "mass": lambda inputs: jnp.ones((STEPS, ROWS, 2)),
}


def response(name: str) -> Any:
    """|outputs with an impulse at the first step - outputs without| `[T, H]`, the mean of rows of random impulses."""
    cell = COLLECTION[name](UNITS)
    inputs = cell.made_for or INPUTS
    keys = jax.random.split(jax.random.key(0), 3)
    params = cell.init(keys[0], inputs)
    background = 0.5 * jax.random.normal(keys[2], (STEPS, ROWS, inputs))
    impulse = background.at[0].add(2 * jax.random.normal(keys[1], (ROWS, inputs)))
    given = {name: PER_STEP[name](inputs) for name in cell.per_step} or None
    run = jax.jit(lambda xs: jaxrnn.scan(cell, params, xs, per_step=given, backend="reference")[1])
    return np.asarray(jnp.abs(run(impulse) - run(background)).mean(1))


def memory_lengths(felt: Any, share: float = 0.1) -> Any:
    """For each unit the number of steps until it feels less than a share of its peak for good."""
    above = felt >= share * felt.max(0, initial=1e-30)
    return np.where(above.any(0), felt.shape[0] - above[::-1].argmax(0), 0)


def draw(name: str, felt: Any, beside: Any, file: Path) -> None:
    """The picture of a cell, beside an LSTM's in grey."""
    with plt.rc_context({"font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "jaxrnn"}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.7), layout="constrained")
        for values, colour, label in ((beside, GREY, "lstm"), (felt, GREEN, name)):
            scaled = np.maximum(values / max(values.max(), 1e-30), 1e-12)
            left.plot(scaled.mean(1), color=colour, label=label, lw=1.6)
            low, high = np.quantile(scaled, (0.1, 0.9), axis=1)
            left.fill_between(range(len(low)), low, high, color=colour, alpha=0.15, lw=0)
            lengths = np.sort(memory_lengths(values))[::-1]
            right.plot(np.linspace(0, 100, len(lengths)), lengths, color=colour, drawstyle="steps-mid", lw=1.6)
        left.set(yscale="log", ylim=(1e-5, 1.5), xlabel="steps after the impulse", ylabel="response (1 = peak)")
        right.set(
            yscale="log", ylim=(0.9, STEPS * 1.2), xlabel="units, % (sorted)", ylabel="steps felt above 10 % of peak"
        )
        right.set_yticks([1, 4, 16, 64, 256], ["1", "4", "16", "64", "256"], minor=False)
        right.minorticks_off()
        left.legend(frameon=False, labelcolor="linecolor")
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(colors=GREY)
            for part in (axes.xaxis.label, axes.yaxis.label, *axes.spines.values()):
                part.set_color(GREY)
        figure.savefig(file, transparent=True, metadata={"Date": None})
        plt.close(figure)


def write(folder: Path, chosen: dict[str, str]) -> dict[str, int]:
    """Pictures of cells, `factory -> row of the collection`; the median memory length of each, which tables show."""
    folder.mkdir(exist_ok=True)
    felt = {}
    for factory, row in sorted(chosen.items(), key=lambda item: item[0] != "lstm"):  # drawn beside all others: first
        kept, file = folder / f"{factory}.npy", folder / f"{factory}.svg"
        if not kept.exists():
            np.save(kept, response(row).astype(np.float32))
        felt[factory] = np.load(kept)
        if not file.exists():
            draw(factory, felt[factory], felt["lstm"], file)
    return {factory: int(np.median(memory_lengths(felt[factory]))) for factory in chosen}


if __name__ == "__main__":
    import sys

    for row in sys.argv[1:]:
        draw(row, response(row), response("lstm"), Path(f"{row}.svg"))
