"""What a policy says, as a distribution over actions: one of several, or numbers around a mean.

`said` is what the network says: logits [..., A], or means [..., A] beside the logarithms of the deviations [..., A].
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.base.typing import PRNGKeyArray


class Choice(NamedTuple):
    """One of A actions."""

    logits: jax.Array

    def draw(self, key: PRNGKeyArray) -> jax.Array:
        """An action, int32."""
        return jax.random.categorical(key, self.logits).astype(jnp.int32)

    def likeliest(self) -> jax.Array:
        """The action of the greatest probability, int32."""
        return jnp.argmax(self.logits, -1).astype(jnp.int32)

    def log_probability(self, action: jax.Array) -> jax.Array:
        """Of an action."""
        return jnp.take_along_axis(jax.nn.log_softmax(self.logits), action[..., None], axis=-1)[..., 0]

    def entropy(self) -> jax.Array:
        """In nats."""
        log_p = jax.nn.log_softmax(self.logits)
        return -(jnp.exp(log_p) * log_p).sum(-1)


class Normal(NamedTuple):
    """A numbers, each normally distributed by itself."""

    mean: jax.Array
    log_deviation: jax.Array

    def draw(self, key: PRNGKeyArray) -> jax.Array:
        """An action [..., A]."""
        return self.mean + jnp.exp(self.log_deviation) * jax.random.normal(key, self.mean.shape, self.mean.dtype)

    def likeliest(self) -> jax.Array:
        """The mean."""
        return self.mean

    def log_probability(self, action: jax.Array) -> jax.Array:
        """The logarithm of the density."""
        z = (action - self.mean) * jnp.exp(-self.log_deviation)
        return (-0.5 * z**2 - self.log_deviation - 0.5 * math.log(2 * math.pi)).sum(-1)

    def entropy(self) -> jax.Array:
        """In nats."""
        return (self.log_deviation + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)
