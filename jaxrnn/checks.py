"""Checks of single arguments: a size, a rate, a key. Each raises with the argument's name, or returns the value as
Python has it, so that `np.int64(4)` and `4` make equal cells.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.dtypes import FLOATS, is_float, is_numeric
from jaxrnn.errors import Said, fail, nearest

LIMIT = 2**31  # of sizes and counts: beyond it no array could be indexed
LARGEST = float(np.finfo(np.float64).max)


def check_size(value: Any, argument: str) -> int:
    """A positive integer, or an error."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        fail(argument, "a positive integer", value, kind=TypeError)
    if not 1 <= value < LIMIT:
        fail(argument, "a positive integer" if value < 1 else "a positive integer below 2**31", value)
    return int(value)


def check_number(value: Any, argument: str, expected: str) -> float:
    """A finite number, or an error."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        fail(argument, expected, value, kind=TypeError)
    plain = int(value) if isinstance(value, (int, np.integer)) else float(value)
    if not -LARGEST <= plain <= LARGEST:
        fail(argument, expected, value)
    return float(plain)


def check_function(value: Any, argument: str, expected: str = "a function of one array") -> None:
    """Something to call, or an error."""
    if not callable(value):
        fail(argument, expected, value, kind=TypeError)


def check_hashable(value: Any, argument: str) -> None:
    """Something that may be part of a cell, which is compared and hashed by value, or an error."""
    try:
        hash(value)
    except TypeError:
        fail(argument, "hashable, since it becomes part of the cell", value, kind=TypeError)


def check_time(value: Any, argument: str) -> None:
    """The absolute time of a step, one integer from 0 on; traced ones are taken at their word."""
    plain = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not plain and not (is_array(value) and value.shape == () and jnp.issubdtype(value.dtype, jnp.integer)):
        fail(argument, "one integer, an absolute time", value, kind=TypeError)
    if not isinstance(value, jax.core.Tracer) and not 0 <= value < LIMIT:
        fail(argument, "an absolute time in [0, 2**31)", Said(value) if is_array(value) else value)


def check_rate(value: Any, argument: str) -> float:
    """A probability below one, or an error."""
    rate = check_number(value, argument, "a number in [0, 1)")
    if not 0 <= rate < 1:
        fail(argument, "a number in [0, 1)", value)
    return rate


def check_choice(value: Any, argument: str, choices: tuple[Any, ...]) -> Any:
    """One of `choices`, or an error."""
    for choice in choices:
        if value is choice or (isinstance(value, str) and value == choice):
            return choice
    fail(argument, f"one of {choices}", value, nearest(value, choices))


def check_flag(value: Any, argument: str) -> bool:
    """A bool, or an error."""
    if not isinstance(value, (bool, np.bool_)):
        fail(argument, "a bool", value, kind=TypeError)
    return bool(value)


def check_text(value: Any, argument: str) -> str:
    """A string, or an error."""
    if not isinstance(value, str):
        fail(argument, "a string", value, kind=TypeError)
    return str(value)


def check_batch(batch: Any, argument: str = "batch") -> tuple[int, ...]:
    """A tuple of axis sizes, or an error."""
    if not isinstance(batch, tuple) or not all(map(_is_axis, batch)):
        fail(argument, "a tuple of axis sizes such as (32,) or ()", batch, kind=TypeError)
    return tuple(int(n) if isinstance(n, np.integer) else n for n in batch)


def _is_axis(n: Any) -> bool:
    return isinstance(n, (int, np.integer)) and not isinstance(n, bool) and bool(0 <= n < LIMIT)


def check_key(key: Any, argument: str) -> None:
    """One PRNG key, typed or raw, or an error."""
    if is_array(key):
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ():
            return
        if key.dtype == jnp.uint32 and key.ndim == 1 and key.shape[0] in (2, 4):
            return
    fail(argument, "one PRNG key, such as jax.random.key(0)", key, kind=TypeError)


def is_array(value: Any) -> bool:
    """An array of JAX or NumPy. Masked ones are none: what they mask would be read."""
    return isinstance(value, (jax.Array, np.ndarray)) and not isinstance(value, np.ma.MaskedArray)


def check_numbers(value: Any, argument: str) -> Any:
    """An array of floats, integers or bools, of JAX or NumPy."""
    if not is_array(value):
        fail(argument, "an array", value, kind=TypeError)
    if not is_numeric(value.dtype):
        fail(argument, "an array of numbers, in the machine's order of bytes", value, kind=TypeError)
    return value


def check_floats(value: Any, argument: str) -> Any:
    """An array of floats, of JAX or NumPy."""
    if not is_array(value) or not is_float(value.dtype):
        fail(argument, f"an array of one of {FLOATS}", value, kind=TypeError)
    return value
