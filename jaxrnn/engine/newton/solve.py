"""Linear recurrences whose matrices are blocks: `h[t] = J[t] h[t - 1] + w[t]`, `J` `[T, R, K, M, M]`.

With blocks of one or two the recurrences of linear cells solve them; with larger ones chunks of about sqrt(T) steps,
all at once, in as many steps again. Linear in `w` and the start, and transposed by JAX.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.base.placement import spread_over_devices
from jaxrnn.base.typing import Array
from jaxrnn.engine.recurrence.backends import CHUNKED
from jaxrnn.engine.recurrence.primitives import Form


def follow(J: Array, w: Array, start: Array) -> Array:
    """The states after every step."""
    M = w.shape[-1]
    J, w, start = spread_over_devices((J, w, start), w)
    if M > 2:
        return _in_chunks(J, w, start)
    a = tuple(J[..., i, k] for i in range(M) for k in range(M))
    b, first = (tuple(x[..., i] for i in range(M)) for x in (w, start))
    # The derivative of a recurrence that stays as it is: this, JAX transposes.
    still = tuple(map(jnp.zeros_like, b)), tuple(map(jnp.zeros_like, first)), tuple(map(jnp.zeros_like, a))
    leaves = (*a, *still[0], *still[1], *still[2], *b, *first)
    return jnp.stack(CHUNKED.moved.bind(*leaves, form=Form(len(a), False)), -1)


def _in_chunks(J: Array, w: Array, start: Array) -> Array:
    T = w.shape[0]
    steps = math.isqrt(T - 1) + 1
    count = -(-T // steps)
    rest = count * steps - T

    def cut(x: Array) -> Array:
        whole = jnp.pad(x, [(0, rest)] + [(0, 0)] * (x.ndim - 1))
        return jnp.moveaxis(whole.reshape(count, steps, *x.shape[1:]), 1, 0)

    J, w = cut(J), cut(w)  # [steps, count, ...]

    def through(before: Any, at: Any) -> Any:
        (whole, h), (j, b) = before, at
        return (_product(j, whole), _applied(j, h) + b), None

    one = jnp.broadcast_to(jnp.eye(w.shape[-1], dtype=w.dtype), J.shape[1:])
    first = spread_over_devices((one, jnp.zeros_like(w[0])), w)
    (whole, ends), _ = lax.scan(through, first, (J, w))
    _, starts = lax.scan(lambda h, at: (_applied(at[0], h) + at[1], h), start, (whole, ends))

    def again(h: Array, at: Any) -> Any:
        h = _applied(at[0], h) + at[1]
        return h, h

    _, states = lax.scan(again, starts, (J, w))
    return jnp.moveaxis(states, 0, 1).reshape(count * steps, *states.shape[2:])[:T]


def _product(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)


def _applied(j: Array, h: Array) -> Array:
    return _product(j, h[..., None])[..., 0]


def before(h: Array, start: Array) -> Array:
    """The states before every step, from those after it."""
    return jnp.concatenate([start[None], h[:-1]])


def by_row(condition: Array, yes: Any, no: Any) -> Any:
    """`where` with a condition `[R]`, for arrays `[R, ...]`."""
    return jax.tree.map(lambda a, b: jnp.where(condition.reshape(condition.shape + (1,) * (a.ndim - 1)), a, b), yes, no)
