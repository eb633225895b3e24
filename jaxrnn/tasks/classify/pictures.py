"""What a classifier said, as a table, and where it looked, as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

WIDTH = 56  # characters of an example, in a table


def table(shown: Sequence[str | Sequence[str]], logs: np.ndarray, right: np.ndarray, labels: Sequence[str]) -> str:
    """A line an example: what it is, what was said and how sure, the second likeliest; wrong ones marked with an x."""
    lines = []
    for symbols, row, label in zip(shown, logs, right, strict=True):
        first, second = np.argsort(-row, kind="stable")[:2]
        text = symbols if isinstance(symbols, str) else (" " if _words(symbols) else "").join(symbols)
        text = text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."
        said = f"{labels[first]} {np.exp(row[first]):.2f}, {labels[second]} {np.exp(row[second]):.2f}"
        lines.append(f"{' ' if first == label else 'x'} {labels[label]:10} {said:32} {text}")
    return "\n".join(lines)


def attention_figure(looks: Sequence[tuple[Sequence[str], np.ndarray]]) -> Figure:
    """Symbols, the darker the more each counts; of each text its first."""
    rows = [_first(symbols, weights) for symbols, weights in looks]
    figure = Figure(figsize=(11, 0.3 + 0.4 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(0, 100), ylim=(len(rows), 0))
    axes.set_axis_off()
    for line, (symbols, weights) in enumerate(rows):
        place = 0.0
        for symbol, weight in zip(symbols, weights, strict=True):
            width = 1.3 * max(len(symbol), 1)
            colour = (1.0, 0.55, 0.1, float(weight / weights.max()))
            axes.add_patch(Rectangle((place, line + 0.05), width, 0.9, facecolor=colour, linewidth=0))
            axes.text(place + width / 2, line + 0.5, symbol, ha="center", va="center", fontsize=9, family="monospace")
            place += width
    return figure


def _words(symbols: Sequence[str]) -> bool:
    return any(len(symbol) > 1 for symbol in symbols)


def _first(symbols: Sequence[str], weights: np.ndarray) -> tuple[list[str], np.ndarray]:
    """As many symbols as fit a line; words with a blank behind."""
    shown = [f"{symbol} " if _words(symbols) else symbol for symbol in symbols]
    fit = int((np.cumsum([1.3 * max(len(symbol), 1) for symbol in shown]) <= 100).sum())
    return shown[:fit], weights[:fit]
