r"""Time-aware LSTM: the longer the step before is past, the less of the short-term memory is left.

    s = tanh(c @ decomposition_kernel + decomposition_bias)   the short-term part of the cell
    c^ = c - s + s / log(e + dt)                              discounted by the time since the step before
    c' = f * c^ + i * g                                       then an LSTM's step
    h' = o * tanh(c')

The authors' program for classification has a sigmoid for the tanh of s, and 2.7183 for e. With dt = 0 it is an LSTM.

Papers:
    Baytas et al., Patient subtyping via time-aware LSTM networks, KDD 2017.
"""

from __future__ import annotations

from typing import Any, Unpack

import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.lstm import LSTMCarry
from jaxrnn.cells.timed.times import by_unit
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Number
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import Constant, glorot_uniform, zeros


@factory()
def time_lstm(size: int, *, forget_bias: Number = 1.0, **common: Unpack[Common]) -> Cell:
    """Time-aware LSTM (T-LSTM), gates i, f, g, o.

    The equations are at the head of this file. Parameters: `kernel [D, 4, H]`, `recurrent_kernel [H, 4, H]`,
    `bias [4, H]`, `decomposition_kernel [H, H]` and `decomposition_bias [H]`. The per-step input is `dt [T, *B]`, the
    time since the step before, zero or more; or `[T, *B, H]`, for each unit its own.

    Args:
        size: H, the number of cells.
        forget_bias: initial bias of the forget gate.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LSTMCarry(c, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.time_lstm(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> days = jax.random.exponential(jax.random.key(1), (7, 2))
    >>> carry, ys = jaxrnn.scan(cell, params, jax.numpy.ones((7, 2, 3)), per_step={"dt": days})
    >>> ys.shape
    (7, 2, 4)
    """
    units = {"decomposition_kernel": Parameter(("H", "H"), glorot_uniform, "recurrent")}
    if common.get("use_bias", True):
        units["decomposition_bias"] = Parameter(("H",), zeros)
    return build(
        "time_lstm",
        size,
        ("i", "f", "g", "o"),
        LSTMCarry,
        Update(_time_lstm),
        units=units,
        special_bias={"f": Constant(forget_bias)},
        per_step=("dt",),
        paper="Baytas et al. 2017",
        common=common,
    )


def _time_lstm(carry: LSTMCarry, x: Any, recur: Any, theta: dict[str, Any], *, dt: Array) -> tuple[LSTMCarry, Array]:
    s = recur(carry.c, kernel="decomposition_kernel")
    s = tanh(s + theta["decomposition_bias"] if "decomposition_bias" in theta else s)
    c = carry.c - s + s / jnp.log(np.e + by_unit(dt, "dt", carry.c))
    h = recur(carry.h)
    i, f, o = (sigmoid(a + b) for a, b in ((x.i, h.i), (x.f, h.f), (x.o, h.o)))
    c = f * c + i * tanh(x.g + h.g)
    out = o * tanh(c)
    return LSTMCarry(c, out), out
