"""Newton's iteration over the steps of a sequence, with a bound on the error; else in blocks whose length adapts.

A small residual proves nothing: where states repel each other, what solves all steps to the last digit may be far from
the loop. So rows are judged by their error. One more linear solve takes the residual to it, another one roundings of
every step; a row is accepted where both together are within `tolerance`, and finite. No row depends on another.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.base.placement import spread_over_devices
from jaxrnn.base.typing import Array
from jaxrnn.engine.newton.model import Known, Model, linearized
from jaxrnn.engine.newton.solve import before, by_row, follow

TOLERANCE = {"float32": 2.0**-15, "float64": 2.0**-38}  # of a state h, relative to 1 + abs(h)
ROUNDING = 2  # roundings of a step that are followed, in units of eps * (1 + abs(h))
PATIENCE = 6  # iterations in a row that come no nearer
BLOCK, LEAST = 128, 8  # steps of the longest block, and of the shortest


class Errors(NamedTuple):
    """Estimates of what a state is off by, from the residual and from roundings, `[R, K, M]`."""

    residual: Array
    roundings: Array


class Found(NamedTuple):
    """What came of an iteration; a row each."""

    h: Array  # [T, R, K, M] the states after every step
    ok: Array  # [R]
    bound: Array  # [R]
    iterations: Array  # [R]
    errors: Errors  # after the last step


def solve(model: Model, known: Known, start: Array, errors: Errors, time: Array, rows: Array) -> Found:
    """All steps at once, for the `rows [R]` that ask for it; `time [T, R]` is where each step is in its row."""
    T, R = known.steps.x[0].shape[:2]
    tolerance = TOLERANCE[start.dtype.name]
    guess = jnp.broadcast_to(start[None], (T, *start.shape))
    count = jnp.zeros((R,), jnp.int32)
    never = jnp.full((R,), jnp.inf, start.dtype)
    first = spread_over_devices((guess, rows, never, count, count), start)

    def body(state: Any) -> Any:
        h, active, best, stalled, n = state
        f, J = linearized(model, known, before(h, start))
        e = follow(J, f - h, jnp.zeros_like(start))
        size = _largest(jnp.abs(e), h)
        stalled = jnp.where(size < best, 0, stalled + 1)
        # As many steps are solved exactly as there were iterations, so that more than T do nothing.
        hopeless = ~jnp.isfinite(size) | (stalled >= PATIENCE) | (n > T)
        h = jax.vmap(lambda new, old: by_row(active & jnp.isfinite(size), new, old))(h + e, h)
        best, n = jnp.where(active, jnp.minimum(best, size), best), n + active.astype(n.dtype)
        return h, active & (size > tolerance) & ~hopeless, best, stalled, n

    h, _, best, _, n = lax.while_loop(lambda state: state[1].any(), body, first)
    f, J = linearized(model, known, before(h, start))
    off = Errors(follow(J, f - h, errors.residual), follow(J, _roundings(h, time, known), errors.roundings))
    bound = _largest(jnp.abs(off.residual) + jnp.abs(off.roundings), h)
    ok = rows & (best <= tolerance) & (bound <= tolerance) & _finite(f)
    return Found(f, ok, bound, n, jax.tree.map(lambda a: a[-1], off))


def _largest(error: Array, h: Array) -> Array:
    """Of each row, relative; infinite where anything is not finite, since `max` may drop NaN."""
    share = error / (1 + jnp.abs(h))
    return jnp.where(_finite(share), share.max((0, 2, 3), initial=0), jnp.inf)


def _finite(a: Array) -> Array:
    return jnp.isfinite(a).all((0, 2, 3))


def _roundings(h: Array, time: Array, known: Known) -> Array:
    """Roundings of every step, of signs that are drawn once for all."""
    unit = lax.broadcasted_iota(jnp.uint32, h.shape, 2) * h.shape[3] + lax.broadcasted_iota(jnp.uint32, h.shape, 3)
    bits = (time.astype(jnp.uint32)[..., None, None] + jnp.uint32(1)) * jnp.uint32(2654435761) ^ (
        (unit + jnp.uint32(1)) * jnp.uint32(2246822519)
    )
    bits = (bits ^ (bits >> 15)) * jnp.uint32(3266489917)
    size = ROUNDING * float(jnp.finfo(h.dtype).eps) * (1 + jnp.abs(h))
    noise = jnp.where((bits >> 16) & 1 == 1, size, -size)
    valid = known.steps.valid
    return noise if valid is None else jnp.where(valid[..., None, None], noise, jnp.zeros_like(noise))


class March(NamedTuple):
    """Rows on their way through time in blocks."""

    at: Array  # [R] the first step that is not solved
    length: Array  # [R] of the next block
    start: Array  # [R, K, M]
    errors: Errors
    h: Array  # [T, R, K, M]
    alive: Array  # [R] neither at the end nor given up
    found: Array  # [R] at the end
    bound: Array
    iterations: Array
    blocks: Array


def in_blocks(model: Model, known: Known, start: Array, rows: Array) -> March:
    """Blocks of at most BLOCK steps, for the `rows` that ask for it.

    A block is half as long after one that is not accepted, twice as long after one that is. A row in which blocks of
    LEAST steps are not accepted is given up.
    """
    T, R = known.steps.x[0].shape[:2]
    W, place = min(T, BLOCK), jnp.arange(R)[None]
    zero = jnp.zeros((R,), jnp.int32)
    none = Errors(jnp.zeros_like(start), jnp.zeros_like(start))
    empty = jnp.zeros((T, *start.shape), start.dtype)
    nothing = jnp.zeros((R,), start.dtype)
    first = March(zero, zero + W, start, none, empty, rows, ~rows & rows, nothing, zero, zero)

    def body(m: March) -> March:
        k = lax.broadcasted_iota(jnp.int32, (W, R), 0)
        time = m.at[None] + k
        inside = (k < m.length[None]) & (time < T)
        there = jnp.minimum(time, T - 1)
        steps = jax.tree.map(lambda a: a[there, place], known.steps)
        valid = inside if steps.valid is None else steps.valid & inside
        reset = None if steps.reset is None else steps.reset & inside
        found = solve(
            model, known._replace(steps=steps._replace(valid=valid, reset=reset)), m.start, m.errors, time, m.alive
        )
        kept = inside & found.ok[None]
        h = m.h.at[jnp.where(kept, time, T), place].set(found.h, mode="drop")
        at = jnp.where(found.ok, jnp.minimum(m.at + m.length, T), m.at)
        tried = jnp.minimum(m.length, T - m.at)
        length = jnp.where(found.ok, jnp.minimum(2 * m.length, W), tried // 2)
        given_up = m.alive & ~found.ok & ((length < LEAST) | (m.length <= LEAST))
        return March(
            at,
            length,
            by_row(found.ok, found.h[-1], m.start),
            jax.tree.map(lambda new, old: by_row(found.ok, new, old), found.errors, m.errors),
            h,
            m.alive & ~given_up & (at < T),
            m.found | (m.alive & (at >= T)),
            jnp.where(given_up | found.ok, jnp.maximum(m.bound, found.bound), m.bound),
            m.iterations + found.iterations,
            m.blocks + m.alive.astype(jnp.int32),
        )

    return lax.while_loop(lambda m: m.alive.any(), body, spread_over_devices(first, start))
