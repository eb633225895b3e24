"""Array annotations of jaxrnn: jaxtyping's where it is installed (the tests check them), inert stand-ins elsewhere.

One alphabet everywhere: T time, *B any number of batch axes, D inputs, G gates, H hidden units, P projected units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import jax
import numpy as np

ArrayLike: TypeAlias = jax.Array | np.ndarray  # what the public functions accept

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Inexact, Int, Integer, PRNGKeyArray, Shaped

    Array: TypeAlias = jax.Array
    Axis: TypeAlias = int
else:
    Axis = Any  # the size of an axis: a number, or a symbol where a program is exported for any
    Array = ArrayLike  # outside `jit` a NumPy array that came in goes on as one
    try:
        from jaxtyping import Bool, Float, Inexact, Int, Integer, PRNGKeyArray, Shaped
    except ImportError:  # importing jaxrnn needs jax, flax and optax only

        class _Inert:
            """`Float[Array, "T B"]` without jaxtyping: just the array type."""

            def __class_getitem__(cls, item):
                return item[0]

        Bool = Float = Inexact = Int = Integer = Shaped = _Inert
        PRNGKeyArray = jax.Array

Activation: TypeAlias = Callable[[Any], Any]
Initializer: TypeAlias = Callable[..., Any]  # (key, shape, dtype) -> array, as in jax.nn.initializers
Carry: TypeAlias = Any  # a NamedTuple of arrays [*B, H]; nested tuples of them for composed layers
Params: TypeAlias = Mapping[str, Any]  # name -> array, nested for composed layers

__all__ = [
    "Activation",
    "Array",
    "ArrayLike",
    "Axis",
    "Bool",
    "Carry",
    "Float",
    "Inexact",
    "Initializer",
    "Int",
    "Integer",
    "PRNGKeyArray",
    "Params",
    "Shaped",
]
