"""Which labels are taken for which, as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

MOST = 14  # labels of a picture


def confusion_figure(answers: np.ndarray, right: np.ndarray, labels: Sequence[str]) -> Figure:
    """How often a label was taken for another, of those that are mixed up most; right [N] and said [N]."""
    counts = np.zeros((len(labels), len(labels)), int)
    np.add.at(counts, (right, answers), 1)
    wrong = counts - np.diag(np.diag(counts))
    mixed = np.argsort(-(wrong + wrong.T).max(1), kind="stable")[:MOST]
    order = _side_by_side(wrong + wrong.T, mixed)
    shares = counts[np.ix_(order, order)] / np.maximum(counts[order].sum(1, keepdims=True), 1)
    figure = Figure(figsize=(1.5 + 0.5 * len(order), 1.2 + 0.45 * len(order)), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Oranges", vmin=0, vmax=1)
    for place, share in np.ndenumerate(shares):
        if share:
            row, column = place
            colour = "white" if share > 0.6 else "black"
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=colour)
    names = [labels[n] for n in order]
    axes.set_xticks(range(len(order)), names, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(order)), names, fontsize=8)
    axes.set(xlabel="said", ylabel="is", title="of 100 of each label")
    return figure


def _side_by_side(mixed: np.ndarray, chosen: np.ndarray) -> list[int]:
    """Labels in an order in which each is followed by the one that it's mixed up with most, of those that are left."""
    left = [*chosen.tolist()]
    order = [left.pop(0)]
    while left:
        order.append(left.pop(int(np.argmax(mixed[order[-1], left]))))
    return order
