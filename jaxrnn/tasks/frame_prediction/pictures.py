"""Films beside what was told of them: frame by frame, or moving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from jaxrnn.tasks.frame_prediction.films import SEEN
from jaxrnn.tasks.shared.tiles import save_film, square, tile
from jaxrnn.train.plots import save_image

ZOOM = 3
SHOWN, TRUE, TOLD = (255, 255, 255), (150, 200, 255), (255, 190, 120)  # white, blue, orange


def _panel(frame: np.ndarray, colour: tuple[int, ...]) -> Image.Image:
    """A frame [height, width], from 0 to 1, in shades of a colour."""
    if np.isnan(frame).any():
        raise FloatingPointError("nothing can be shown: the frame has NaN")
    image = Image.fromarray((frame[..., None] * np.array(colour)).round().astype(np.uint8))
    return image.resize((image.width * ZOOM, image.height * ZOOM), Image.Resampling.NEAREST)


def strip(films: np.ndarray, told: np.ndarray, path: Path) -> None:
    """A PNG of films [N, 20, height, width]: each as it is (white, then blue), and below it as told (orange)."""
    rows = []
    for film, continuation in zip(films, told, strict=True):
        shown = [_panel(frame, SHOWN) for frame in film[:SEEN]]
        rows.append(shown + [_panel(frame, TRUE) for frame in film[SEEN:]])
        rows.append(shown + [_panel(frame, TOLD) for frame in continuation])
    save_image(tile(rows), path)


def animate(films: np.ndarray, told: np.ndarray, path: Path) -> None:
    """A GIF of the same, each film as it is beside itself as told."""
    frames = []
    for t in range(films.shape[1]):
        right = films[:, t] if t < SEEN else told[:, t - SEEN]
        colours = (SHOWN, SHOWN) if t < SEEN else (TRUE, TOLD)
        pairs = [tile([list(map(_panel, pair, colours))]) for pair in zip(films[:, t], right, strict=True)]
        frames.append(tile(square(pairs)))
    save_film(frames, path)
