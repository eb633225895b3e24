"""Where a kernel's arrays lie: cut into tiles of steps and rows, and how many bytes of them are held at a time."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

# What a core's fast memory (VMEM) is asked for: half of a v5e's, v5p's or v6e's, and less than the 64 MiB of a TPU7x.
LIMIT = 60 * 2**20
BUDGET = 40 * 2**20  # of it for the arrays of a call; the compiler needs the rest for what stands between
STEPS = (16, 8, 4, 2, 1)  # of a tile, the larger the better: what is moved in and out takes its time once a tile
ROWS = (128, 64, 32, 16)  # a multiple of 16, in which halves are packed; or all rows of the batch


class Lies(NamedTuple):
    """An array of a call. Its role: "gated" `[T, G, N, H]`, "step" `[T, N, H]`, "marks" `[T, N, 1]`, "row" `[N, H]`,
    or "whole"."""

    shape: tuple[int, ...]
    dtype: Any
    role: str


class Tile(NamedTuple):
    """How much of a sequence a call has in fast memory."""

    steps: int
    rows: int


class Arrays(NamedTuple):
    """Those of a call, as trees of `Lies`; scratch memory by its shape, a function of the tile."""

    given: Any
    results: Any
    scratch: Any  # of functions Tile -> shape, all float32

    def bytes(self, tile: Tile) -> int:
        """In fast memory. What is moved tile by tile is there twice: one is computed on, the other on its way."""
        arrays = jax.tree.leaves((self.given, self.results), is_leaf=is_place)
        moved = sum((1 if a.role == "whole" else 2) * _padded(cut(a, tile), a.dtype) for a in arrays)
        return moved + sum(_padded(shape(tile), jnp.float32) for shape in jax.tree.leaves(self.scratch))


def is_place(node: Any) -> bool:
    return isinstance(node, Lies)


def cut(a: Lies, tile: Tile) -> tuple[int, ...]:
    """The shape of a tile of an array."""
    match a.role:
        case "gated":
            return (tile.steps, a.shape[1], tile.rows, a.shape[3])
        case "step" | "marks":
            return (tile.steps, tile.rows, a.shape[2])
        case "row":
            return (tile.rows, a.shape[1])
    return a.shape


def block(a: Lies, tile: Tile, at: Any) -> pl.BlockSpec:
    """The same for Pallas; `at(i)` is the tile of time that the i-th in order is."""
    places = {
        "gated": lambda b, t: (at(t), 0, b, 0),
        "step": lambda b, t: (at(t), b, 0),
        "marks": lambda b, t: (at(t), b, 0),
        "row": lambda b, t: (b, 0),
        "whole": lambda b, t: (0,) * len(a.shape),
    }
    return pl.BlockSpec(cut(a, tile), places[a.role])


def _padded(shape: tuple[int, ...], dtype: Any) -> int:
    """Bytes of an array whose last two axes lie in tiles of 8 by 128 numbers of 32 bits."""
    width = jnp.dtype(dtype).itemsize
    rows, columns = (1, *shape)[-2:]
    sublanes = 8 * 4 // width
    return math.prod(shape[:-2]) * -(-rows // sublanes) * sublanes * -(-columns // 128) * 128 * width


def choose(arrays: Arrays, T: int, N: int) -> Tile | None:
    """The largest tile that fits, many rows before many steps; None where none does."""
    rows = [N] if ROWS[0] >= N else []
    rows += [r for r in ROWS if r < N]
    steps = list(dict.fromkeys(min(s, T) for s in STEPS))
    tiles = (Tile(s, r) for least in (4, 1) for r in rows for s in steps if s >= min(least, T))
    return next((t for t in tiles if arrays.bytes(t) <= BUDGET), None)


def least(arrays: Arrays) -> int:
    """Bytes of the smallest tile."""
    return arrays.bytes(Tile(1, ROWS[-1]))
