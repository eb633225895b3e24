"""Pictures of captions: a grid of pictures with what was said of them, and where the decoder looked, word by word."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

COLUMNS = 6  # of the grid
WIDTH = 11.4  # inches


def captions_figure(
    pictures: Sequence[np.ndarray], ours: Sequence[str], theirs: Sequence[str], columns: int = COLUMNS
) -> Figure:
    """Pictures in a grid, the model's caption under each, the given one below it in grey."""
    rows, across = -(-len(pictures) // columns), WIDTH / columns
    figure = Figure(figsize=(WIDTH, 2.1 * rows), layout="constrained")
    for n, (picture, our, their) in enumerate(zip(pictures, ours, theirs, strict=True)):
        axes = figure.add_subplot(rows, columns, n + 1)
        axes.imshow(picture, cmap="gray")
        axes.axis("off")
        line = int(24 * across / 1.9)  # characters
        shorter = (textwrap.shorten(text, 2 * line + 18, placeholder=" ...") for text in (our or "-", their))
        lines = [textwrap.fill(text, line) for text in shorter]
        axes.text(0.5, -0.04, lines[0], transform=axes.transAxes, ha="center", va="top", fontsize=9)
        below = -0.04 - 0.13 * (1 + lines[0].count("\n"))
        axes.text(0.5, below, lines[1], transform=axes.transAxes, ha="center", va="top", fontsize=8, color="0.5")
    return figure


def attention_figure(looks: Sequence[tuple[np.ndarray, Sequence[str], np.ndarray]]) -> Figure:
    """A row a picture: itself, then where the decoder looked for each word of its caption; weights [T, 8, 8]."""
    columns = 1 + max(len(said) for _, said, _ in looks)
    figure = Figure(figsize=(1.4 * columns, 1.6 * len(looks)), layout="constrained")
    for row, (picture, said, weights) in enumerate(looks):
        size = len(picture)
        axes = figure.add_subplot(len(looks), columns, row * columns + 1)
        axes.imshow(picture)
        axes.axis("off")
        for n, (word, shares) in enumerate(zip(said, weights, strict=True)):
            axes = figure.add_subplot(len(looks), columns, row * columns + 2 + n)
            axes.imshow(picture)
            axes.imshow(shares, cmap="inferno", alpha=0.65, extent=(0, size, size, 0), interpolation="bicubic")
            axes.set_title(word, fontsize=9)
            axes.axis("off")
    return figure
