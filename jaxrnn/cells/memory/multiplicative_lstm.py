r"""Multiplicative LSTM: which symbol comes in chooses what the state makes of it.

    m = x_m * (h @ multiplicative_kernel)     intermediate state, in place of h in every gate
    i = sigmoid(x_i + m_i)                    input gate
    f = sigmoid(x_f + m_f)                    forget gate
    g = tanh(x_g + m_g)                       candidate
    o = sigmoid(x_o + m_o)                    output gate
    c' = f * c + i * g
    h' = o * tanh(c')

with m_i and so on from m @ recurrent_kernel. m has no bias. UniRep's cell, 1,900 units in proteins, is
`multiplicative_lstm(1900, input=jaxrnn.forms.weight_norm(), recurrent=jaxrnn.forms.weight_norm())`.

Papers:
    Krause, Murray, Renals & Lu, Multiplicative LSTM for sequence modelling, arXiv:1609.07959, 2016.
    Alley et al., Unified rational protein engineering with sequence-based deep representation learning, Nature Methods
    16, 2019 (UniRep).
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Activation, Array
from jaxrnn.cells.lstm import LSTMCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Function, Number
from jaxrnn.core.parameter import Parameter
from jaxrnn.forms.dense import dense
from jaxrnn.functions.initializers import Constant, orthogonal

SEEN = ("i", "f", "g", "o")  # the gates that see the intermediate state


@factory()
def multiplicative_lstm(
    size: int,
    *,
    forget_bias: Number = 0.0,
    activation: Function = tanh,
    gate_activation: Function = sigmoid,
    output_activation: Function = tanh,
    **common: Unpack[Common],
) -> Cell:
    """Multiplicative LSTM, gates i, f, g, o, m.

    The equations are at the head of this file. Parameters: `kernel [D, 5, H]`, `bias [4, H]`,
    `recurrent_kernel [H, 4, H]` of m, `multiplicative_kernel [H, H]` of h. The latter has the form `recurrent` too,
    where that names no gates.

    Args:
        size: H, the number of cells.
        forget_bias: initial bias of the forget gate.
        activation, gate_activation, output_activation: of the candidate, the gates, and the cell on its way out.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LSTMCarry(c, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.multiplicative_lstm(4)
    >>> {name: p.shape for name, p in cell.init(jax.random.key(0), inputs=3).items()}
    {'bias': (4, 4), 'kernel': (3, 5, 4), 'multiplicative_kernel': (4, 4), 'recurrent_kernel': (4, 4, 4)}
    """
    form = common.get("recurrent", dense)
    form = dense if form.names_gates else form
    init = form.init("recurrent") or orthogonal
    options = dict(activation=activation, gate_activation=gate_activation, output_activation=output_activation)
    return build(
        "multiplicative_lstm",
        size,
        (*SEEN, "m"),
        LSTMCarry,
        Update(_multiplicative_lstm, tuple(options.items())),
        recurrent_gates=SEEN,
        bias_gates=SEEN,
        units={"multiplicative_kernel": Parameter(("H", "H"), init, "recurrent", form=None if form == dense else form)},
        special_bias={"f": Constant(forget_bias)},
        paper="Krause et al. 2016",
        common=common,
    )


def _multiplicative_lstm(
    carry: LSTMCarry,
    x: Any,
    recur: Any,
    theta: dict[str, Any],
    *,
    activation: Activation,
    gate_activation: Activation,
    output_activation: Activation,
) -> tuple[LSTMCarry, Array]:
    m = recur(x.m * recur(carry.h, kernel="multiplicative_kernel"), gates=SEEN)
    c = gate_activation(x.f + m.f) * carry.c + gate_activation(x.i + m.i) * activation(x.g + m.g)
    h = gate_activation(x.o + m.o) * output_activation(c)
    return LSTMCarry(c, h), h
