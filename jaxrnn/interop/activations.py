"""Activations by name, as ONNX and Keras have them: values, so that equal cells are equal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.typing import Array

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
PLAIN = {"Tanh": jax.nn.tanh, "Sigmoid": jax.nn.sigmoid, "Relu": jax.nn.relu}


def named(name: str, alpha: float | None = None, beta: float | None = None, clip: float | None = None) -> Any:
    """The function of this ONNX name: JAX's own where it is one of those."""
    if clip is None and name in PLAIN:
        return PLAIN[name]
    _, default_alpha, default_beta = FUNCTIONS[name]
    alpha = default_alpha if alpha is None else alpha
    beta = default_beta if beta is None else beta
    return Named(name, None if default_alpha is None else alpha, None if default_beta is None else beta, clip)


def name_of(function: Any) -> Named | None:
    """The ONNX name of a cell's activation, or None."""
    if isinstance(function, Named):
        return function
    for name, plain in PLAIN.items():
        if function is plain:
            return Named(name)
    known = {jax.nn.soft_sign: "Softsign", jax.nn.softplus: "Softplus", jax.nn.identity: "Affine"}
    if function in known:
        return Named(known[function], *FUNCTIONS[known[function]][1:])
    return Named("HardSigmoid", 1 / 6, 0.5) if function is jax.nn.hard_sigmoid else None


# Keras 3's names; hard_sigmoid is relu6(x + 3) / 6 there, and clip(0.2 x + 0.5) in Keras 1 and 2.
KERAS: dict[str, Any] = {
    "tanh": jax.nn.tanh,
    "sigmoid": jax.nn.sigmoid,
    "relu": jax.nn.relu,
    "linear": jax.nn.identity,
    "hard_sigmoid": jax.nn.hard_sigmoid,
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "softplus": jax.nn.softplus,
    "softsign": jax.nn.soft_sign,
    "silu": jax.nn.silu,
    "swish": jax.nn.silu,
    "relu6": jax.nn.relu6,
    "exponential": jnp.exp,
}
KERAS_2_HARD_SIGMOID = Named("HardSigmoid", 0.2, 0.5)
