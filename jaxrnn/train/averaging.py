"""The mean of the parameters that a run goes through: of all since a validation set it off, or a running one.

Polyak & Juditsky, Acceleration of stochastic approximation by averaging, SIAM J. Control and Optimization 30(4), 1992.
NT-ASGD, the non-monotonic trigger: Merity, Keskar & Socher 2017 (arXiv:1708.02182), algorithm 1.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxrnn.base.errors import fail
from jaxrnn.programs.serialized import serialized
from jaxrnn.train.task import Params


@serialized
class AverageState(NamedTuple):
    """State of an optimizer `with_average`."""

    inner: optax.OptState
    mean: Params  # of the parameters after each update since the average began; zeros before
    iterates: jax.Array  # int32: how many those are; -1 before the average begins


def with_average(optimizer: optax.GradientTransformation, running: int = 0) -> optax.GradientTransformation:
    """The same updates, and beside them the mean of the parameters that they lead to, once `begin_average` was called.

    mean[n] = mean[n-1] + (params[n] - mean[n-1]) / min(n, running)

    Args:
        optimizer: What the updates come from.
        running: The mean begins with the first update and is an exponential one, of about so many. 0: it is of all
            updates alike since it began.
    """
    if not isinstance(optimizer, optax.GradientTransformation):
        fail("optimizer", "a transformation of optax", optimizer, kind=TypeError)

    def init(params):
        begun = jnp.int32(0 if running else -1)
        return AverageState(optimizer.init(params), jax.tree.map(jnp.zeros_like, params), begun)

    def update(grads, state, params=None):
        updates, inner = optimizer.update(grads, state.inner, params)
        n = jnp.where(state.iterates < 0, -1, state.iterates + 1)

        def add(mean, new):
            count = jnp.maximum(jnp.minimum(n, running) if running else n, 1)
            return jnp.where(n < 0, mean, mean + (new - mean) / count.astype(mean.dtype))

        mean = jax.tree.map(add, state.mean, optax.apply_updates(params, updates))
        return updates, AverageState(inner, mean, n)

    return optax.GradientTransformation(init, update)


def begin_average(state: optax.OptState) -> optax.OptState:
    """The state from which on parameters are averaged; where there is nothing to begin, the same state."""
    if not isinstance(state, AverageState) or state.iterates >= 0:
        return state
    return state._replace(iterates=jax.device_put(jnp.zeros_like(state.iterates), state.iterates.sharding))


def averaged(state: optax.OptState, params: Params) -> Params:
    """The mean, where one has begun; else `params` as they are."""
    return state.mean if isinstance(state, AverageState) and state.iterates > 0 else params
