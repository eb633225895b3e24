"""How a call runs: the static choices, made in one place and shown by `explain`."""

from __future__ import annotations

import math
from typing import NamedTuple

BLOCK = 16  # steps a block; 16 to 20 keep a block's gates in cache and its products large
# B * H up to which long blocks that keep all they can are faster; measured on CPU, see SPEED.md. Not a rule of T: the
# program is to be the same for any number of steps.
SMALL, LONG_BLOCK = 2**9, 64


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
    keep: bool = False  # keep pre-activations too, of gates that are sums of their two parts


def blocks(T: int, chunk: int | str | None, rows: int, size: int) -> Blocks:
    """The blocks of a sequence of T steps, `rows` batch rows and H = `size` units.

    None: the divisor of T that is nearest to 16 (no rest to run apart), else 16; with small steps 64 in place of 16. A
    number: that many steps. "sqrt": segments of about sqrt(T) steps that save only the carry they start from, in blocks
    of 16; memory then grows as the square root of T, for one more forward pass. T or more: one block, which keeps all
    it can.
    """
    if chunk == "sqrt":
        return Blocks(BLOCK * max(1, round(math.sqrt(T) / BLOCK)), BLOCK)
    if chunk is not None:
        return Blocks(None, int(chunk), int(chunk) >= T)
    small = rows * size <= SMALL
    target = LONG_BLOCK if small else BLOCK
    divisors = [d for d in range(3 * target // 4, 3 * target // 2 + 1) if T % d == 0]
    return Blocks(None, min(divisors, key=lambda d: abs(d - target), default=target), small)
