"""Where threads that share columns wait for each other: before an action that touches what another one touched.

Every thread runs the same actions for its own columns. Vectors of one length at one place are cut alike, so what a
thread makes of its own it may read at once; a product reads all of its source. `insert` walks through blocks of a few
steps and puts a meeting wherever two threads could touch the same number, one of them to write it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jaxrnn.kernels.native.program import (
    ACCUMULATE,
    ADD_ROWS,
    BY_TURNS,
    ELEMENTWISE,
    HALVES,
    LOAD,
    LOAD_SCALAR,
    MEET,
    NONE,
    PRODUCT,
    STORE,
    TAKE_ROWS,
    Tables,
)

STEPS = 4  # a block of as many repeats itself: arrays by turns have two copies
ALL = None  # every thread reads the whole


class Access(NamedTuple):
    """Numbers of a row that an action reads or writes."""

    buffer: int
    first: int  # where they begin in the first row of the buffer
    last: int
    cut: Any  # how they are cut among threads, or `ALL`
    writes: bool
    time: Any  # which copy of the array, None for any

    def hurts(self, other: Access) -> bool:
        """Whether two threads could touch the same number at once, one of them to write it."""
        apart = self.last <= other.first or other.last <= self.first
        alike = self.cut == other.cut and self.cut is not ALL
        same_time = None in (self.time, other.time) or self.time == other.time
        return (self.writes or other.writes) and same_time and not apart and not alike


def insert(tables: Tables) -> None:
    """Put meetings into the actions of a block. It begins with one, which is not among them."""
    lists = tables.before, tables.step, tables.after
    marked: list[set[int]] = [set(), set(), set()]
    while any(_walk(tables, lists, marked, steps) for steps in range(1, STEPS + 1)):
        pass
    for actions, places in zip(lists, marked, strict=True):
        for i in sorted(places, reverse=True):
            actions.insert(i, (MEET, 0, 0, 0, 0, 0))


def _walk(tables: Tables, lists: Sequence[Any], marked: list[set[int]], steps: int) -> bool:
    """Go through a block and mark where a meeting is missing; whether there was such a place."""
    found, since = False, list[Access]()
    for which, step in [(0, None), *((1, s) for s in range(steps)), (2, None)]:
        for i, action in enumerate(lists[which]):
            touched = list(_accesses(tables, action, step))
            if i not in marked[which] and any(a.hurts(b) for a in touched for b in since if a.buffer == b.buffer):
                marked[which].add(i)
                found = True
            since = touched if i in marked[which] else since + touched
    return found


def _accesses(tables: Tables, action: tuple[int, ...], step: int | None) -> Iterator[Access]:
    """What an action touches in one step of a block, or in all."""
    kind, a, b, c, d, e = action

    def access(slot: int, first: int, length: int, cut: Any, *, writes: bool = False) -> Access:
        at = tables.slots[slot]
        time = None
        if step is not None and not at.earlier:
            time = step % 2 if at.local == BY_TURNS else step if at.step_stride else None
        first += at.offset
        half = 1 + (at.kind in HALVES)  # in scratch memory two of them have the place of one number
        return Access(
            at.buffer, first // half, -(-(first + length) // half), (first, cut) if cut else ALL, writes, time
        )

    if kind == ELEMENTWISE:
        begin, end, length = tables.segments[a]
        for op, _, slot, offset, _ in tables.code[begin:end]:
            if op in (LOAD, STORE):
                yield access(slot, offset, length, length, writes=op == STORE)
            elif op == LOAD_SCALAR:
                yield access(slot, offset, 1, ALL)
    elif kind == PRODUCT:
        _, _, _, K, N, *_, units = tables.matrices[b]
        yield access(a, 0, K, ALL)
        for first in range(0, N, units):
            yield access(c, first, units, units, writes=True)
            if d != NONE:
                yield access(d, first, units, units)
    elif kind == ACCUMULATE:  # rows of the sum are cut
        yield access(a, 0, d, ALL)
        yield access(b, 0, e, ALL)
        yield access(c, 0, e, ("rows", d), writes=True)
    elif kind in (TAKE_ROWS, ADD_ROWS):
        read = (b, d) if kind == TAKE_ROWS and d != NONE else (b,)
        for slot in read:
            yield access(slot, 0, e, ("all gates", e))
        yield access(c, 0, e, ("all gates", e), writes=True)
    else:  # sums of rows, cut without regard to gates
        yield access(a, 0, e, ("all gates", e))
        yield access(c, 0, e, ("all gates", e), writes=True)
