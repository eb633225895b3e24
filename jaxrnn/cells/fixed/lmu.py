r"""Legendre memory unit: a linear memory that holds a window of the past, coupled to a nonlinear state.

    u = x @ input_encoder + h @ state_encoder + m @ memory_encoder    one number, written into the memory
    m' = A m + B u                                                    the window's Legendre coefficients
    h' = tanh(x @ kernel + h @ recurrent_kernel + m' @ memory_kernel)

A and B are constants of the order d and the length theta of the window, in steps: the delay system

    a_ij = (2i + 1) / theta * (-1 if i < j else (-1)^(i - j + 1)),    b_i = (2i + 1) (-1)^i / theta

held for a step at a time (zero-order hold). u sees the old memory, h' the new one. keras-lmu has `state_encoder` and
`memory_encoder` off by default.

Papers:
    Voelker, Kajic & Eliasmith, Legendre memory units: continuous-time representation in recurrent neural networks,
    NeurIPS 2019.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg  # which JAX stands on
from jax import lax
from jax.nn import tanh

from jaxrnn.base.typing import Activation, Array
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Function, Positive, Size
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import zeros
from jaxrnn.programs.serialized import serialized

lecun_uniform = jax.nn.initializers.lecun_uniform()
glorot_normal = jax.nn.initializers.glorot_normal()


@serialized
class LMUCarry(NamedTuple):
    """Memory and state."""

    m: Array  # [*B, d]
    h: Array  # [*B, H]


@factory(use_bias=False, kernel_init=glorot_normal, recurrent_kernel_init=glorot_normal)
def lmu(
    size: int,
    *,
    order: Size = 16,
    theta: Positive = 100.0,
    activation: Function = tanh,
    **common: Unpack[Common],
) -> Cell:
    """Legendre memory unit, one gate h.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]`, `recurrent_kernel [H, 1, H]`,
    `memory_kernel [d, H]`; `input_encoder [D, 1]`, `state_encoder [H, 1]` and `memory_encoder [d, 1]`, the last zero at
    first. There is no bias by default, as in the paper. Inputs are written into the memory as they come, so that they
    are not projected before the loop.

    Args:
        size: H, the number of units.
        order: d, the numbers that the memory holds.
        theta: the length of the window, in steps.
        activation: of the state.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LMUCarry(m, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.lmu(4, order=8, theta=50)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> carry, ys = jaxrnn.scan(cell, params, jax.numpy.ones((7, 2, 3)))
    >>> carry.m.shape, ys.shape
    ((2, 8), (7, 2, 4))
    """
    return build(
        "lmu",
        size,
        ("h",),
        LMUCarry,
        Update(_lmu, (("order", order), ("window", theta), ("activation", activation))),
        carry_sizes=(order, "H"),
        units={
            "input_encoder": Parameter(("D", 1), lecun_uniform, "recurrent"),
            "state_encoder": Parameter(("H", 1), lecun_uniform, "recurrent"),
            "memory_encoder": Parameter((order, 1), zeros, "recurrent"),
            "memory_kernel": Parameter((order, "H"), glorot_normal, "recurrent"),
        },
        reads="D",
        paper="Voelker et al. 2019",
        common=common,
    )


@lru_cache
def legendre(order: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """`A [d, d]`, for a column m, and `B [d]`, of a window of `theta` steps."""
    row, column = np.ogrid[:order, :order]
    a = (2.0 * row + 1) * np.where(row < column, -1.0, (-1.0) ** (row - column + 1)) / theta
    b = (2.0 * np.arange(order) + 1) * (-1.0) ** np.arange(order) / theta
    held = scipy.linalg.expm(np.block([[a, b[:, None]], [np.zeros((1, order + 1))]]))
    return held[:order, :order], held[:order, order]


def _lmu(
    carry: LMUCarry, x: Any, recur: Any, theta: dict[str, Any], *, order: int, window: float, activation: Activation
) -> tuple[LMUCarry, Array]:
    dtype = carry.m.dtype
    a, b = (jnp.asarray(constant, dtype) for constant in legendre(order, window))
    u = recur(x.h, kernel="input_encoder") + recur(carry.h, kernel="state_encoder")
    u = u + recur(carry.m, kernel="memory_encoder")
    m = jnp.matmul(carry.m, a.T, precision=lax.Precision.HIGHEST) + u * b.reshape((1,) * (u.ndim - 1) + b.shape)
    net = recur(x.h, kernel="kernel").h + recur(carry.h).h + recur(m, kernel="memory_kernel")
    if "bias" in theta:
        net = net + theta["bias"][0]
    h = activation(net)
    return LMUCarry(m, h), h
