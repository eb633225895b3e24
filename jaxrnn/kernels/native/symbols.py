"""Symbols as inputs: a row of the kernel is copied where floats would be multiplied, and added to in its gradient."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrnn.base.dtypes import is_integer
from jaxrnn.base.typing import Array
from jaxrnn.kernels.native import library


def is_taken(xs: Any, rows: int) -> bool:
    """Whether a call reads symbols `[T, *B]` itself. Each thread adds up a kernel's gradient of its own; where all of
    these are larger than what they are made of, a vector for each symbol is."""
    return is_integer(xs.dtype) and rows > 0 and rows * (library.threads() - 1) <= xs.size


def inside(xs: Array, rows: int) -> Array:
    """Symbols as the library reads them: int32, and of rows that there are."""
    xs = xs if xs.dtype.itemsize >= 4 else xs.astype(np.int32)  # the last row need not fit into int8
    bound = lambda number: jnp.full(xs.shape, number, xs.dtype)  # noqa: E731
    return lax.clamp(bound(0), xs, bound(rows - 1)).astype(np.int32)
