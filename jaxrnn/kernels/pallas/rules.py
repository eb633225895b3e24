"""Equations inside a kernel's body: run one by one, functions opened, what the target lacks put in other words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Jaxpr, JaxprEqn

from jaxrnn.base.typing import Array
from jaxrnn.programs import jaxprs

Rules = Mapping[str, Callable[..., Any]]  # by a primitive's name: its results from what it reads and its parameters

OPENED = {  # what is called stands in this parameter; a kernel is not differentiated, so rules of its own are of no use
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "checkpoint": "jaxpr",
    "remat2": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "ruled": "call_jaxpr",
}


def run(jaxpr: Jaxpr, constants: Sequence[Any], arguments: Sequence[Any], rules: Rules) -> list[Any]:
    """The results of a jaxpr, by the rules of a target."""
    return jaxprs.run(jaxpr, constants, arguments, partial(_bind, rules))


def _bind(rules: Rules, eqn: JaxprEqn, inputs: list[Any]) -> Sequence[Any]:
    name = eqn.primitive.name
    if name in OPENED:
        called = eqn.params[OPENED[name]]
        return run(getattr(called, "jaxpr", called), getattr(called, "consts", ()), inputs, rules)
    if name in rules:
        return rules[name](*inputs, **eqn.params)
    return jaxprs.bind(eqn, inputs)


def _expm1(x: Array, **_: Any) -> list[Array]:
    """exp(x) - 1 to rounding: near zero by its series, in Horner's form."""
    one = jnp.ones_like(x)
    series = one
    for n in range(10, 1, -1):
        series = one + x * series * np.float32(1 / n)
    return [jnp.where(jnp.abs(x) < 0.5, x * series, jnp.exp(x) - one)]


def _sign(x: Array) -> list[Array]:
    """Of zeros and NaN themselves. The lowering of JAX's own asks which chip it is for, and no chip need be there."""
    one = jnp.ones_like(x)
    return [jnp.where(x > 0, one, jnp.where(x < 0, -one, x))]


# What Mosaic has no lowering for on TPUs, in terms of what it has.
MOSAIC_TPU: Rules = {"expm1": _expm1, "sign": _sign, "optimization_barrier": lambda *given: given}


def _log1p(x: Array, **_: Any) -> list[Array]:
    """Kahan's: x log(u) / (u - 1) with u = 1 + x, whose roundings cancel."""
    one = jnp.ones_like(x)
    u = one + x
    near = u == one
    return [jnp.where(near, x, x * jnp.log(u) / jnp.where(near, one, u - one))]


def _integer_pow(x: Array, *, y: int) -> list[Array]:
    return [lax.integer_pow(x, y) if y >= 0 else jnp.ones_like(x) / lax.integer_pow(x, -y)]


def _pow(x: Array, y: Array, **_: Any) -> list[Array]:
    """By logarithms; numbers below zero have powers that are whole, and these a sign."""
    y = y.astype(x.dtype) if jnp.ndim(y) else jnp.full_like(x, y)
    zero, one = jnp.zeros_like(x), jnp.ones_like(x)
    nearest = y.astype(jnp.int32)
    size = jnp.where(y == zero, one, jnp.exp(y * jnp.log(jnp.where(y == zero, one, jnp.abs(x)))))
    even, whole = (nearest & 1) == 0, nearest.astype(x.dtype) == y
    signed = jnp.where(whole, jnp.where(even, size, -size), jnp.full_like(x, np.nan))
    return [jnp.where(x < zero, signed, size)]


def _itself(x: Any, **_: Any) -> list[Any]:
    return [x]


# What Mosaic has no lowering for on GPUs.
MOSAIC_GPU: Rules = {
    "expm1": _expm1,
    "log1p": _log1p,
    "integer_pow": _integer_pow,
    "pow": _pow,
    "add_any": lambda a, b: [a + b],
    "optimization_barrier": lambda *given: given,
    "stop_gradient": _itself,
    "copy": _itself,
    "copy_p": _itself,
}
