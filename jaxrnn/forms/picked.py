"""Rows of a kernel that symbols pick: its gradient is a sum over rows, and a product where there are few kinds."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.base.dtypes import is_float
from jaxrnn.base.typing import Array

FEW = 64  # kinds: of more, one-hot rows are large; a guess, where their product takes longer was not measured


def rows_of(kernel: Array, symbols: Array) -> Array:
    """`kernel[symbols]` along the first axis; a symbol that is out of range picks the nearest row.

    The gradient that JAX makes of it adds one row after the other, which of hundreds of thousands costs a digit.
    """
    few = kernel.shape[0] <= FEW and is_float(kernel.dtype)
    return _of_few(kernel, symbols) if few else jnp.take(kernel, symbols, axis=0, mode="clip")


@jax.custom_jvp
def _of_few(kernel: Array, symbols: Array) -> Array:
    return jnp.take(kernel, symbols, axis=0, mode="clip")


@_of_few.defjvp
def _of_few_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    kernel, symbols = primals
    moved, kinds = tangents[0], kernel.shape[0]
    chosen = jax.nn.one_hot(jnp.clip(symbols, 0, kinds - 1), kinds, dtype=moved.dtype)
    return _of_few(kernel, symbols), lax.dot_general(chosen, moved, (((chosen.ndim - 1,), (0,)), ((), ())))
