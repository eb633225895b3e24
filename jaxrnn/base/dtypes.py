"""The dtype policy: products in one dtype, gates and carry in another that is at least float32."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Any

import jax
import numpy as np

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Carry

FLOATS = ("bfloat16", "float16", "float32", "float64")


def is_float(dtype: Any) -> bool:
    """A dtype in which cells compute. Eight-bit floats promote with nothing, so they are none."""
    return getattr(dtype, "name", None) in FLOATS and dtype.isnative


def is_integer(dtype: Any) -> bool:
    """Integers of either sign and any width; bools are none."""
    return jax.dtypes.issubdtype(dtype, np.integer)


def is_numeric(dtype: Any) -> bool:
    """Numbers or bools: no strings, objects, dates or PRNG keys, nor another machine's order of bytes."""
    return (jax.dtypes.issubdtype(dtype, np.number) or dtype == np.bool_) and dtype.isnative


def promote(*dtypes: Any) -> Any:
    """The common dtype. Our own policy, spelled out in casts, so it holds under strict promotion too."""
    with jax.numpy_dtype_promotion("standard"):
        return jax.dtypes.result_type(*(np.dtype(d) for d in dtypes))


def default_float() -> Any:
    """JAX's float: float32, or float64 where x64 is on."""
    return jax.dtypes.canonicalize_dtype(float)


def state_dtype(carry: Carry) -> Any:
    """The dtype in which gates and carry compute."""
    return jax.tree.leaves(carry)[0].dtype


def check_dtype(dtype: Any, argument: str) -> Any:
    """A floating dtype in canonical form, or None."""
    if dtype is None or (isinstance(dtype, np.dtype) and is_float(dtype)):
        return dtype
    if dtype is float:
        return np.dtype(default_float())
    name = None
    if isinstance(dtype, (str, type, np.dtype)):  # arrays too have a dtype, but are none
        with warnings.catch_warnings(), suppress(TypeError, ValueError, SyntaxError):
            warnings.simplefilter("ignore")  # names that NumPy has deprecated are no names here
            name = np.dtype(dtype).name
    if name not in FLOATS:
        fail(argument, f"None or one of {FLOATS}", dtype, kind=TypeError)
    return np.dtype(name)


def check_carry_dtype(carry: Carry, dtype: Any) -> None:
    """The carry may be wider than the products, never narrower: that would drop precision without a word."""
    have = state_dtype(carry)
    if any(a.dtype != have for a in jax.tree.leaves(carry)):
        fail("carry", "of one dtype", carry, kind=TypeError)
    if promote(have, dtype) != have:
        fail(
            "carry",
            f"of a dtype that holds {np.dtype(dtype).name}",
            carry,
            "Cast the carry, or pass `dtype` to `initial_carry`.",
            kind=TypeError,
        )


def check_reset_dtype(reset_carry: Carry, carry: Carry) -> None:
    """What resets lead to fits into the carry without losing digits."""
    have = state_dtype(carry)
    for array in jax.tree.leaves(reset_carry):
        if promote(have, array.dtype) != have:
            fail("reset_carry", f"of a dtype that the carry's {have.name} holds", reset_carry, kind=TypeError)
