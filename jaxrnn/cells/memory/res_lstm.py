r"""Residual LSTM: the output gate is over a projection of the cell and the input together.

    i = sigmoid(x_i + h_i + p_i * c)          input gate
    f = sigmoid(x_f + h_f + p_f * c)          forget gate
    g = tanh(x_g + h_g)                       candidate
    c' = f * c + i * g
    o = sigmoid(x_o + h_o + p_o * c')         output gate; its peephole sees the new cell
    h' = o * (tanh(c') @ projection_kernel + x_r)

with x_r the input times a kernel, or as it is.

Papers:
    Kim, El-Khamy & Lee, Residual LSTM: design of a deep recurrent architecture for distant speech recognition,
    Interspeech 2017 (arXiv:1701.03360), equations 10 to 15.
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.lstm import LSTMCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory, within
from jaxrnn.core.options import Flag, Number
from jaxrnn.core.parameter import Parameter
from jaxrnn.forms.gates import only
from jaxrnn.forms.identity import identity
from jaxrnn.functions.initializers import Constant, PerGate, glorot_uniform, zeros

GATES = ("i", "f", "g", "o")


@factory()
def res_lstm(
    size: int, *, identity_shortcut: Flag = False, forget_bias: Number = 1.0, **common: Unpack[Common]
) -> Cell:
    """Residual LSTM, gates i, f, g, o and the shortcut r of the input.

    The equations are at the head of this file. Parameters: `kernel [D, 5, H]` of i, f, g, o, r,
    `recurrent_kernel [H, 4, H]`, `peepholes [3, H]` of i, f, o, `projection_kernel [H, 1, H]`, `bias [4, H]`. The
    shortcut has no bias, and with `identity_shortcut` no kernel: then `kernel` is `[H, 4, H]`.

    Args:
        size: H, the number of cells.
        identity_shortcut: add the input as it is, which has H features then, as in the paper where sizes agree.
        forget_bias: initial bias of the forget gate.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LSTMCarry(c, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> jaxrnn.res_lstm(4).init(jax.random.key(0), inputs=3)["kernel"].shape
    (3, 5, 4)
    >>> jaxrnn.res_lstm(4, identity_shortcut=True).init(jax.random.key(0), inputs=4)["kernel"].shape
    (4, 4, 4)
    """
    projection = Parameter(("H", "G", "H"), PerGate((glorot_uniform,) * 5), "recurrent", form=only("r"))
    if identity_shortcut:
        common = within(common, "input", lambda form: identity("r", of=form), matrices=True)
    return build(
        "res_lstm",
        size,
        (*GATES, "r"),
        LSTMCarry,
        Update(_res_lstm),
        recurrent_gates=GATES,
        bias_gates=GATES,
        units={"peepholes": Parameter((3, "H"), zeros), "projection_kernel": projection},
        special_bias={"f": Constant(forget_bias)},
        paper="Kim et al. 2017",
        common=common,
    )


def _res_lstm(carry: LSTMCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[LSTMCarry, Array]:
    h = recur(carry.h, gates=GATES)
    p_i, p_f, p_o = theta["peepholes"]
    i = sigmoid(x.i + h.i + p_i * carry.c)
    f = sigmoid(x.f + h.f + p_f * carry.c)
    c = f * carry.c + i * tanh(x.g + h.g)
    o = sigmoid(x.o + h.o + p_o * c)
    out = o * (x.r + recur(tanh(c), gates=("r",), kernel="projection_kernel").r)
    return LSTMCarry(c, out), out
