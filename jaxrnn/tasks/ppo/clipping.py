"""Clipping below `vmap`: of each seed by the norm of its own gradient."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import optax

from jaxrnn.train.task import Params


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def clipped(params: Params, norm: float) -> Params:
    """The parameters, whose gradient is clipped to a norm: seed by seed, below `vmap`."""
    return params


def _forward(params: Params, norm: float) -> tuple[Params, None]:
    return params, None


def _backward(norm: float, _: None, gradient: Params) -> tuple[Params]:
    scale = jnp.minimum(1, norm / jnp.maximum(optax.tree.norm(gradient), 1e-12))
    return (jax.tree.map(lambda g: g * scale.astype(g.dtype), gradient),)


clipped.defvjp(_forward, _backward)
