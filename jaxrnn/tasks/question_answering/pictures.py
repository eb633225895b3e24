"""What a reader of stories can do, as a table and as pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

# Test accuracy in per cent on bAbI's qa1 to qa20, 1,000 training questions a task; and how the digests of the questions
# of these files begin, for other files may be called bAbI too.
FILES = (
    *("64b2dd76", "8e987b36", "e25e08d3", "c51508ab", "51c1b40f", "201ee25b", "75005578", "04ed2344", "cf2bb530"),
    *("7ea27531", "61093459", "77b8ab9d", "50ca154e", "195032b0", "63297e84", "55c19b3b", "81d9554e", "0716ab14"),
    *("93d52ec4", "7f825f96"),
)
PUBLISHED = {
    # Weston et al. 2015, table 3: one LSTM a task.
    "LSTM, Weston 2015": (50, 20, 20, 61, 70, 48, 49, 45, 64, 44, 72, 74, 94, 27, 21, 23, 51, 52, 8, 91),
    # Sukhbaatar et al. 2015, table 1: "3 hops PE LS RN joint", one model for all tasks, the best of ten runs.
    "MemN2N, Sukhbaatar 2015": (
        *(100, 88.6, 78.1, 86.6, 85.6, 97.2, 81.7, 90.7, 98.1, 93.5),
        *(99.7, 99.9, 99.8, 93.1, 100, 97.3, 59.6, 90.6, 12, 100),
    ),
}


Others = Mapping[str, Mapping[int, float]]  # accuracies of all kinds, by name


def table(figures: Mapping[str, float], names: Sequence[str], others: Others) -> str:
    """Accuracy by kind in a line each, beside others'; figures as `evaluate` gives them, names of kinds from 1 on."""
    kinds = _kinds(figures)
    lines = [f"{'':30}{'here':>7}" + "".join(f"{re.split(',| ', name)[0]:>10}" for name in others)]
    for kind in kinds:
        beside = "".join(f"{values[kind]:10.1f}" for values in others.values())
        lines.append(f"{f'qa{kind} {names[kind - 1]}':30}{figures[f'qa{kind}']:7.1f}{beside}")
    means = "".join(f"{np.mean([values[kind] for kind in kinds]):10.1f}" for values in others.values())
    return "\n".join([*lines, f"{'mean':30}{figures['accuracy']:7.1f}{means}"])


def accuracy_figure(figures: Mapping[str, float], names: Sequence[str], others: Others) -> Figure:
    """Bars of the accuracy by kind, beside others'; arguments as of `table`."""
    kinds = _kinds(figures)
    rows = {"here": [figures[f"qa{kind}"] for kind in kinds]}
    rows |= {name: [values[kind] for kind in kinds] for name, values in others.items()}
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    axes = figure.add_subplot()
    width = 0.84 / len(rows)
    colours = ("tab:orange", "0.8", "0.55", "tab:blue")
    for n, ((name, values), colour) in enumerate(zip(rows.items(), colours, strict=False)):
        offset = (n - (len(rows) - 1) / 2) * width
        label = f"{name}: mean {np.mean(values):.1f} %"
        axes.bar(np.arange(len(kinds)) + offset, values, width, color=colour, label=label)
    below = [f"{names[kind - 1].replace('-', ' ')}  {kind}" for kind in kinds]
    axes.set_xticks(np.arange(len(kinds)), below, rotation=50, ha="right", fontsize=8)
    axes.set(ylabel="test accuracy, %", ylim=(0, 118))
    axes.legend(ncols=len(rows), fontsize=8, loc="upper center")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def attention_figure(gates: np.ndarray, passes: Sequence[tuple[int, str]], story: Sequence[str], title: str) -> Figure:
    """How far each sentence opened the gates, one column a pass (hop and direction); gates [passes, S]."""
    figure = Figure(figsize=(6.5, 0.9 + 0.3 * len(story)), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(gates.T, cmap="Oranges", vmin=0, vmax=1, aspect="auto")
    for (column, sentence), gate in np.ndenumerate(gates):
        if gate >= 0.05:
            axes.text(column, sentence, f"{gate:.2f}", ha="center", va="center", fontsize=8)
    axes.set_yticks(range(len(story)), story, fontsize=9)
    axes.set_xticks(range(len(passes)), [f"hop {hop + 1}\n{way}" for hop, way in passes])
    axes.set_title(title, fontsize=10)
    return figure


def _kinds(figures: Mapping[str, float]) -> list[int]:
    return [kind for kind in range(1, 21) if f"qa{kind}" in figures]
