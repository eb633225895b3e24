"""What a reader of the bAbI tasks can do, as a table and as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxrnn.tasks.question_answering.stories import NAMES

# Test accuracy in per cent on qa1 to qa20, 1,000 training questions a task.
PUBLISHED = {
    # Weston et al. 2015, table 3: one LSTM a task.
    "LSTM, Weston 2015": (50, 20, 20, 61, 70, 48, 49, 45, 64, 44, 72, 74, 94, 27, 21, 23, 51, 52, 8, 91),
    # Sukhbaatar et al. 2015, table 1: "3 hops PE LS RN joint", one model for all tasks, the best of ten runs.
    "MemN2N, Sukhbaatar 2015": (
        *(100, 88.6, 78.1, 86.6, 85.6, 97.2, 81.7, 90.7, 98.1, 93.5),
        *(99.7, 99.9, 99.8, 93.1, 100, 97.3, 59.6, 90.6, 12, 100),
    ),
}


def table(figures: Mapping[str, float]) -> str:
    """Accuracy by task in a line each, beside published ones; figures as `evaluate` gives them."""
    tasks = _tasks(figures)
    lines = [f"{'':30}{'here':>7}" + "".join(f"{name.partition(',')[0]:>8}" for name in PUBLISHED)]
    for task in tasks:
        others = "".join(f"{values[task - 1]:8.1f}" for values in PUBLISHED.values())
        lines.append(f"{f'qa{task} {NAMES[task - 1]}':30}{figures[f'qa{task}']:7.1f}{others}")
    means = "".join(f"{np.mean([values[task - 1] for task in tasks]):8.1f}" for values in PUBLISHED.values())
    return "\n".join([*lines, f"{'mean':30}{figures['accuracy']:7.1f}{means}"])


def accuracy_figure(figures: Mapping[str, float], others: Mapping[str, Sequence[float]] = PUBLISHED) -> Figure:
    """Bars of the accuracy by task, beside `others` (accuracies of all 20 tasks by name)."""
    tasks = _tasks(figures)
    rows = {"here": [figures[f"qa{task}"] for task in tasks]}
    rows |= {name: [values[task - 1] for task in tasks] for name, values in others.items()}
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    axes = figure.add_subplot()
    width = 0.84 / len(rows)
    colours = ("tab:orange", "0.8", "0.55", "tab:blue")
    for n, ((name, values), colour) in enumerate(zip(rows.items(), colours, strict=False)):
        offset = (n - (len(rows) - 1) / 2) * width
        label = f"{name}: mean {np.mean(values):.1f} %"
        axes.bar(np.arange(len(tasks)) + offset, values, width, color=colour, label=label)
    names = [f"{NAMES[task - 1].replace('-', ' ')}  {task}" for task in tasks]
    axes.set_xticks(np.arange(len(tasks)), names, rotation=50, ha="right", fontsize=8)
    axes.set(ylabel="test accuracy, %", ylim=(0, 118), title="bAbI, 1,000 training questions a task")
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


def _tasks(figures: Mapping[str, float]) -> list[int]:
    return [task for task in range(1, 21) if f"qa{task}" in figures]
