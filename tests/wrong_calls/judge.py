"""What becomes of a wrong call: our error in our form, or the result of the same call in canonical form.

What an argument may be is read off its annotation: `bool`, `int`, `float`, `str`, `None`, `function`, `array`, or `any`
for the rest. A call that succeeds with a value of another type has taken nonsense. Whether a value of the right type is
in range is for the function to say; if it takes it, the result is that of the value in canonical form.
"""

from __future__ import annotations

import re
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from typing import Any

import jax
import numpy as np
from flax import nnx

from jaxrnn.base.errors import describe

KEY = "a key of it"  # in `known_as`: errors call a part of a dict by its key alone
SECONDS = 60  # a wrong call is over in milliseconds; this is for one that never ends


@dataclass(frozen=True)
class Argument:
    """One argument of a call: its name, the types that it may have, and what else an error may call it."""

    name: str
    types: frozenset[str]
    known_as: tuple[str, ...] = ()


def judge(
    call: Callable[..., Any], right: Callable[[], Mapping[str, Any]], argument: Argument, value: Any
) -> str | None:
    """What is wrong with the outcome of `call(**right(), name=value)`, or None."""
    try:
        with _deadline():
            result = call(**{**right(), argument.name: value})
    except Exception as error:
        return _fault_of_error(error, argument, value)
    if not _has_type(value, argument.types):
        return f"taken, and gives {describe(result)}"
    canonical = _canonical(value, argument.types)
    if type(canonical) is type(value) and not isinstance(value, np.ndarray):
        return None
    expected = call(**{**right(), argument.name: canonical})
    return None if same(result, expected) else f"{describe(result)}, and {describe(expected)} of {canonical!r}"


def _fault_of_error(error: Exception, argument: Argument, value: Any) -> str | None:
    came = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if not isinstance(error, TypeError | ValueError | FileNotFoundError):
        return came
    if callable(value) and "function" in argument.types and re.match(r"\w+\(\) takes ", str(error)):
        return None  # its own error, which names it
    frame = traceback.extract_tb(error.__traceback__)[-1]
    if not frame.filename.endswith("jaxrnn/base/errors.py") or frame.name != "fail":
        return f"{came} (from {frame.filename}, line {frame.lineno})"
    named = re.match(r"`([^`]*)` must be ", str(error))
    assert named is not None, came
    names = [argument.name, *argument.known_as]
    if KEY in names and isinstance(value, dict):
        names += value
    blamed = named[1].split(" and ")
    if not any(re.match(rf"{re.escape(name)}($|[.\[])", word) for name in names for word in blamed):
        return f"names another argument. {came}"
    if argument.name in blamed and not _shown(value, str(error)):
        return f"does not show what came. {came}"
    return None


def _shown(value: Any, message: str) -> bool:
    """The value itself, or, for a container, the part of it that is wrong."""
    if isinstance(value, np.ndarray | jax.Array):
        return True  # by its dtype and shape, or what is wrong about the entries
    parts = [value]
    if isinstance(value, dict):
        parts += [*value, *value.values()]
    elif isinstance(value, str):
        parts += [str(value)]  # without NumPy's name around it
    elif isinstance(value, list | tuple | range):
        parts += [*value, tuple(value)]
    got = message.partition(", got ")[2]
    return any(describe(part) in got for part in parts)


TYPES: dict[str, Callable[[Any], bool]] = {
    "any": lambda v: True,
    "None": lambda v: v is None,
    "bool": lambda v: isinstance(v, bool | np.bool_),
    "int": lambda v: isinstance(v, int | np.integer) and not isinstance(v, bool),
    "float": lambda v: isinstance(v, int | float | np.integer | np.floating) and not isinstance(v, bool) and v - v == 0,
    "inf": lambda v: isinstance(v, float) and v == float("inf"),
    "str": lambda v: isinstance(v, str),
    "texts": lambda v: isinstance(v, np.ndarray) and v.dtype.kind == "U",
    "array": lambda v: (
        (type(v) is np.ndarray and v.dtype.kind in "fiub")
        or (isinstance(v, np.number | np.bool_) and v.dtype.kind in "fiub")  # NumPy's arrays without axes
        or (isinstance(v, jax.Array) and not _is_key(v))
    ),
    "key": lambda v: isinstance(v, jax.Array) and _is_key(v) and v.shape == (),
    "dtype": lambda v: isinstance(v, np.dtype) and v.kind == "f",
    "function": callable,
    "type": lambda v: isinstance(v, type),
}


def _is_key(value: jax.Array) -> bool:
    return bool(jax.numpy.issubdtype(value.dtype, jax.dtypes.prng_key))


def _has_type(value: Any, types: frozenset[str]) -> bool:
    return any(TYPES[name](value) if name in TYPES else type(value).__name__ == name for name in types)


def _canonical(value: Any, types: frozenset[str]) -> Any:
    """The same value as Python or JAX has it."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return np.array(value, value.dtype.newbyteorder("="))
    if isinstance(value, np.generic):
        value = np.asarray(value) if "array" in types and not types & {"bool", "int", "float"} else value.item()
    if isinstance(value, int) and not isinstance(value, bool) and "float" in types and "int" not in types:
        return float(value)
    return value


def same(a: Any, b: Any) -> bool:
    """Equal in type and value, as far as values can be compared."""
    if isinstance(a, nnx.Module):
        return type(a) is type(b) and same(nnx.to_pure_dict(nnx.state(a)), nnx.to_pure_dict(nnx.state(b)))
    if is_dataclass(a) and not isinstance(a, type):
        return a == b and repr(a) == repr(b) and (a.__hash__ is None or hash(a) == hash(b))
    leaves, form = jax.tree.flatten(a)
    others, other = jax.tree.flatten(b)
    return form == other and all(map(_same_leaf, leaves, others))


def _same_leaf(a: Any, b: Any) -> bool:
    if isinstance(a, jax.Array | np.ndarray):
        if jax.numpy.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    return type(a) is type(b) and (type(a).__eq__ is object.__eq__ or a == b)


@contextmanager
def _deadline() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TimeoutError(f"nothing after {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
