r"""Phased LSTM: an LSTM behind a gate that opens and closes with time.

    phase = ((t - shift) / period) mod 1                      where each unit is in its cycle
    k = 2 phase / ratio                  while phase < ratio / 2, the gate opens
        2 - 2 phase / ratio              while phase < ratio, it closes
        leak * phase                     it is closed, but for a leak
    c~ = f * c + i * tanh(x_g + h_g)                          cell and output of an LSTM with peepholes
    h~ = o * tanh(c~)
    c' = k * c~ + (1 - k) * c
    h' = k * h~ + (1 - k) * h

o sees c~, the cell before it is mixed, and so does h~. t is the time of the step, the same for all units or for each
its own.

The authors' program has t + shift. They set the leak to zero in evaluation: a cell of the same size with `leak=0.0`
takes the same parameters.

Papers:
    Neil, Pfeiffer & Liu, Phased LSTM: accelerating recurrent network training for long or event-based sequences,
    NIPS 2016 (arXiv:1610.09513), equations 2 to 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid, tanh

from jaxrnn.base.dtypes import promote
from jaxrnn.base.typing import Array
from jaxrnn.cells.lstm import LSTMCarry
from jaxrnn.cells.timed.times import by_unit
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Conflict, Number, Positive, Share, numbers
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import Constant, zeros


@dataclass(frozen=True)
class Clock:
    """Periods, drawn uniformly in their logarithm, and shifts within them: `[2, H]`."""

    shortest: float
    longest: float

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = float) -> Array:
        period, shift = jax.random.uniform(key, shape, promote(dtype, jnp.float32))
        period = self.shortest * jnp.exp(period * float(np.log(self.longest / self.shortest)))
        return jnp.stack([period, shift * period]).astype(dtype)


@factory(Conflict("period_min", "at most period_max", lambda o: o.period_min > o.period_max))
def phased_lstm(
    size: int,
    *,
    period_min: Positive = 1.0,
    period_max: Positive = 1000.0,
    ratio: Share = 0.05,
    leak: Annotated[float, numbers("a number in [0, 1]", lambda value: 0 <= value <= 1)] = 0.001,
    forget_bias: Number = 1.0,
    **common: Unpack[Common],
) -> Cell:
    """Phased LSTM, gates i, f, g, o.

    The equations are at the head of this file. Parameters: `kernel [D, 4, H]`, `recurrent_kernel [H, 4, H]`,
    `bias [4, H]`, `peepholes [3, H]` of i, f and o, `clock [2, H]`: period and shift, `ratio [H]`. The per-step input
    is `t [T, *B]`, the time of each step, in the unit of the periods; or `[T, *B, H]`, for each unit its own. It counts
    in the carry's dtype: float32 tells 16 million steps apart.

    Args:
        size: H, the number of cells.
        period_min, period_max: periods are drawn between these, uniformly in their logarithm, and shifts within
            periods. The paper's first task has 1 and e^3.
        ratio: initially, of the time that the gate is open to the period.
        leak: how far the closed gate lets through, times the phase.
        forget_bias: initial bias of the forget gate.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LSTMCarry(c, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.phased_lstm(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> times = jax.numpy.cumsum(jax.random.exponential(jax.random.key(1), (7, 2)), axis=0)
    >>> carry, ys = jaxrnn.scan(cell, params, jax.numpy.ones((7, 2, 3)), per_step={"t": times})
    >>> ys.shape
    (7, 2, 4)
    """
    return build(
        "phased_lstm",
        size,
        ("i", "f", "g", "o"),
        LSTMCarry,
        Update(_phased_lstm, (("leak", leak),)),
        units={
            "peepholes": Parameter((3, "H"), zeros),
            "clock": Parameter((2, "H"), Clock(period_min, period_max)),
            "ratio": Parameter(("H",), Constant(ratio)),
        },
        special_bias={"f": Constant(forget_bias)},
        per_step=("t",),
        paper="Neil et al. 2016",
        common=common,
    )


def _phased_lstm(
    carry: LSTMCarry, x: Any, recur: Any, theta: dict[str, Any], *, t: Array, leak: float
) -> tuple[LSTMCarry, Array]:
    (period, shift), ratio = theta["clock"], theta["ratio"]
    turns = (by_unit(t, "t", carry.c) - shift) / period
    phase = turns - jnp.floor(turns)
    opening = 2 * phase / ratio
    closed = jnp.where(phase < ratio, 2 - opening, leak * phase)
    k = jnp.where(phase < ratio / 2, opening, closed)

    h = recur(carry.h)
    peep_i, peep_f, peep_o = theta["peepholes"]
    i, f = sigmoid(x.i + h.i + peep_i * carry.c), sigmoid(x.f + h.f + peep_f * carry.c)
    c = f * carry.c + i * tanh(x.g + h.g)
    shown = sigmoid(x.o + h.o + peep_o * c) * tanh(c)
    c, h = k * c + (1 - k) * carry.c, k * shown + (1 - k) * carry.h
    return LSTMCarry(c, h), h
