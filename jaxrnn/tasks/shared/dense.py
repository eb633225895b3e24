"""What stands around the recurrence in every task: a dense layer, dropout, and layer normalisation."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxrnn.train.task import Params

EPSILON = 1e-5
glorot = jax.nn.initializers.glorot_uniform()


def dense_init(key: jax.Array, inputs: int, outputs: int) -> Params:
    """Parameters {"kernel": [inputs, outputs], "bias": [outputs]}."""
    return {"kernel": glorot(key, (inputs, outputs)), "bias": jnp.zeros(outputs)}


def dense(params: Params, xs: jax.Array) -> jax.Array:
    """xs W + b, [..., outputs]."""
    products = xs @ params["kernel"]
    return products + jnp.broadcast_to(params["bias"], products.shape)


def dropout(rng: jax.Array | None, xs: jax.Array, rate: float, locked: bool = False) -> jax.Array:
    """Drop entries of xs [T, *B, H]; `locked` drops the same ones at all times (Gal & Ghahramani 2016)."""
    if rng is None or rate == 0:
        return xs
    keep = jax.random.bernoulli(rng, 1 - rate, xs.shape[1:] if locked else xs.shape)
    return jnp.where(jnp.broadcast_to(keep, xs.shape), xs / (1 - rate), jnp.zeros_like(xs))


def normalise(params: Params, xs: jax.Array, axes: tuple[int, ...] = (-1,)) -> jax.Array:
    """xs of mean 0 and variance 1 over some axes, then scaled and moved feature by feature.

    Over the features: layer normalisation (Ba et al. 2016). Over the places of a picture: instance normalisation
    (Ulyanov et al. 2016, arXiv:1607.08022).
    """
    xs = xs - xs.mean(axes, keepdims=True)
    xs = xs * jax.lax.rsqrt(jnp.square(xs).mean(axes, keepdims=True) + EPSILON)
    return xs * jnp.broadcast_to(params["scale"], xs.shape) + jnp.broadcast_to(params["bias"], xs.shape)
