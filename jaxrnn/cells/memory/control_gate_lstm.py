r"""LSTM with a control gate: what the gates see of the cell is gated apart from what is put out.

    i = sigmoid(x_i + v_i)                    input gate
    f = sigmoid(x_f + v_f)                    forget gate
    g = tanh(x_g + v_g)                       candidate
    o = sigmoid(x_o + v_o)                    output gate
    m = sigmoid(x_m + v_m)                    control gate
    c' = f * c + i * g
    v' = m * tanh(c')                         what the gates see at the next step
    y = o * tanh(c')

torchrecurrent calls it MCLSTM, for memory-controller; `mass_conserving_lstm` is another cell.

Papers:
    A workshop paper of Intel's at NIPS 2017, of which no copy was to be had: the equations are torchrecurrent's.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Number
from jaxrnn.functions.initializers import Constant
from jaxrnn.programs.serialized import serialized


@serialized
class ControlGateCarry(NamedTuple):
    """The cell, and what gates see of it."""

    c: Array  # [*B, H]
    v: Array  # [*B, H]


@factory()
def control_gate_lstm(size: int, *, forget_bias: Number = 1.0, **common: Unpack[Common]) -> Cell:
    """LSTM with a control gate, gates i, f, g, o, m.

    The equations are at the head of this file. Parameters: `kernel [D, 5, H]`, `recurrent_kernel [H, 5, H]` of v,
    `bias [5, H]`.

    Args:
        size: H, the number of cells.
        forget_bias: initial bias of the forget gate.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `ControlGateCarry(c, v)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.control_gate_lstm(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (5, 4), 'kernel': (3, 5, 4), 'recurrent_kernel': (4, 5, 4)}
    """
    return build(
        "control_gate_lstm",
        size,
        ("i", "f", "g", "o", "m"),
        ControlGateCarry,
        Update(_control_gate),
        special_bias={"f": Constant(forget_bias)},
        paper="Intel, NIPS workshop 2017",
        common=common,
    )


def _control_gate(carry: ControlGateCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[ControlGateCarry, Array]:
    v = recur(carry.v)
    c = sigmoid(x.f + v.f) * carry.c + sigmoid(x.i + v.i) * tanh(x.g + v.g)
    shown = tanh(c)
    return ControlGateCarry(c, sigmoid(x.m + v.m) * shown), sigmoid(x.o + v.o) * shown
