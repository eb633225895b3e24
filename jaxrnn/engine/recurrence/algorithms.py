"""Ways to run a linear recurrence over time, and what all of them share. None of them is differentiated.

Arrays are `[T, ...]`, as tuples: `a` of one, two or four entries, states of one or two (`jaxrnn.core.linear`). An `a`
of zero forgets exactly; with `a` one and `b` zero a state stays as it is, bit by bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxrnn.base.typing import Array
from jaxrnn.core.linear import Leaves, composed, forgetting, identity, outer, times, turned

Solve = Callable[..., Leaves]  # (a, b, start, reverse) -> the state after every step


def plain(a: Leaves, b: Leaves, start: Leaves, reverse: bool) -> Leaves:
    """One step after the other."""

    def body(h: Leaves, at: Any) -> tuple[Leaves, Leaves]:
        h = stepped(at[0], at[1], h)
        return h, h

    return lax.scan(body, start, (a, b), reverse=reverse)[1]


def stepped(a: Leaves, b: Leaves, h: Leaves) -> Leaves:
    return added(times(a, h, forgetting), b)


def added(one: Leaves, other: Leaves) -> Leaves:
    return tuple(map(jnp.add, one, other))


def chunked(a: Leaves, b: Leaves, start: Leaves, reverse: bool) -> Leaves:
    """Chunks of about the square root of T steps: all of them at once, then what each starts from, then all again.

    The second time every state is made from the one before it, so that rounding adds up little more than in a loop.
    """
    T = a[0].shape[0]
    steps = _near_root(T)
    count = T // steps
    rest = T - count * steps
    head, tail = (slice(rest, T), slice(0, rest)) if reverse else (slice(0, T - rest), slice(T - rest, T))
    cut = lambda x: x[head].reshape(count, steps, *x.shape[1:])  # noqa: E731
    ca, cb = tuple(map(cut, a)), tuple(map(cut, b))
    place = lambda k: steps - 1 - k if reverse else k  # noqa: E731
    of = lambda leaves, k: tuple(lax.dynamic_index_in_dim(x, place(k), 1, keepdims=False) for x in leaves)  # noqa: E731

    def through(k: Any, state: tuple[Leaves, Leaves]) -> tuple[Leaves, Leaves]:
        whole, h = state
        return composed(of(ca, k), whole, forgetting), stepped(of(ca, k), of(cb, k), h)

    one = identity(len(a), ca[0][:, 0])
    nothing = tuple(jnp.zeros_like(x[:, 0]) for x in cb)
    whole, ends = lax.fori_loop(0, steps, through, (one, nothing))

    def body(h: Leaves, at: Any) -> tuple[Leaves, Leaves]:
        return stepped(at[0], at[1], h), h

    last, starts = lax.scan(body, start, (whole, ends), reverse=reverse)

    def again(k: Any, state: tuple[Leaves, Leaves]) -> tuple[Leaves, Leaves]:
        h, out = state
        h = stepped(of(ca, k), of(cb, k), h)
        put = lambda o, x: lax.dynamic_update_index_in_dim(o, x, place(k), 1)  # noqa: E731
        return h, tuple(map(put, out, h))

    out = lax.fori_loop(0, steps, again, (starts, tuple(jnp.zeros_like(x) for x in cb)))[1]
    flat = tuple(x.reshape(count * steps, *x.shape[2:]) for x in out)
    if not rest:
        return flat
    others = plain(tuple(x[tail] for x in a), tuple(x[tail] for x in b), last, reverse)
    return tuple(jnp.concatenate([o, f] if reverse else [f, o]) for f, o in zip(flat, others, strict=True))


def _near_root(T: int) -> int:
    """The divisor of T nearest to its square root, if one is near; else the root."""
    root = max(1, math.isqrt(T))
    near = [d for d in range(max(1, root // 2), 2 * root + 1) if T % d == 0]
    return min(near, key=lambda d: abs(d - root), default=root)


def associative(a: Leaves, b: Leaves, start: Leaves, reverse: bool) -> Leaves:
    """`jax.lax.associative_scan` over pairs of `a` and `b`."""
    first = -1 if reverse else 0
    from_start = added(times(tuple(x[first] for x in a), start, forgetting), tuple(x[first] for x in b))
    b = tuple(x.at[first].set(v) for x, v in zip(b, from_start, strict=True))

    def both(early: Any, late: Any) -> Any:
        return composed(late[0], early[0], forgetting), stepped(late[0], late[1], early[1])

    return lax.associative_scan(both, (a, b), reverse=reverse)[1]


# ---------------------------------------------------------------- before, after, and the way back


def before(h: Leaves, start: Leaves, reverse: bool) -> Leaves:
    """The state before every step."""

    def shifted(h: Array, start: Array) -> Array:
        return jnp.concatenate([h[1:], start[None]] if reverse else [start[None], h[:-1]])

    return tuple(map(shifted, h, start))


def swept(
    solve: Solve, a: Leaves, h: Leaves, start: Leaves, ct: Leaves, reverse: bool
) -> tuple[Leaves, Leaves, Leaves]:
    """The cotangents of a, b and the start, given that of every state: the recurrence run the other way."""
    following = lambda x: before((x,), (jnp.zeros_like(x[0]),), not reverse)[0]  # noqa: E731
    nothing = tuple(jnp.zeros_like(s) for s in start)
    g = solve(turned(tuple(map(following, a))), ct, nothing, not reverse)
    first = -1 if reverse else 0
    back = times(turned(tuple(x[first] for x in a)), tuple(x[first] for x in g), forgetting)
    return outer(g, before(h, start, reverse), len(a)), g, back


def swept_plain(a: Leaves, h: Leaves, start: Leaves, ct: Leaves, reverse: bool) -> tuple[Leaves, Leaves, Leaves]:
    """`swept` by one loop."""

    def body(back: Leaves, at: Any) -> tuple[Leaves, Any]:
        a, previous, ct = at
        g = added(ct, back)
        return times(turned(a), g, forgetting), (outer(g, previous, len(a)), g)

    nothing = tuple(jnp.zeros_like(s) for s in start)
    back, (da, db) = lax.scan(body, nothing, (a, before(h, start, reverse), ct), reverse=not reverse)
    return da, db, back


def moved(
    solve: Solve, a: Leaves, h: Leaves, start: Leaves, da: Leaves, db: Leaves, dstart: Leaves, reverse: bool
) -> Leaves:
    """The tangent of every state: the same recurrence, of what moves."""
    return solve(a, added(times(da, before(h, start, reverse), forgetting), db), dstart, reverse)
