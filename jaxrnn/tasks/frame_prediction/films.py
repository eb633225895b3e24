"""Films of handwritten digits that move straight on and bounce off the walls, made here, or a user's own.

Srivastava, Mansimov & Salakhutdinov 2015 (arXiv:1502.04681), at half the size. Where digits overlap, the brighter pixel
is seen. Each split has digits of its own, in other hands.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import numpy as np

from jaxrnn.tasks.shared.mnist import SIDE, TEST, WHERE, parse
from jaxrnn.tasks.shared.moving_digits import HANDS
from jaxrnn.tasks.shared.own_splits import OwnData
from jaxrnn.tasks.shared.shipped import DATA
from jaxrnn.train import EMPTY, read_source
from jaxrnn.train.options import check

SIZE = 32  # pixels of a frame, each way
SMALL = SIDE // 2  # of a digit
SEEN, TOLD = 10, 10  # frames that are shown, and frames that are to be told
SPEED = 1.0, 2.5  # pixels a frame, the least and the most
HELD_OUT = 500  # films that validate, and as many that test


@dataclass(frozen=True)
class DataOptions(OwnData):
    """The films.

    Args:
        set: digits, which move and are made here; or own, as `data.path` beside digits is too.
        path: Your own: a folder of films, .gif or .npz.
        films: How many of digits train.
        digits: In each.
        rows: B, the films of a batch.
        seed: Of their order.
    """

    set: Literal["digits", "own"] = "digits"
    path: str = ""
    films: int = 10_000
    digits: int = 2
    rows: int = 16
    seed: int = 0

    ships = ("digits",)
    counted = ("films", "digits", "rows")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 <= self.seed < 2**32, "data.seed", "an integer in [0, 2**32)", self.seed)


class Films(NamedTuple):
    """A batch."""

    frames: np.ndarray  # float32 [B, 20, 32, 32], from 0, black, to 1
    valid: np.ndarray  # bool [B]: false where a row is there to fill up the batch


@cache
def small_digits(split: str) -> np.ndarray:
    """A split's digits at half the size: float32 [N, 14, 14], from 0 to 1."""
    first, last = HANDS[split]
    grey = parse(read_source(str(DATA / "mnist"), TEST, WHERE), TEST)[first:last]
    return (grey.reshape(-1, SMALL, 2, SMALL, 2).mean((2, 4)) / 255).astype(np.float32)


def film(split: str, number: int, digits: int) -> np.ndarray:
    """One film of a split, float32 [20, 32, 32]: the same whenever it is asked for."""
    draw, pictures = np.random.default_rng([HANDS[split][0], number]), small_digits(split)
    frames = np.zeros((SEEN + TOLD, SIZE, SIZE), np.float32)
    room, time = SIZE - SMALL, np.arange(len(frames))
    for _ in range(digits):
        picture = pictures[draw.integers(len(pictures))]
        start, angle, speed = draw.uniform(0, room, 2), draw.uniform(0, 2 * np.pi), draw.uniform(*SPEED)
        straight = start + speed * time[:, None] * np.array([np.sin(angle), np.cos(angle)])
        for frame, (y, x) in zip(frames, bounced(straight, room).round().astype(int), strict=True):
            part = frame[y : y + SMALL, x : x + SMALL]
            np.maximum(part, picture, out=part)
    return frames


def bounced(place: np.ndarray, room: float) -> np.ndarray:
    """Where something is between walls at 0 and `room` that would be at `place` without them."""
    return room - np.abs(place % (2 * room) - room)


def batch(split: str, rows: np.ndarray, digits: int) -> Films:
    """The films of given numbers; rows without one are black."""
    frames = np.zeros((len(rows), SEEN + TOLD, SIZE, SIZE), np.float32)
    for row, number in zip(frames, rows, strict=True):
        if number != EMPTY:
            row[:] = film(split, int(number), digits)
    return Films(frames, rows != EMPTY)


def own_batch(pieces: np.ndarray, rows: np.ndarray) -> Films:
    """The user's pieces [N, 20, 32, 32] of given numbers; rows without one are black."""
    valid = rows != EMPTY
    return Films(pieces[rows].astype(np.float32) / 255 * valid[:, None, None, None], valid)
