"""Canvases as pictures: side by side, glimpse by glimpse, or moving; a red box shows where it paints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from jaxrnn.base.typing import ArrayLike
from jaxrnn.decode.glimpse import Place, place
from jaxrnn.tasks.shared.tiles import save_film, square, tile
from jaxrnn.train.plots import save_image

ZOOM = 3  # pixels of a picture for one of the canvas
COLUMNS = 16  # glimpses that a strip shows at most
FAR = 999  # pixels: a box out there is not seen
RED = (235, 60, 40)


def panel(canvas: np.ndarray, at: Place | None = None, size: int = 1) -> Image.Image:
    """One canvas (logits [height, width]) and the box around size x size filters, its line as wide as they."""
    if np.isnan(canvas).any():
        raise FloatingPointError("nothing can be shown: the canvas has NaN")
    grey = (255 * np.exp(-np.logaddexp(0, -np.asarray(canvas, np.float64)))).astype(np.uint8)  # sigmoid(canvas)
    image = Image.fromarray(grey).convert("RGB")
    image = image.resize((image.width * ZOOM, image.height * ZOOM), Image.Resampling.NEAREST)
    if at is not None:
        box = _box(at, size)
        line = int(np.clip(np.sqrt(float(at.variance)), 1, 2 * ZOOM))
        ImageDraw.Draw(image).rectangle(box, outline=RED, width=line)
    return image


def _box(at: Place, size: int) -> tuple[float, ...]:
    """Left, top, right and bottom of the enlarged picture's pixels that the centres of the filters lie in."""
    half = min(float(at.stride) * (size - 1), FAR) / 2 + 0.5
    x, y = (float(np.clip(centre, -FAR, FAR)) - 0.5 for centre in (at.x, at.y))  # pixel 1 reaches from 0 to 1
    return ZOOM * (x - half), ZOOM * (y - half), ZOOM * (x + half) - 1, ZOOM * (y + half) - 1


def sheet(canvases: ArrayLike, path: Path) -> None:
    """A PNG of canvases [N, height, width], about as many across as down."""
    save_image(tile(square([panel(canvas) for canvas in np.asarray(canvases)])), path)


def film_strip(canvases: ArrayLike, places: ArrayLike | None, size: int, path: Path) -> None:
    """A PNG of canvases [T, N, height, width] with their places [T, N, 5]: a row a picture, glimpses from left."""
    steps = len(canvases)
    chosen = np.unique(np.linspace(0, steps - 1, min(steps, COLUMNS)).round().astype(int)).tolist()
    save_image(tile(list(zip(*(_frame(canvases, places, size, t) for t in chosen), strict=True))), path)


def animate(canvases: ArrayLike, places: ArrayLike | None, size: int, path: Path) -> None:
    """A GIF of canvases [T, N, height, width] with their places [T, N, 5]; at the end, the canvases without."""
    steps = len(canvases)
    frames = [tile(square(_frame(canvases, places, size, t))) for t in range(steps)]
    frames.append(tile(square(_frame(canvases, None, size, steps - 1))))
    save_film(frames, path)


def _frame(canvases: ArrayLike, places: ArrayLike | None, size: int, t: int) -> list[Image.Image]:
    """The panels of all pictures at step t."""
    now = np.asarray(canvases[t])
    if places is None:
        return [panel(canvas) for canvas in now]
    at = place(np.asarray(places[t]), size, (now.shape[1], now.shape[2]))
    return [panel(canvas, Place(*(v[n] for v in map(np.asarray, at))), size) for n, canvas in enumerate(now)]
