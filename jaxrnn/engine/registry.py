"""The backends, in order of preference, and what decides between them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from jax.export import is_symbolic_dim

from jaxrnn.base.errors import Said, fail
from jaxrnn.core.cell import Cell
from jaxrnn.engine import reference, scheduled


class Backend(NamedTuple):
    """Something that runs a cell over a sequence; it declines with a reason, never silently."""

    name: str
    run: Callable[..., Any]
    declines: Callable[[Cell, Any, Any], str | None]  # cell, dtype of products, dtype of the carry
    summary: str
    symbolic: bool = True  # whether it runs programs that are exported for any number of steps and rows


def _native(function: str) -> Callable[..., Any]:
    """A function of the native backend, imported when it is called: few need it, and it loads a library."""

    def call(*arguments: Any) -> Any:
        return getattr(importlib.import_module("jaxrnn.kernels.native.backend"), function)(*arguments)

    return call


BACKENDS = {
    b.name: b
    for b in (
        Backend(
            "native",
            _native("run"),
            _native("declines"),
            "compiled loops for CPUs: whole sequences in one call",
            symbolic=False,
        ),
        Backend(
            "scheduled",
            scheduled.run,
            scheduled.declines,
            "blocks of time that save what came of their products; weight gradients outside the loop",
        ),
        Backend("reference", reference.run, reference.declines, "plain jax.lax.scan"),
    )
}


def choose(cell: Cell, backend: str, dtype: Any, carry_dtype: Any, sizes: tuple[Any, ...] = ()) -> Backend:
    """The named backend, or with "auto" the first that does not decline to run a cell in these dtypes and T, *B."""

    def reason(b: Backend) -> str | None:
        if not b.symbolic and any(map(is_symbolic_dim, sizes)):
            return f"is compiled for one number of steps and rows, not for the symbols of {sizes}"
        return b.declines(cell, dtype, carry_dtype)

    if backend != "auto":
        why_not = reason(BACKENDS[backend])
        if why_not is not None:
            fail("backend", f"one that runs {cell.name}", Said(f"{backend!r}, which declines: {why_not}"))
        return BACKENDS[backend]
    return next(b for b in BACKENDS.values() if reason(b) is None)


def as_they_stand(cell: Cell, backend: str, why: str) -> Backend:
    """The backend that runs equations as they stand, where `why` no other can."""
    if backend not in ("auto", "reference"):
        fail("backend", f"one that runs {cell.name}", Said(f"{backend!r}, which declines: {why}"))
    return BACKENDS["reference"]
