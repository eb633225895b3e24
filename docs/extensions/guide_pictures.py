"""Pictures of the guides."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

GREY, GREEN, ORANGE, PALE = "#888888", "#1b9e77", "#d95f02", "#88888844"
# Rows of steps: 1 counts, 0 does not, R counts and starts anew.
ROWS = {
    "lengths = 8": "R1111111",
    "lengths = 5": "R1111000",
    "mask": "R1011011",
    "resets": "R11R11R1",
    "segments 0 0 0 1 1 2 2 2": "R11R1R11",
    "resets, lengths = 6": "R11R1100",
}


def ragged(file: Path) -> None:
    """Which steps count, where a state starts anew, and how it goes on."""
    with plt.rc_context({"font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "jaxrnn"}):
        figure, axes = plt.subplots(figsize=(7, 2.7), layout="constrained")
        for y, steps in enumerate(ROWS.values()):
            last = None
            for t, kind in enumerate(steps):
                colour = {"1": GREEN, "0": PALE, "R": ORANGE}[kind]
                axes.add_patch(plt.Rectangle((t + 0.14, -y - 0.32), 0.72, 0.64, color=colour, lw=0))
                if kind == "1" and last is not None:
                    start, end = (last + 0.86, -y), (t + 0.14, -y)
                    axes.annotate("", end, start, arrowprops=dict(arrowstyle="->", color=GREY, shrinkA=0, shrinkB=0))
                last = last if kind == "0" else t
        axes.set_yticks([-y for y in range(len(ROWS))], list(ROWS), color=GREY)
        axes.set_xticks([t + 0.5 for t in range(8)], [str(t) for t in range(8)], color=GREY)
        axes.set(xlim=(-0.1, 11.2), ylim=(-len(ROWS) + 0.4, 0.6))
        for y, (colour, text) in enumerate(
            [(ORANGE, "starts from the initial carry"), (GREEN, "counts"), (PALE, "held; output 0")]
        ):
            axes.add_patch(plt.Rectangle((8.5, -y - 0.2), 0.4, 0.4, color=colour, lw=0))
            axes.text(9.05, -y, text, va="center", color=GREY, fontsize=8)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        figure.savefig(file, transparent=True, metadata={"Date": None})
        plt.close(figure)


def write(folder: Path) -> None:
    """All of them."""
    folder.mkdir(exist_ok=True)
    ragged(folder / "ragged.svg")
