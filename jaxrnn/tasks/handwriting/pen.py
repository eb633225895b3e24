"""Pictures of pen strokes: SVG, still or drawn before your eyes, GIF, PNG, and the window over what it wrote.

A drawing is an array [T, 3]: offset from the point before in x and in y (downwards), and whether a stroke ends there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from jaxrnn.base.files import write_text
from jaxrnn.train.plots import save_figure, save_image

INK = "#1a2a6c"
GIF_FRAMES = 80


def strokes(drawing: np.ndarray) -> list[np.ndarray]:
    """The places [n, 2] of each stroke."""
    places = np.cumsum(drawing[:, :2], 0, dtype=np.float64)
    cuts = np.flatnonzero(drawing[:, 2] > 0.5) + 1
    return [stroke for stroke in np.split(places, cuts) if len(stroke)]


def to_svg(drawings: Sequence[np.ndarray], columns: int = 1, animated: bool = False, width: int = 900) -> str:
    """Drawings on one sheet, all to one scale, row by row.

    Animated, every drawing is drawn at the same pace, which is five seconds for the longest.
    """
    parts = [strokes(drawing) for drawing in drawings]
    low = [np.min([s.min(0) for s in part], 0) if part else np.zeros(2) for part in parts]
    high = [np.max([s.max(0) for s in part], 0) if part else np.zeros(2) for part in parts]
    size = np.max(np.subtract(high, low), 0, initial=1e-9)
    margin = 0.12 * size.min() + 0.01 * size.max()
    cell = size + 2 * margin
    columns = min(columns, len(drawings))
    sheet = cell * (columns, -(-len(drawings) // columns))
    scale = width / sheet[0]
    pace = 5 / max(len(drawing) for drawing in drawings)
    paths = []
    for n, part in enumerate(parts):
        corner = cell * (n % columns, n // columns) + margin - low[n]
        begin = 0.0
        for stroke in part:
            places = [f"{x:.1f} {y:.1f}" for x, y in (stroke + corner) * scale]
            places += places[:1] * (len(places) == 1)  # a dot is a line to where it began
            seconds = pace * len(stroke)
            moving = (
                f' pathLength="1" stroke-dasharray="1" stroke-dashoffset="1"><animate attributeName="stroke-dashoffset"'
                f' from="1" to="0" begin="{begin:.3f}s" dur="{seconds:.3f}s" fill="freeze"/></path>'
            )
            paths.append(f'<path d="M{" L".join(places)}"{moving if animated else "/>"}')
            begin += seconds
    box = f"0 0 {width} {sheet[1] * scale:.0f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" width="{width}"><rect width="100%" height="100%" '
        f'fill="white"/><g fill="none" stroke="{INK}" stroke-width="2" stroke-linecap="round" '
        f'stroke-linejoin="round">\n' + "\n".join(paths) + "\n</g></svg>\n"
    )


def ink(axes: Axes, drawing: np.ndarray) -> None:
    """Draw on axes of matplotlib, to scale."""
    for stroke in strokes(drawing):
        axes.plot(stroke[:, 0], stroke[:, 1], color=INK, linewidth=1.2, solid_capstyle="round")
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.axis("off")


def sheet_figure(drawings: Sequence[np.ndarray], columns: int = 1) -> Figure:
    """Drawings on one sheet."""
    rows = -(-len(drawings) // columns)
    figure = Figure(figsize=(9, rows * (0.9 if columns == 1 else 9 / columns)), layout="constrained")
    for n, drawing in enumerate(drawings):
        ink(figure.add_subplot(rows, columns, n + 1), drawing)
    return figure


def window_figure(drawing: np.ndarray, weights: np.ndarray, text: str) -> Figure:
    """What was written, and below it phi [T, S]: at which character the window stood at each point."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(1, 2))
    ink(above, drawing)
    below.imshow(weights[:, : len(text)].T, aspect="auto", origin="lower", cmap="magma", interpolation="nearest")
    below.set_yticks(range(len(text)), list(text), fontsize=7)
    below.set(xlabel="point", ylabel="character")
    return figure


def save_gif(drawing: np.ndarray, path: Path, width: int = 900) -> None:
    """A film of the pen, eight seconds and a rest."""
    places = np.cumsum(drawing[:, :2], 0, dtype=np.float64)
    low, size = places.min(0), np.maximum(np.ptp(places, 0), 1e-9)
    margin = 0.1 * size.min() + 0.02 * size.max()
    scale = 2 * width / (size[0] + 2 * margin)  # drawn at double size, then shrunk: smooth edges
    places = (places - low + margin) * scale
    paper = Image.new("L", (2 * width, int((size[1] + 2 * margin) * scale) + 2), 255)
    pen, frames = ImageDraw.Draw(paper), []
    every, half = max(len(drawing) // GIF_FRAMES, 1), (paper.width // 2, paper.height // 2)
    for n in range(len(places)):
        begins = n == 0 or drawing[n - 1, 2] > 0.5
        pen.line([tuple(places[n if begins else n - 1]), tuple(places[n])], fill=40, width=5)
        if n % every == 0 or n == len(places) - 1:
            frames.append(paper.resize(half))
    times = [100] * (len(frames) - 1) + [2000]
    save_image(frames[0], path, save_all=True, append_images=frames[1:], duration=times, loop=0)


def save_drawing(drawing: np.ndarray, path: Path) -> None:
    """In the format that the file's ending says: .svg, .gif (a film) or .png."""
    if path.suffix == ".svg":
        write_text(path, to_svg([drawing]))
    elif path.suffix == ".gif":
        save_gif(drawing, path)
    else:
        save_figure(sheet_figure([drawing]), path)
