"""Recurrences that are linear in the state: `h' = a h + b`, where a and b are functions of the input alone.

The state is real, with one `a` a unit; or a pair of arrays, with a complex number a unit or a matrix of two by two.
Everywhere below `a` is flat: `(a,)`, `(re, im)`, or the matrix's four entries row by row; a state is `(h,)` or a pair.

    update:  a, b = drive(x, recur, theta, **per_step);  h' = a h + b;  y = shows(h', x, recur, theta, **per_step)

A cell that declares these is a cell like any other, by `linear_step`. What runs linear recurrences all at once reads
the declaration (`declared`) and asks for a and b of all steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Array, Carry
from jaxrnn.core.called import called
from jaxrnn.core.cell import Cell, Update, name_of

Leaves = tuple[Array, ...]
STATES = {1: 1, 2: 2, 4: 2}  # entries of a -> arrays of a state
REAL, COMPLEX, BLOCK = 1, 2, 4  # entries of a
DRIVE = "a function of x, (x, theta) or (x, recur, theta)"
SHOWS = "a function of (carry, x) or (carry, x, recur, theta)"


# ---------------------------------------------------------------- a, unit by unit


def times(a: Leaves, h: Leaves, mul: Callable[[Array, Array], Array] = jnp.multiply) -> Leaves:
    """`a h`."""
    if len(a) == REAL:
        return (mul(a[0], h[0]),)
    if len(a) == COMPLEX:
        return mul(a[0], h[0]) - mul(a[1], h[1]), mul(a[0], h[1]) + mul(a[1], h[0])
    return mul(a[0], h[0]) + mul(a[1], h[1]), mul(a[2], h[0]) + mul(a[3], h[1])


def turned(a: Leaves) -> Leaves:
    """The transpose of what `a` does to a state."""
    if len(a) == COMPLEX:
        return a[0], -a[1]
    return a if len(a) == REAL else (a[0], a[2], a[1], a[3])


def outer(g: Leaves, h: Leaves, entries: int) -> Leaves:
    """The cotangent of `a` in `a h`, given that of the result."""
    if entries == REAL:
        return (g[0] * h[0],)
    if entries == COMPLEX:
        return g[0] * h[0] + g[1] * h[1], g[1] * h[0] - g[0] * h[1]
    return g[0] * h[0], g[0] * h[1], g[1] * h[0], g[1] * h[1]


def composed(late: Leaves, early: Leaves, mul: Callable[[Array, Array], Array] = jnp.multiply) -> Leaves:
    """What `early`, then `late` does."""
    if len(late) < BLOCK:
        return times(late, early, mul)
    first, second = times(late, (early[0], early[2]), mul), times(late, (early[1], early[3]), mul)
    return first[0], second[0], first[1], second[1]


def identity(entries: int, like: Array) -> Leaves:
    """The `a` that changes nothing."""
    one, zero = jnp.ones_like(like), jnp.zeros_like(like)
    return {REAL: (one,), COMPLEX: (one, zero), BLOCK: (one, zero, zero, one)}[entries]


def forgetting(a: Array, h: Array) -> Array:
    """`a * h`, where an `a` of zero forgets infinities and NaN too: so a reset is exact."""
    return jnp.where(a == 0, jnp.zeros_like(h), a * h)


# ---------------------------------------------------------------- the declaration


@dataclass(frozen=True)
class Linear:
    """What a linear cell declares: the functions, and which arguments each takes."""

    drive: Callable[..., Any]
    shows: Callable[..., Any] | None  # None: the output is the state (of a pair the first)
    of_drive: tuple[str, ...] = ()  # keyword arguments
    of_shows: tuple[str, ...] = ()
    arity: int = 3  # of drive: x; x and theta; or x, recur and theta
    long_shows: bool = True  # (carry, x, recur, theta), not (carry, x)

    def coefficients(self, carry: Carry, x: Any, recur: Any, theta: Mapping[str, Any], named: Mapping[str, Any]) -> Any:
        """`a` and `b`, flat, for a carry of this form."""
        everything = {"x": x, "recur": recur, "theta": theta}
        given = {n: everything[n] for n in {1: ("x",), 2: ("x", "theta"), 3: tuple(everything)}[self.arity]}
        result = called(self.drive, "equations", DRIVE, given, {n: named[n] for n in self.of_drive})
        if not isinstance(result, tuple) or len(result) != 2:
            expected = "a function that returns (a, b), with which the new state is a times the old one plus b"
            fail(f"update of {name_of(self.drive)}", expected, result, kind=TypeError)
        a, b = _entries(result[0]), _entries(result[1])
        states = STATES.get(len(a))
        if states != len(b) or states != len(carry) or len({x.shape for x in (*a, *b)} | {carry[0].shape}) != 1:
            expected = "a function that returns a and b for each unit of the carry"
            form = f"a {[tuple(x.shape) for x in a]}, b {[tuple(x.shape) for x in b]}"
            hint = "A pair of states takes complex arrays, or for a the rows of a matrix: ((a11, a12), (a21, a22))."
            fail(f"update of {name_of(self.drive)}", expected, Said(f"{form}, carry {carry[0].shape}"), hint)
        dtype = carry[0].dtype
        return tuple(x.astype(dtype) for x in a), tuple(x.astype(dtype) for x in b)

    def shown(self, carry: Carry, x: Any, recur: Any, theta: Mapping[str, Any], named: Mapping[str, Any]) -> Array:
        """The output of a step that ends in `carry`."""
        if self.shows is None:
            return carry[0]
        given = {"carry": carry, "x": x} | ({"recur": recur, "theta": theta} if self.long_shows else {})
        return called(self.shows, "shows", SHOWS, given, {n: named[n] for n in self.of_shows})


def _entries(value: Any) -> Leaves:
    """An array, a complex one, a pair, or two pairs, as real arrays."""
    if isinstance(value, tuple):
        return tuple(leaf for part in value for leaf in _entries(part))
    return (value.real, value.imag) if jnp.iscomplexobj(value) else (jnp.asarray(value),)


def linear_step(
    carry: Carry, x: Any, recur: Any, theta: dict[str, Any], *, linear: Linear, **named: Any
) -> tuple[Carry, Array]:
    """One step of a linear cell, in the form of all cells."""
    a, b = linear.coefficients(carry, x, recur, theta, named)
    new = type(carry)(*(p + q for p, q in zip(times(a, tuple(carry)), b, strict=True)))
    return new, linear.shown(new, x, recur, theta, named)


def declared(cell: Cell) -> tuple[Linear, dict[str, Any]] | None:
    """What a cell declares of its recurrence, and its options; None where it is not linear, or wrapped."""
    update = cell.update
    if not isinstance(update, Update) or update.equations is not linear_step:
        return None
    options = dict(update.options)
    return options.pop("linear"), options
