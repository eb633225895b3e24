"""Activations by the names that Keras has for them, as functions of one array for any cell.

Keras has had two functions under one name: `hard_sigmoid` is that of Keras 3, `keras2_hard_sigmoid` that of Keras 1
and 2, which was their default recurrent activation for years.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_floats
from jaxrnn.base.errors import fail, nearest
from jaxrnn.base.typing import Activation, Array

hard_sigmoid = jax.nn.hard_sigmoid  # relu6(x + 3) / 6


def keras2_hard_sigmoid(x: Array) -> Array:
    """clip(0.2 x + 0.5, 0, 1), the hard sigmoid of Keras 1 and 2.

    Args:
        x: floats of any shape.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        TypeError: `x` is no array of floats.

    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.activations import keras2_hard_sigmoid
    >>> round(float(keras2_hard_sigmoid(jnp.array(1.0))), 4)
    0.7
    """
    return jnp.clip(0.2 * check_floats(x, "x") + 0.5, 0, 1)


def gelu(x: Array) -> Array:
    """x Phi(x), exact. (`jax.nn.gelu` approximates by default.)

    Args:
        x: floats of any shape.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        TypeError: `x` is no array of floats.

    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.activations import gelu
    >>> round(float(gelu(jnp.array(1.0))), 4)
    0.8413
    """
    return jax.nn.gelu(check_floats(x, "x"), approximate=False)


def leaky_relu(x: Array) -> Array:
    """x where it is positive, 0.2 x elsewhere. (`jax.nn.leaky_relu` has a slope of 0.01.)

    Args:
        x: floats of any shape.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        TypeError: `x` is no array of floats.

    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.activations import leaky_relu
    >>> leaky_relu(jnp.array([-10.0, 3.0])).tolist()
    [-2.0, 3.0]
    """
    return jax.nn.leaky_relu(check_floats(x, "x"), 0.2)


def tanh_shrink(x: Array) -> Array:
    """x - tanh(x).

    Args:
        x: floats of any shape.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        TypeError: `x` is no array of floats.

    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.activations import tanh_shrink
    >>> round(float(tanh_shrink(jnp.array(1.0))), 4)
    0.2384
    """
    return check_floats(x, "x") - jnp.tanh(x)


def soft_shrink(x: Array) -> Array:
    """x moved by 0.5 towards zero, and not beyond it.

    Args:
        x: floats of any shape.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        TypeError: `x` is no array of floats.

    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.activations import soft_shrink
    >>> soft_shrink(jnp.array([-2.0, 0.2, 1.0])).tolist()
    [-1.5, 0.0, 0.5]
    """
    return check_floats(x, "x") - jnp.clip(x, -0.5, 0.5)


def hard_shrink(x: Array) -> Array:
    """x where |x| > 0.5, zero elsewhere.

    Args:
        x: floats of any shape.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        TypeError: `x` is no array of floats.

    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.activations import hard_shrink
    >>> hard_shrink(jnp.array([-1.0, 0.25, 0.75])).tolist()
    [-1.0, 0.0, 0.75]
    """
    return jnp.where(jnp.abs(check_floats(x, "x")) > 0.5, x, jnp.zeros_like(x))


def sparsemax(x: Array) -> Array:
    """The point of the probability simplex that is nearest to x, over the last axis. (Keras 3.15's leaves the simplex.)

    Args:
        x: floats `[..., n]`, n of one at least.

    Returns:
        An array of that shape and dtype: none is negative, and each `[n]` adds up to one.

    Raises:
        TypeError, ValueError: `x` is no array of floats with such an axis.

    Paper: Martins & Astudillo, From softmax to sparsemax, ICML 2016, algorithm 1.

    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.activations import sparsemax
    >>> sparsemax(jnp.array([1.0, 0.5, -1.0])).tolist()
    [0.75, 0.25, 0.0]
    """
    if check_floats(x, "x").ndim == 0 or x.shape[-1] == 0:
        fail("x", "an array [..., n]", x)
    z = -jnp.sort(-x, axis=-1)
    k = jnp.broadcast_to(jnp.arange(1, x.shape[-1] + 1, dtype=x.dtype), x.shape)
    excess = jnp.cumsum(z, axis=-1) - 1
    support = jnp.sum(k * z > excess, axis=-1, keepdims=True)
    threshold = jnp.take_along_axis(excess, support - 1, axis=-1) / support.astype(x.dtype)
    return jnp.maximum(x - threshold, 0)


ACTIVATIONS: dict[str, Activation] = {
    "celu": jax.nn.celu,
    "elu": jax.nn.elu,
    "exponential": jnp.exp,
    "gelu": gelu,
    "hard_shrink": hard_shrink,
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": jax.nn.hard_silu,
    "hard_swish": jax.nn.hard_silu,
    "hard_tanh": jax.nn.hard_tanh,
    "keras2_hard_sigmoid": keras2_hard_sigmoid,
    "leaky_relu": leaky_relu,
    "linear": jax.nn.identity,
    "log_sigmoid": jax.nn.log_sigmoid,
    "log_softmax": jax.nn.log_softmax,
    "mish": jax.nn.mish,
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "selu": jax.nn.selu,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "soft_shrink": soft_shrink,
    "softmax": jax.nn.softmax,
    "softplus": jax.nn.softplus,
    "softsign": jax.nn.soft_sign,
    "sparse_plus": jax.nn.sparse_plus,
    "sparse_sigmoid": jax.nn.sparse_sigmoid,
    "sparsemax": sparsemax,
    "squareplus": jax.nn.squareplus,
    "swish": jax.nn.silu,
    "tanh": jax.nn.tanh,
    "tanh_shrink": tanh_shrink,
}


def get_activation(identifier: Any, argument: str) -> Activation:
    """A function of one array from Keras's name for it, or from the function itself; None is "linear".

    Args:
        identifier: None, a name out of `ACTIVATIONS`, or a function.
        argument: for the message.

    Returns:
        The function, of one array.

    Raises:
        TypeError, ValueError: it is none of these.

    >>> from jaxrnn.functions.activations import get_activation, hard_sigmoid
    >>> get_activation("hard_sigmoid", "activation") is hard_sigmoid
    True
    """
    if identifier is None:
        return ACTIVATIONS["linear"]
    if isinstance(identifier, str) and identifier not in ACTIVATIONS:
        expected = f"None, a function of one array, or a name out of {sorted(ACTIVATIONS)}"
        fail(argument, expected, identifier, nearest(identifier, ACTIVATIONS))
    made = ACTIVATIONS[identifier] if isinstance(identifier, str) else identifier
    if not callable(made):
        fail(argument, "None, a function of one array, or its name", made, kind=TypeError)
    return made


__all__ = [
    "ACTIVATIONS",
    "gelu",
    "get_activation",
    "hard_shrink",
    "hard_sigmoid",
    "keras2_hard_sigmoid",
    "leaky_relu",
    "soft_shrink",
    "sparsemax",
    "tanh_shrink",
]


def __dir__() -> list[str]:
    return __all__
