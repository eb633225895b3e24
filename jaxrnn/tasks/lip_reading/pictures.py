"""A clip as a film, and when each word of it was understood."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from jaxrnn.train.plots import save_image

FRAME = 40  # milliseconds: 25 frames a second
STRIP = 15  # frames above an alignment


def film(frames: np.ndarray, path: Path) -> None:
    """A GIF of frames, uint8 [T, Y, X]."""
    images = [Image.fromarray(frame) for frame in frames]
    save_image(images[0], path, save_all=True, append_images=images[1:], duration=FRAME, loop=0)


def alignment_figure(
    looks: Sequence[tuple[np.ndarray, Sequence[str], np.ndarray]], sentences: Sequence[Sequence[str]]
) -> Figure:
    """Clips, each with the words understood and their weights [L, T] over its frames, under some of these frames."""
    figure = Figure(figsize=(11, 3.6 * len(looks)), layout="constrained")
    panels = figure.subplots(2 * len(looks), 1, squeeze=False, height_ratios=[1, 3] * len(looks))[:, 0]
    rows = zip(panels[::2], panels[1::2], looks, sentences, strict=True)
    for above, below, (frames, words, weights), sentence in rows:
        shown = np.linspace(0, len(frames) - 1, min(STRIP, len(frames))).round().astype(int)
        above.imshow(np.concatenate(frames[shown], 1), cmap="gray", vmin=0, vmax=255, aspect="auto")
        above.set(xticks=[], yticks=[], title=f"said: {' '.join(sentence)}")
        if len(words):
            below.imshow(weights, cmap="Blues", vmin=0, aspect="auto", interpolation="nearest")
        else:  # CTC may say nothing
            below.set(xlim=(-0.5, len(frames) - 0.5))
        below.set(xlabel="frame", yticks=range(len(words)), yticklabels=words)
    return figure
