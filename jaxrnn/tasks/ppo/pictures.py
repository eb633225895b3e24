"""Learning curves of many seeds, and films of an episode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from jaxrnn.tasks.ppo.worlds import CartPole, Pendulum, TMaze, World
from jaxrnn.tasks.shared.t_maze import DOWN, UP
from jaxrnn.tasks.shared.tiles import save_film
from jaxrnn.train.metrics import METRICS, read_metrics
from jaxrnn.train.plots import save_figure

WIDTH, HEIGHT, FRAMES = 360, 200, 120
PAPER, INK, WARM, COOL = (255, 255, 255), (40, 40, 40), (214, 95, 40), (60, 110, 180)


def returns_by_step(folder: Path, steps: int, seeds: int) -> None:
    """returns.png of a run: each seed's validation return, their mean and standard deviation.

    `steps` is how many each seed's agent takes for one batch of the loop.
    """
    lines = [line for line in read_metrics(folder / METRICS) if line.get("validation_return") is not None]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    if lines:
        taken = np.array([line["step"] * steps for line in lines])
        returns = np.array([[line[f"validation_seed {n}"] for line in lines] for n in range(seeds)])
        draw_curves(axes, taken, returns, folder.name, "tab:blue")
        axes.legend()
    axes.set(title=folder.name, xlabel="steps of each agent", ylabel="return of an episode")
    axes.grid(alpha=0.3)
    save_figure(figure, folder / "returns.png", dpi=120)


def draw_curves(axes: Any, taken: np.ndarray, returns: np.ndarray, label: str, colour: str) -> None:
    """Returns [seeds, validations]: each thin, their mean thick, and a band of one standard deviation."""
    mean, deviation = returns.mean(0), returns.std(0)
    for own in returns:
        axes.plot(taken, own, color=colour, linewidth=0.5, alpha=0.35)
    axes.plot(taken, mean, color=colour, linewidth=2, label=f"{label}, {len(returns)} seeds")
    axes.fill_between(taken, mean - deviation, mean + deviation, color=colour, alpha=0.2, linewidth=0)


def film(world: World, states: Any, actions: np.ndarray, path: Path) -> None:
    """A GIF of an episode's states, arrays [T, ...], and what was done in each; of a long one every n-th.

    Of a world that has no drawing here it shows what is seen, a bar a number (`has_drawing`).
    """
    length = len(actions)
    shown = [*range(0, length, -(-length // FRAMES)), length - 1]
    if not has_drawing(world):
        seen = np.asarray(jax.vmap(world.observe)(states), np.float64).reshape(length, -1)
        largest = np.abs(seen).max(initial=0, where=np.isfinite(seen)) or 1.0
        save_film([_bars(seen[t] / largest, t) for t in shown], path)
        return
    frames = [_frame(world, jax.tree.map(lambda a: a[t], states), t, None) for t in shown]  # noqa: B023
    if isinstance(world, TMaze):  # a maze is left by its last action
        frames.append(_frame(world, jax.tree.map(lambda a: a[-1], states), length, int(actions[-1])))
    save_film(frames, path)


def has_drawing(world: World) -> bool:
    """Whether a world is one that is drawn here."""
    return isinstance(world, TMaze | CartPole | Pendulum)


def _blank(time: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A frame with nothing on it but the time."""
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((8, 6), f"step {time}", INK)
    return image, draw


def _bars(seen: np.ndarray, time: int) -> Image.Image:
    """Numbers [O] from -1 to 1, up or down from a line; one that is none of these has no bar."""
    image, draw = _blank(time)
    middle, wide = HEIGHT / 2 + 10, (WIDTH - 40) / max(len(seen), 1)
    draw.line((20, middle, WIDTH - 20, middle), INK, 1)
    for n, number in enumerate(seen.tolist()):
        if number and np.isfinite(number):
            top, bottom = sorted((middle, middle - number * (HEIGHT / 2 - 30)))
            draw.rectangle((20 + wide * (n + 0.1), top, 20 + wide * (n + 0.9), bottom), COOL if number > 0 else WARM)
    return image


def _frame(world: World, state: Any, time: int, left_by: int | None) -> Image.Image:
    image, draw = _blank(time)
    if isinstance(world, TMaze):
        _maze(draw, world.corridor, int(state.position), bool(state.up), left_by)
    elif isinstance(world, CartPole):
        x = WIDTH / 2 + float(state.place) / world.EDGE * (WIDTH / 2 - 40)
        draw.line((20, 160, WIDTH - 20, 160), INK, 1)
        draw.rectangle((x - 22, 144, x + 22, 164), COOL)
        angle = float(state.angle)
        draw.line((x, 144, x + 110 * np.sin(angle), 144 - 110 * np.cos(angle)), WARM, 7)
    else:
        angle, x, y = float(state.angle), WIDTH / 2, HEIGHT / 2
        end = (x - 80 * np.sin(angle), y - 80 * np.cos(angle))
        draw.line((x, y, *end), WARM, 9)
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), INK)
    return image


def _maze(draw: ImageDraw.ImageDraw, corridor: int, position: int, up: bool, left_by: int | None) -> None:
    """A corridor and its junction; the sign, an arrow, is seen at the start alone, and the star is where it says."""
    size = (WIDTH - 40) / (corridor + 1)
    middle, end = HEIGHT / 2, 20 + size * corridor
    draw.rectangle((20, middle - 20, end + size, middle + 20), outline=INK, width=2)
    for side in (-1, 1):
        top, bottom = sorted((middle + side * 20, middle + side * 60))
        draw.rectangle((end, top, end + size, bottom), outline=INK, width=2)
        if (side < 0) == up:
            draw.text((end + size / 2 - 3, (top + bottom) / 2 - 6), "*", WARM)
    x = 20 + size * (position + 0.5)
    radius = min(size / 2, 14) - 2
    y = middle + {UP: -40, DOWN: 40}.get(-1 if left_by is None else left_by, 0)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), COOL)
    if position == 0:
        tip, base = (middle - 42, middle - 26) if up else (middle + 42, middle + 26)
        draw.polygon([(x, tip), (x - 7, base), (x + 7, base)], WARM)
