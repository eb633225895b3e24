"""Checks of single arguments: a size, a rate, an array. Each raises with the argument's name, or returns the value as
Python has it, so that `np.int64(4)` and `4` make equal cells.

What is static is asked of NumPy and `jax.dtypes`, never of `jax.numpy`: exporters put functions of theirs in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.export import is_symbolic_dim

from jaxrnn.base.dtypes import FLOATS, is_float, is_integer, is_numeric
from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.base.reports import report
from jaxrnn.base.typing import ArrayLike, Axis

MOST = 2**31 - 1  # of a size or a count: XLA counts with int32 in many places, and no machine holds more
LARGEST = float(np.finfo(np.float32).max)  # numbers meet arrays of float32


def check_size(value: Any, argument: str, most: int = MOST) -> int:
    """A positive integer that is not absurd, or an error."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        fail(argument, "a positive integer", value, kind=TypeError)
    if value < 1:
        fail(argument, "a positive integer", value)
    if value > most:
        fail(argument, f"a positive integer of at most {most:,}", value)
    return int(value)


def check_least(value: Any, argument: str) -> int:
    """An integer, zero or more, that is not absurd, or an error."""
    expected = "an integer, zero or more"
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        fail(argument, expected, value, kind=TypeError)
    if not 0 <= value <= MOST:
        fail(argument, expected, value)
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


def check_marks(value: Any, argument: str) -> Any:
    """Bools, one or an array, or the zeros and ones that stand for them, as bools; traced numbers are not looked at."""
    array: Any = check_real(np.asarray(value) if isinstance(value, bool | np.bool_) else value, argument)
    if array.dtype == np.bool_:
        return array
    if not is_traced(array) and not np.isin(np.asarray(array), (0, 1)).all():
        fail(argument, "bools, or zeros and ones", Said("other numbers") if np.ndim(value) else value)
    return array != 0


def check_time(value: Any, argument: str) -> None:
    """The absolute time of a step, one integer from 0 on; traced ones are taken at their word."""
    plain = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not plain and not (is_array(value) and value.shape == () and is_integer(value.dtype)):
        fail(argument, "one integer, an absolute time", value, kind=TypeError)
    if not is_traced(value) and not 0 <= int(value) <= MOST:  # an int32 array does not hold the bound
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


def check_batch(batch: Any, argument: str = "batch") -> tuple[Axis, ...]:
    """A tuple of axis sizes, or an error."""
    if not isinstance(batch, tuple) or not all(map(is_axis, batch)):
        fail(argument, "a tuple of axis sizes such as (32,) or ()", batch, kind=TypeError)
    return tuple(int(n) if isinstance(n, np.integer) else n for n in batch)


def is_axis(n: Any) -> bool:
    """The size of an axis: a number, or a symbol of a program that is exported for any number."""
    if is_symbolic_dim(n):
        return True
    return isinstance(n, (int, np.integer)) and not isinstance(n, bool) and bool(0 <= n <= MOST)


def check_key(key: Any, argument: str) -> None:
    """One PRNG key, typed or raw, or an error."""
    if is_array(key):
        if jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ():
            return
        if key.dtype == np.uint32 and key.ndim == 1 and key.shape[0] in (2, 4):
            check_array(key, argument)
            return
    fail(argument, "one PRNG key, such as jax.random.key(0)", key, kind=TypeError)


# ---------------------------------------------------------------- arrays


def check_array(value: Any, argument: str, expected: str = "an array") -> Any:
    """An array of JAX, or one of NumPy that JAX takes as it is."""
    if not isinstance(value, (jax.Array, np.ndarray, np.generic)):
        fail(argument, expected, value, kind=TypeError)
    if isinstance(value, np.ma.MaskedArray):
        hint = "Its mask would be lost: pass `value.filled(...)`, and the mask where there is an argument for it."
        fail(argument, expected, Said("a masked array of NumPy"), hint, kind=TypeError)
    if isinstance(value.dtype, np.dtype) and not value.dtype.isnative:
        hint = "Convert it: `value.astype(value.dtype.newbyteorder('='))`."
        fail(argument, f"{expected} in this machine's order of bytes", value, hint, kind=TypeError)
    return value


def check_numbers(value: Any, argument: str) -> Any:
    """An array of floats, integers or bools, of JAX or NumPy."""
    check_array(value, argument)
    if not is_numeric(value.dtype):
        fail(argument, "an array of numbers", value, kind=TypeError)
    return value


def check_real(value: Any, argument: str) -> ArrayLike:
    """An array that a cast to floats leaves as it is: of floats, integers or bools."""
    if jax.dtypes.issubdtype(check_numbers(value, argument).dtype, np.complexfloating):
        fail(argument, "an array of real numbers", value, kind=TypeError)
    return value


def is_array(value: Any) -> bool:
    """An array of JAX or NumPy. Masked ones are none: what they mask would be read."""
    return isinstance(value, (jax.Array, np.ndarray)) and not isinstance(value, np.ma.MaskedArray)


def check_floats(value: Any, argument: str, expected: str = f"an array of one of {FLOATS}") -> Any:
    """An array of floats, of JAX or NumPy."""
    if not is_float(check_array(value, argument, expected).dtype):
        fail(argument, expected, value, kind=TypeError)
    return value


def is_traced(*values: Any) -> bool:
    """Whether a value is not to be read here: traced, or partly on machines that this process doesn't see."""
    return any(
        isinstance(v, jax.core.Tracer) or (isinstance(v, jax.Array) and not v.is_fully_addressable) for v in values
    )


def check_features(xs: Any, inputs: int, argument: str) -> None:
    """Floats with D features in the last axis, or integers below D."""
    check_array(xs, argument)
    if is_integer(xs.dtype):
        return
    if not is_float(xs.dtype):
        fail(argument, f"an array [..., D] of one of {FLOATS}, or integers", xs, kind=TypeError)
    if xs.ndim < 1 or xs.shape[-1] != inputs:
        fail(argument, f"of shape [..., D] with D = {inputs}, as the kernel in params has it", xs)


def check_symbols(xs: Any, symbols: int, argument: str, valid: Callable[..., Any] | None = None, *marks: Any) -> None:
    """Integer inputs pick a row of the kernel that exists, where `valid(*marks)`. Traced ones are clipped, and reported
    under `checkify`."""
    if not is_integer(xs.dtype):
        return
    expected = f"integers in [0, {symbols}), the rows of the kernel"

    def inside(xs: Any, *marks: Any) -> Any:
        there = (xs >= 0) & (xs < symbols)
        counts = None if valid is None else valid(*marks)
        return (there if counts is None else there | ~counts).all()

    if is_traced(xs, *marks):
        report(inside, (xs, *marks), f"`{argument}` must be {expected}")
        return
    read: list[Any] = [None if a is None else np.asarray(a) for a in (xs, *marks)]
    if not inside(*read):
        counts = None if valid is None else valid(*read[1:])
        picked = read[0] if counts is None else read[0][counts]
        span = Said(f"values from {picked.min()} to {picked.max()}")
        fail(argument, expected, xs if isinstance(xs, np.generic) else span)
