"""How a call runs: the static choices, made in one place and shown by `explain`."""

from __future__ import annotations

import math
from typing import NamedTuple

from jax.export import is_symbolic_dim

from jaxrnn.base.typing import Axis
from jaxrnn.core.cell import Cell

# Numbers a gate that one block works on: few enough to stay in cache, rows enough for large products. Measured on CPU,
# see SPEED.md. Not a rule of T: the program is to be the same for any number of steps.
WORK = 2**16
SHORTEST, LONGEST = 5, 64  # steps a block


class Plan(NamedTuple):
    """Static choices of one call of `jaxrnn.scan`."""

    reverse: bool = False
    chunk: int | str | None = None
    backend: str = "auto"
    projected: bool = False
    carries: bool = False  # put out `(y, carry)` at every step
    platform: str = "cpu"  # for which the program is made


class Blocks(NamedTuple):
    """Steps a segment that saves nothing inside (None: no segments), and steps a block."""

    segment: int | None
    block: Axis


def blocks(T: Axis, chunk: int | str | None, rows: Axis, size: int) -> Blocks:
    """The blocks of a sequence of T steps, `rows` batch rows and H = `size` units.

    None: the divisor of T nearest to WORK numbers a gate (no rest to run apart), else that many steps. A number: that
    many steps. "sqrt": segments of about sqrt(T) steps that save only the carry they start from, each in two blocks or
    more; memory then grows as the square root of T, for one more forward pass. A program that is exported for any
    number of steps has one block.
    """
    symbolic = is_symbolic_dim(T)
    if symbolic:
        return Blocks(None, T)
    rows = 1 if is_symbolic_dim(rows) else rows
    if chunk is not None and chunk != "sqrt":
        return Blocks(None, int(chunk))
    target = min(max(WORK // max(1, rows * size), SHORTEST), LONGEST)
    if chunk == "sqrt":
        root = near(round(math.sqrt(T)), T)
        block = max(1, min(target, root // 2))
        return Blocks(block * max(2, round(root / block)), block)
    return Blocks(None, near(target, T))


def near(target: int, T: int) -> int:
    """The divisor of T nearest to `target`, if there is one near; else `target`."""
    divisors = [d for d in range(3 * target // 4, 3 * target // 2 + 1) if d and T % d == 0]
    return min(divisors, key=lambda d: abs(d - target), default=target)


def in_blocks(T: int, chunk: int | str | None, rows: int, cell: Cell) -> str:
    """The blocks of a sequence in words."""
    segment, block = blocks(T, chunk, rows, cell.size)
    kept = "what came of its products is kept"
    if block >= T:
        return f"{T} steps in one block, of which {kept}"
    count, rest = divmod(T, block)
    text = f"{T} steps in {count} blocks of {block}" + (f" and one of {rest}" if rest else "")
    if segment is not None and segment < T:
        return f"{text}, in segments of {segment} that save only the carry they start from"
    return f"{text}; of each {kept}"
