r"""Gated recurrent unit with decay, for series in which values are missing.

    fade = exp(-relu(w_x * elapsed + b_x))                    how much of the value last seen is kept
    x^ = x where it is observed, else fade * x_last + (1 - fade) * mean
    h^ = exp(-relu(elapsed @ W_h + b_h)) * h                  the state decays too
    r = sigmoid(x^ @ W_r + h^ @ U_r + observed @ V_r + b_r)
    z = sigmoid(x^ @ W_z + h^ @ U_z + observed @ V_z + b_z)   update gate: how much of the new state is taken
    n = tanh(x^ @ W_n + (r * h^) @ U_n + observed @ V_n + b_n)
    h' = (1 - z) * h^ + z * n

Papers:
    Che et al., Recurrent neural networks for multivariate time series with missing values, Scientific Reports 8, 2018
    (arXiv:1606.01865).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

import jax.numpy as jnp
from jax import lax
from jax.nn import relu, sigmoid, tanh

from jaxrnn.base.checks import check_size
from jaxrnn.base.typing import Array
from jaxrnn.cells.given import of_shape
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Size
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import glorot_uniform, zeros
from jaxrnn.programs.serialized import serialized


@serialized
class GRUDCarry(NamedTuple):
    """The values last seen, and the state."""

    x: Array  # [*B, D]
    h: Array  # [*B, H]


@factory()
def gru_d(size: int, *, inputs: Size | None = None, **common: Unpack[Common]) -> Cell:
    """Gated recurrent unit with decay, for missing values; gates r, z, n.

    The equations are at the head of this file. Parameters: `kernel [D, 3, H]`, `observed_kernel [D, 3, H]`,
    `recurrent_kernel [H, 3, H]`, `bias [3, H]`; `input_decay`, `input_decay_bias` `[D]`, `state_decay_kernel [D, H]`,
    `state_decay_bias [H]`, and `mean [D]`, the mean of the data, which has no gradient. Two per-step inputs say what is
    there: `observed [T, *B, D]`, 1 or true where a value is, and `elapsed [T, *B, D]`, the time since it was last seen.
    What x holds where nothing is observed, NaN included, reaches nothing.

    Args:
        size: H, the number of units.
        inputs: D, the number of series, which the carry remembers; None for H.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUDCarry(x, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.gru_d(4, inputs=3)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> xs = jax.numpy.ones((7, 2, 3)).at[2:5].set(jax.numpy.nan)
    >>> given = {"observed": ~jax.numpy.isnan(xs), "elapsed": jax.numpy.ones(xs.shape)}
    >>> carry, ys = jaxrnn.scan(cell, params, xs, per_step=given)
    >>> bool(jax.numpy.isfinite(ys).all())
    True
    """
    D = inputs if inputs is not None else check_size(size, "size")
    return build(
        "gru_d",
        size,
        ("r", "z", "n"),
        GRUDCarry,
        Update(_gru_d),
        carry_sizes=(D, "H"),
        units={
            "observed_kernel": Parameter((D, "G", "H"), glorot_uniform, "recurrent"),
            "input_decay": Parameter((D,), zeros),
            "input_decay_bias": Parameter((D,), zeros),
            "state_decay_kernel": Parameter((D, "H"), glorot_uniform, "recurrent"),
            "state_decay_bias": Parameter(("H",), zeros),
            "mean": Parameter((D,), zeros),
        },
        per_step=("observed", "elapsed"),
        reads=D,
        paper="Che et al. 2018",
        common=common,
    )


def _gru_d(
    carry: GRUDCarry, x: Any, recur: Any, theta: dict[str, Any], *, observed: Array, elapsed: Array
) -> tuple[GRUDCarry, Array]:
    observed, elapsed = (of_shape(a, n, carry.x.shape) for a, n in ((observed, "observed"), (elapsed, "elapsed")))
    there = observed.astype(bool)
    known, elapsed = there.astype(carry.h.dtype), elapsed.astype(carry.h.dtype)
    x = jnp.where(there, x.r, jnp.zeros_like(x.r))  # before anything is made of it: it may be NaN
    fade = jnp.exp(-relu(theta["input_decay"] * elapsed + theta["input_decay_bias"]))
    filled = jnp.where(there, x, fade * carry.x + (1 - fade) * lax.stop_gradient(theta["mean"]))
    decay = recur(elapsed, kernel="state_decay_kernel") + theta["state_decay_bias"]
    h = jnp.exp(-relu(decay)) * carry.h
    seen, mask = recur(filled, kernel="kernel"), recur(known, kernel="observed_kernel")
    bias = theta.get("bias", (0.0, 0.0, 0.0))
    a = {gate: s + m + b for gate, s, m, b in zip("rzn", seen, mask, bias, strict=True)}
    u = recur(h, gates=("r", "z"))
    r, z = sigmoid(a["r"] + u.r), sigmoid(a["z"] + u.z)
    n = tanh(a["n"] + recur(r * h, gates=("n",)).n)
    h = (1 - z) * h + z * n
    return GRUDCarry(jnp.where(there, x, carry.x), h), h
