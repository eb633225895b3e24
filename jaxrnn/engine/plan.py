"""How a call runs: the static choices, made in one place and shown by `explain`."""

from __future__ import annotations

import math
from typing import NamedTuple

BLOCK = 16  # steps a block; 16 to 20 keep a block's gates in cache and its products large
# Measured on CPU, see SPEED.md. Small steps run in long blocks that keep all they can. Where H is large, products cost
# more to make again than to keep; shorter blocks pay for the memory.
SMALL, SMALL_BLOCK = 2**9, 64  # B * H
WIDE = 512  # H
WIDE_BLOCK, WIDE_SUMS = 5, 3
ALL = 2**16  # more gates than any cell has


class Plan(NamedTuple):
    """Static choices of one call of `jaxrnn.scan`."""

    reverse: bool = False
    chunk: int | str | None = None
    backend: str = "auto"
    projected: bool = False
    carries: bool = False  # put out `(y, carry)` at every step


class Blocks(NamedTuple):
    """Steps a segment that saves nothing inside (None: no segments), steps a block, and what a block saves."""

    segment: int | None
    block: int
    sums: int = 0  # of how many gates at most the pre-activation is kept; the others are recomputed from the carries


def blocks(T: int, chunk: int | str | None, rows: int, size: int) -> Blocks:
    """The blocks of a sequence of T steps, `rows` batch rows and H = `size` units.

    None: the divisor of T nearest to 16 that leaves no rest to run apart, else 16 itself; nearest to 5 for wide cells,
    which keep pre-activations, and to 64 for small steps, which keep them too. A number: that many steps. "sqrt":
    segments of about sqrt(T) steps that save only the carry they start from, in blocks of 16; memory then grows as the
    square root of T, for one more forward pass. T or more: one block, which keeps all it can.
    """
    if chunk == "sqrt":
        return Blocks(BLOCK * max(1, round(math.sqrt(T) / BLOCK)), BLOCK)
    if chunk is not None:
        return Blocks(None, int(chunk), ALL if int(chunk) >= T else 0)
    target, sums = (WIDE_BLOCK, WIDE_SUMS) if size >= WIDE else (BLOCK, 0)
    if rows * size <= SMALL:
        target, sums = SMALL_BLOCK, ALL
    near = [d for d in range(3 * target // 4, 3 * target // 2 + 1) if T % d == 0]
    return Blocks(None, min(near, key=lambda d: abs(d - target), default=target), sums)
