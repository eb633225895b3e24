"""The backends, in order of preference, and what decides between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxrnn.cell import Cell
from jaxrnn.engine import reference, scheduled
from jaxrnn.errors import fail


class Backend(NamedTuple):
    """Something that runs a cell over a sequence; it declines with a reason, never silently."""

    name: str
    run: Callable[..., Any]
    declines: Callable[[Cell], str | None]
    summary: str


BACKENDS = {
    b.name: b
    for b in (
        Backend(
            "scheduled",
            scheduled.run,
            scheduled.declines,
            "blocks of time that save only carries; weight gradients outside the loop",
        ),
        Backend("reference", reference.run, reference.declines, "plain jax.lax.scan"),
    )
}


def choose(cell: Cell, backend: str) -> Backend:
    """The named backend, or with "auto" the first that does not decline."""
    if backend != "auto":
        reason = BACKENDS[backend].declines(cell)
        if reason is not None:
            fail("backend", f"one that runs {cell.name}", f"{backend!r}, which declines: {reason}")
        return BACKENDS[backend]
    return next(b for b in BACKENDS.values() if b.declines(cell) is None)
