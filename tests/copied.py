"""The recurrent layer that agents' code in JAX copies from one repository to the next."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen as nn


class Theirs(nn.Module):
    """A GRU of Flax under `nn.scan`, whose state is zero where a reset comes before the step."""

    @functools.partial(nn.scan, variable_broadcast="params", in_axes=0, out_axes=0, split_rngs={"params": False})
    @nn.compact
    def __call__(self, carry: Any, x: Any) -> Any:
        ins, resets = x
        carry = jnp.where(resets.astype(bool)[:, None], jnp.zeros_like(carry), carry)
        return nn.GRUCell(carry.shape[-1])(carry, ins)
