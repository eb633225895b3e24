"""Figures that are counted by comparing: right or wrong, likeliest or not. NaN is neither."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxrnn.base.typing import ArrayLike


def share(right: ArrayLike, *scores: ArrayLike) -> jax.Array:
    """The mean of `right [B, ...]`, true where a row is; NaN where a score that it was judged by is NaN.

    Comparisons with NaN are false, and a maximum may pass over it (XLA's on CPUs does): both look like an answer.
    `scores` are arrays of any shape, zero where they do not count.
    """
    known = jnp.ones((), bool)
    for array in scores:
        known &= ~jnp.isnan(jnp.asarray(array)).any()
    dtype = jnp.asarray(scores[0]).dtype
    return jnp.where(known, jnp.asarray(right).mean(dtype=dtype), jnp.asarray(jnp.nan, dtype))
