"""The backends that the engine was handed, in order of preference, and what decides between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jax.export import is_symbolic_dim

from jaxrnn.base.errors import Said, fail
from jaxrnn.core.cell import Cell


class Backend(NamedTuple):
    """Something that runs a cell over a sequence; it declines with a reason, never silently."""

    name: str
    summary: str
    run: Callable[..., Any]  # a Job
    declines: Callable[[Cell, Any, Any], str | None]  # cell, dtype of products, dtype of the carry
    schedule: Callable[..., str]  # T, chunk, rows, the cell: how time is cut, in words
    symbolic: bool = True  # whether it runs programs that are exported for any number of steps and rows
    plain: bool = False  # whether it runs equations as they stand, whatever they read
    too_large: Callable[[Cell, Any, Any, tuple[int, ...]], str | None] | None = None  # of T, *B; None: never
    compiles_long: bool = False  # whether XLA takes so long over its programs that few are made where many are tried
    recurrence: Callable[[], Any] | None = None  # the `Recurrence` by which it runs what is linear in the state
    # Why "auto" goes on to the next, of T, *B where they are known; None: it does not.
    leaves: Callable[[Cell, Any, Any, tuple[Any, ...]], str | None] | None = None


BACKENDS: dict[str, Backend] = {}  # filled from above: `jaxrnn.kernels.table`


def is_plain(backend: str) -> bool:
    """Whether the named backend runs equations as they stand, whatever they read."""
    return backend != "auto" and BACKENDS[backend].plain


def choose(cell: Cell, backend: str, dtype: Any, carry_dtype: Any, sizes: tuple[Any, ...] = ()) -> Backend:
    """The named backend, or with "auto" the first that does not decline to run a cell in these dtypes and T, *B."""
    passed = passed_by if backend == "auto" else reason_of
    return _first(cell, backend, lambda b: passed(b, cell, dtype, carry_dtype, sizes))


def choose_plain(cell: Cell, dtype: Any, carry_dtype: Any, sizes: tuple[Any, ...] = ()) -> Backend | None:
    """With "auto" the backend that runs a cell, where it comes before all that do not run equations as they stand."""
    for b in BACKENDS.values():
        if not b.plain:
            return None
        if passed_by(b, cell, dtype, carry_dtype, sizes) is None:
            return b
    return None


def as_they_stand(cell: Cell, backend: str, why: str, dtype: Any, carry_dtype: Any) -> Backend:
    """The backend that runs equations as they stand, where `why` no other can."""
    return _first(cell, backend, lambda b: b.declines(cell, dtype, carry_dtype) if b.plain else why)


def reason_of(b: Backend, cell: Cell, dtype: Any, carry_dtype: Any, sizes: tuple[Any, ...]) -> str | None:
    """Why a backend does not run a cell in these dtypes and T, *B."""
    if not b.symbolic and any(map(is_symbolic_dim, sizes)):
        return f"is compiled for one number of steps and rows, not for the symbols of {sizes}"
    reason = b.declines(cell, dtype, carry_dtype)
    if reason is None and sizes and b.too_large is not None:
        return b.too_large(cell, dtype, carry_dtype, sizes)
    return reason


def passed_by(b: Backend, cell: Cell, dtype: Any, carry_dtype: Any, sizes: tuple[Any, ...]) -> str | None:
    """Why "auto" does not take a backend that comes before the one it takes."""
    reason = reason_of(b, cell, dtype, carry_dtype, sizes)
    return b.leaves(cell, dtype, carry_dtype, sizes) if reason is None and b.leaves is not None else reason


def _first(cell: Cell, backend: str, reason: Callable[[Backend], str | None]) -> Backend:
    """The named backend, or with "auto" the first that has no `reason` to decline a cell."""
    if backend == "auto":
        return next(b for b in BACKENDS.values() if reason(b) is None)
    why_not = reason(BACKENDS[backend])
    if why_not is not None:
        fail("backend", f"one that runs {cell.name}", Said(f"{backend!r}, which declines: {why_not}"))
    return BACKENDS[backend]


def recurrence_for(cell: Cell, backend: str, dtype: Any, carry_dtype: Any, sizes: tuple[Any, ...]) -> Any:
    """The `Recurrence` of the named backend, or with "auto" of the first that runs linear recurrences of this cell."""

    def reason(b: Backend) -> str | None:
        return reason_of(b, cell, dtype, carry_dtype, sizes) if b.recurrence is not None else "runs step after step"

    if backend == "auto" and all(reason(b) is not None for b in BACKENDS.values()):
        why = next(reason_of(b, cell, dtype, carry_dtype, sizes) for b in BACKENDS.values() if b.recurrence is not None)
        fail("cell", "one that is linear in the state", Said(f"{cell!r}: a recurrence at once {why}"))
    return _first(cell, backend, reason).recurrence()  # type: ignore[misc]
