"""Activations by name and numbers, as ONNX has them: values, so that equal cells are equal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_choice, check_number
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Activation, Array
from jaxrnn.functions.activations import hard_sigmoid, keras2_hard_sigmoid

# ONNX's functions of (x, alpha, beta), with the defaults of alpha and beta; None where there is no such number.
FUNCTIONS: dict[str, tuple[Callable[[Any, Any, Any], Any], float | None, float | None]] = {
    "Relu": (lambda x, a, b: jnp.maximum(x, 0), None, None),
    "Tanh": (lambda x, a, b: jnp.tanh(x), None, None),
    "Sigmoid": (lambda x, a, b: jax.nn.sigmoid(x), None, None),
    "Affine": (lambda x, a, b: a * x + b, 1.0, 0.0),
    "LeakyRelu": (lambda x, a, b: jnp.where(x >= 0, x, a * x), 0.01, None),
    "ThresholdedRelu": (lambda x, a, b: jnp.where(x > a, x, jnp.zeros_like(x)), 1.0, None),
    "ScaledTanh": (lambda x, a, b: a * jnp.tanh(b * x), 1.0, 1.0),
    "HardSigmoid": (lambda x, a, b: jnp.clip(a * x + b, 0, 1), 0.2, 0.5),
    "Elu": (lambda x, a, b: jax.nn.elu(x, a), 1.0, None),
    "Softsign": (lambda x, a, b: jax.nn.soft_sign(x), None, None),
    "Softplus": (lambda x, a, b: jax.nn.softplus(x), None, None),
}


@dataclass(frozen=True)
class Named:
    """One of ONNX's activations with its numbers; `clip` bounds its input.

    >>> Named("HardSigmoid", alpha=0.2, beta=0.5) == Named("HardSigmoid", alpha=0.2, beta=0.5)
    True
    """

    name: str
    alpha: float | None = None
    beta: float | None = None
    clip: float | None = None

    def __call__(self, x: Array) -> Array:
        x = x if self.clip is None else jnp.clip(x, -self.clip, self.clip)
        return FUNCTIONS[self.name][0](x, self.alpha, self.beta)


# The same function by another name: what a cell has when nobody chose otherwise.
PLAIN: dict[Named, Activation] = {
    Named("Tanh"): jax.nn.tanh,
    Named("Sigmoid"): jax.nn.sigmoid,
    Named("Relu"): jax.nn.relu,
    Named("Affine", 1.0, 0.0): jax.nn.identity,
    Named("Softsign"): jax.nn.soft_sign,
    Named("Softplus"): jax.nn.softplus,
    Named("HardSigmoid", 1 / 6, 0.5): hard_sigmoid,
    Named("HardSigmoid", 0.2, 0.5): keras2_hard_sigmoid,
}
NAMES = {function: name for name, function in PLAIN.items()}


def named(name: str, alpha: float | None = None, beta: float | None = None, clip: float | None = None) -> Activation:
    """The function of this ONNX name: JAX's own where it is one of those.

    Args:
        name: one of ONNX's activations: "Relu", "Tanh", "HardSigmoid" ...
        alpha: the function's first number, where it has one; ONNX's default otherwise.
        beta: its second.
        clip: a bound of the function's input to [-clip, clip], a positive number; None for none.

    Returns:
        A function of one array, which is equal to another of the same name and numbers.

    Raises:
        ValueError: there is no such function, or it has no such number. TypeError: an argument is of the wrong type.

    >>> import jaxrnn
    >>> jaxrnn.interop.activation("Elu", alpha=0.5)
    Named(name='Elu', alpha=0.5, beta=None, clip=None)
    """
    if not isinstance(name, str):
        fail("name", f"a name out of {tuple(FUNCTIONS)}", name, kind=TypeError)
    check_choice(name, "name", tuple(FUNCTIONS))
    numbers: list[float | None] = []
    for argument, value, default in zip(("alpha", "beta"), (alpha, beta), FUNCTIONS[name][1:], strict=True):
        if value is not None:
            check_number(value, argument, "None or a number")
            if default is None:
                fail(argument, f"left out for {name}, which has no such number", value)
        numbers.append(default if value is None else float(value))
    if clip is not None:
        check_number(clip, "clip", "a positive number, or None")
        if not clip > 0:
            fail("clip", "a positive number, or None", clip)
        clip = float(clip)
    found = Named(name, numbers[0], numbers[1], clip)
    return PLAIN.get(found, found)


def name_of(function: Activation) -> Named | None:
    """The ONNX name of a cell's activation, or None."""
    return function if isinstance(function, Named) else NAMES.get(function)
