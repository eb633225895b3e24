r"""LSTM with working memory connections: every gate sees the cell, through a kernel and a bound.

    i = sigmoid(x_i + h_i + tanh(c_i))        input gate
    f = sigmoid(x_f + h_f + tanh(c_f))        forget gate
    g = tanh(x_g + h_g)                       candidate
    c' = f * c + i * g
    o = sigmoid(x_o + h_o + tanh(c'_o))       output gate; it sees the new cell
    h' = o * tanh(c')

with c_i and so on from c @ memory_kernel.

Papers:
    Landi, Baraldi, Cornia & Cucchiara, Working memory connections for LSTM, Neural Networks 144, 2021
    (arXiv:2109.00020).
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.lstm import LSTMCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Number
from jaxrnn.core.parameter import Parameter
from jaxrnn.forms.gates import only
from jaxrnn.functions.initializers import Constant, PerGate, orthogonal

GATES = ("i", "f", "g", "o")


@factory()
def working_memory_lstm(size: int, *, forget_bias: Number = 1.0, **common: Unpack[Common]) -> Cell:
    """LSTM with working memory connections, gates i, f, g, o.

    The equations are at the head of this file. Parameters: `kernel [D, 4, H]`, `recurrent_kernel [H, 4, H]`,
    `memory_kernel [H, 3, H]` of the cell into i, f, o, `bias [4, H]`.

    Args:
        size: H, the number of cells.
        forget_bias: initial bias of the forget gate.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LSTMCarry(c, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.working_memory_lstm(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (4, 4), 'kernel': (3, 4, 4), 'memory_kernel': (4, 3, 4), 'recurrent_kernel': (4, 4, 4)}
    """
    by_gate = PerGate((orthogonal,) * len(GATES))
    return build(
        "working_memory_lstm",
        size,
        GATES,
        LSTMCarry,
        Update(_working_memory),
        units={"memory_kernel": Parameter(("H", "G", "H"), by_gate, "recurrent", form=only("i", "f", "o"))},
        special_bias={"f": Constant(forget_bias)},
        paper="Landi et al. 2021",
        common=common,
    )


def _working_memory(carry: LSTMCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[LSTMCarry, Array]:
    h = recur(carry.h)
    old = recur(carry.c, gates=("i", "f"), kernel="memory_kernel")
    i = sigmoid(x.i + h.i + tanh(old.i))
    f = sigmoid(x.f + h.f + tanh(old.f))
    c = f * carry.c + i * tanh(x.g + h.g)
    new = recur(c, gates=("o",), kernel="memory_kernel")
    out = sigmoid(x.o + h.o + tanh(new.o)) * tanh(c)
    return LSTMCarry(c, out), out
