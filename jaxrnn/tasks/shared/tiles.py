"""Pictures side by side, and films of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from jaxrnn.train.plots import save_image

GAP = 4  # pixels between pictures
BACKGROUND = (96, 96, 96)
FRAME, LAST = 150, 2000  # milliseconds


def tile(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Pictures of one size side by side and below each other."""
    width, height = rows[0][0].width + GAP, rows[0][0].height + GAP
    whole = Image.new("RGB", (GAP + width * max(map(len, rows)), GAP + height * len(rows)), BACKGROUND)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            whole.paste(image, (GAP + width * x, GAP + height * y))
    return whole


def square(images: Sequence[Image.Image]) -> list[Sequence[Image.Image]]:
    """Rows of pictures, about as many across as down."""
    across = int(np.ceil(np.sqrt(len(images))))
    return [images[start : start + across] for start in range(0, len(images), across)]


def save_film(frames: Sequence[Image.Image], path: Path) -> None:
    """A GIF that goes on for ever, and rests at its last frame."""
    durations = [FRAME] * (len(frames) - 1) + [LAST]
    save_image(frames[0], path, save_all=True, append_images=frames[1:], duration=durations, loop=0)
