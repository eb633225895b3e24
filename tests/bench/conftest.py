"""Contestants run in a process of their own; here they run in ours, under the settings of theirs."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture
def as_in_a_worker() -> Iterator[None]:
    """float32, JAX's own rules of promotion, and the precision of products as it was before."""
    precision = jax.config.jax_default_matmul_precision
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
    jax.config.update("jax_default_matmul_precision", precision)
