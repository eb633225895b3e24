"""A cell's equations on one batch row. A user's may be slow to trace: it is done once for all backends that look."""

from __future__ import annotations

from functools import lru_cache, partial

import jax.numpy as jnp

from jaxrnn.core.cell import Cell
from jaxrnn.core.equations import Once
from jaxrnn.core.step import product_shapes


@lru_cache(maxsize=256)
def traced_once(cell: Cell, dtype: str) -> Once:
    """The equations with a carry of this dtype, the same object at every call."""
    return Once(cell.update, partial(product_shapes, cell.gates, cell.kernel_shapes(dtype), jnp.dtype(dtype)))
