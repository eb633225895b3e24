"""What is done to the features of each step by itself: norms, dropout, a gated feed-forward layer."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.dtypes import promote
from jaxrnn.base.typing import Array, PRNGKeyArray
from jaxrnn.engine.noise import over_time
from jaxrnn.forms.dense import dense

EPSILON = 1e-5


def normalised(xs: Array, scale: Array, groups: int = 1) -> Array:
    """`xs` with mean 0 and variance 1 over each group of features, times a scale; computed in float32 at least."""
    dtype = promote(promote(xs.dtype, jnp.float32), scale.dtype)
    apart = xs.astype(dtype).reshape(*xs.shape[:-1], groups, xs.shape[-1] // groups)
    apart = apart - apart.mean(-1, keepdims=True)
    apart = apart * jax.lax.rsqrt(jnp.square(apart).mean(-1, keepdims=True) + EPSILON)
    scale = scale.astype(dtype).reshape((1,) * (xs.ndim - 1) + (-1,))
    return (apart.reshape(xs.shape) * scale).astype(xs.dtype)


def dropped(ys: Array, rate: float, rng: PRNGKeyArray | None, t: Any) -> Array:
    """`ys` with some features zero, others at each step: of a sequence with times `t`, or of one step at time `t`."""
    if rng is None or rate == 0:
        return ys
    t = jnp.asarray(t)
    shape = ys.shape[t.ndim :]

    def draw(t: Array) -> Array:
        return jax.random.bernoulli(jax.random.fold_in(rng, t), 1 - rate, shape)

    keep = over_time(draw, t, rng) if t.ndim else draw(t)
    return jnp.where(keep, ys / (1 - rate), jnp.zeros_like(ys))


def feed_forward(xs: Array, up: Array, down: Array) -> Array:
    """(gelu(x @ up_0) * (x @ up_1)) @ down, of kernels `[D, 2, F]` and `[F, D]`."""
    both = dense.product((up.astype(xs.dtype),), xs)
    opened = jax.nn.gelu(both[..., 0, :], approximate=False) * both[..., 1, :]
    return dense.product((down.astype(xs.dtype),), opened)
