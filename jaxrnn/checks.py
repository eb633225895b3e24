"""Checks of single arguments: a size, a rate, a key. Each passes in silence or raises with the argument's name."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.errors import Said, fail, nearest

LARGEST = 2**31 - 1  # of a size or a count: XLA counts with int32 in many places, and no machine holds more


def check_size(value: Any, argument: str, most: int = LARGEST) -> None:
    """A positive integer that is not absurd, or an error."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        fail(argument, "a positive integer", value, kind=TypeError)
    if value < 1:
        fail(argument, "a positive integer", value)
    if value > most:
        fail(argument, f"a positive integer of at most {most:,}", value)


def check_number(value: Any, argument: str, expected: str) -> None:
    """A finite number, or an error."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        fail(argument, expected, value, kind=TypeError)
    if not math.isfinite(value):
        fail(argument, expected, value)


def check_function(value: Any, argument: str, expected: str = "a function of one array") -> None:
    """Something to call, or an error."""
    if not callable(value):
        fail(argument, expected, value, kind=TypeError)


def check_time(value: Any, argument: str) -> None:
    """The absolute time of a step, one integer from 0 on; traced ones are taken at their word."""
    integer = isinstance(value, (int, np.integer, jax.Array, np.ndarray)) and not isinstance(value, bool)
    if not integer or jnp.shape(value) != () or not jnp.issubdtype(jnp.result_type(value), jnp.integer):
        fail(argument, "one integer, an absolute time", value, kind=TypeError)
    if not isinstance(value, jax.core.Tracer) and not 0 <= value < 2**31:
        fail(argument, "an absolute time in [0, 2**31)", Said(str(value)))


def check_rate(value: Any, argument: str) -> None:
    """A probability below one, or an error."""
    check_number(value, argument, "a number in [0, 1)")
    if not 0 <= value < 1:
        fail(argument, "a number in [0, 1)", value)


def check_choice(value: Any, argument: str, choices: tuple[Any, ...]) -> None:
    """One of `choices`, or an error."""
    if not any(value is c or (isinstance(value, str) and value == c) for c in choices):
        fail(argument, f"one of {choices}", value, nearest(value, [c for c in choices if isinstance(c, str)]))


def check_flag(value: Any, argument: str) -> None:
    """A bool, or an error."""
    if not isinstance(value, (bool, np.bool_)):
        fail(argument, "a bool", value, kind=TypeError)


def check_batch(batch: Any, argument: str = "batch") -> None:
    """A tuple of axis sizes, or an error."""
    if not isinstance(batch, tuple) or not all(map(_is_axis, batch)):
        fail(argument, "a tuple of axis sizes such as (32,) or ()", batch, kind=TypeError)


def _is_axis(n: Any) -> bool:
    return isinstance(n, (int, np.integer)) and not isinstance(n, bool) and bool(n >= 0)


def check_key(key: Any, argument: str) -> None:
    """One PRNG key, typed or raw, or an error."""
    if isinstance(key, (jax.Array, np.ndarray)):
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ():
            return
        if key.dtype == jnp.uint32 and key.ndim == 1 and key.shape[0] in (2, 4):
            return
    fail(argument, "one PRNG key, such as jax.random.key(0)", key, kind=TypeError)
