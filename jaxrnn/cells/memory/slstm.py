r"""The scalar LSTM of xLSTM, with exponential gates.

    i = x_i + h_i                             input gate, the logarithm of it
    f = log(sigmoid(x_f + h_f))               forget gate, likewise; x_f + h_f itself where it is exponential
    g = tanh(x_g + h_g)                       candidate (the paper's z)
    o = sigmoid(x_o + h_o)                    output gate
    m' = max(f + m, i)                        stabiliser: i where nothing has been seen yet, n = 0
    c' = exp(f + m - m') * c + exp(i - m') * g
    n' = exp(f + m - m') * n + exp(i - m')    normaliser
    h' = o * c' / n'

The stabiliser changes no output: c and n are those of gates exp(i) and exp(f), divided by exp(m). A causal convolution
before and a group norm after are layers of their own.

Papers:
    Beck et al., xLSTM: extended long short-term memory, NeurIPS 2024 (arXiv:2405.04517), equations 8 to 17.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, Unpack

import jax.numpy as jnp
from jax.nn import log_sigmoid, sigmoid, tanh

from jaxrnn.base.typing import Activation, Array
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Function, choices, numbers
from jaxrnn.forms.heads import heads, heads_of
from jaxrnn.functions.initializers import PowerLaw, zeros
from jaxrnn.programs.serialized import serialized


@serialized
class SLSTMCarry(NamedTuple):
    """Cell, normaliser, stabiliser and output."""

    c: Array  # [*B, H]
    n: Array  # [*B, H], zero where nothing has been seen
    m: Array  # [*B, H]
    h: Array  # [*B, H]


@factory(recurrent=heads(4), recurrent_kernel_init=zeros)
def slstm(
    size: int,
    *,
    forget: Annotated[str, choices("sigmoid", "exp")] = "sigmoid",
    depth: Annotated[float, numbers("a number in [0, 1]", lambda value: 0 <= value <= 1)] = 0.0,
    activation: Function = tanh,
    **common: Unpack[Common],
) -> Cell:
    """The scalar LSTM of xLSTM, gates i, f, g, o.

    The equations are at the head of this file. Parameters: `kernel [D, 4, H]`, `recurrent_kernel [N, H/N, 4, H/N]`,
    `bias [4, H]`. The recurrent kernel has `heads(4)` by default, and is zero at first; the forget gate's bias falls
    from 5 to -7 over the units of each head.

    Args:
        size: H, the number of cells.
        forget: the forget gate is logistic, or exponential as the input gate.
        depth: where the cell stands in a stack, from 0, the first layer, to 1, the last; later ones are drawn with
            more units that remember.
        activation: of the candidate.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `SLSTMCarry(c, n, m, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.slstm(8)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> params["recurrent_kernel"].shape
    (4, 2, 4, 2)
    >>> params["bias"][1].tolist()
    [5.0, -7.0, 5.0, -7.0, 5.0, -7.0, 5.0, -7.0]
    """
    return build(
        "slstm",
        size,
        ("i", "f", "g", "o"),
        SLSTMCarry,
        Update(_slstm, (("forget", forget), ("activation", activation))),
        special_bias={"f": PowerLaw(depth, heads_of(common["recurrent"]))},
        paper="Beck et al. 2024",
        common=common,
    )


def _slstm(
    carry: SLSTMCarry, x: Any, recur: Any, theta: dict[str, Any], *, forget: str, activation: Activation
) -> tuple[SLSTMCarry, Array]:
    h = recur(carry.h)
    i, f = x.i + h.i, x.f + h.f
    kept = carry.m + (f if forget == "exp" else log_sigmoid(f))
    first = carry.n == 0
    m = jnp.where(first | (i > kept), i, kept)
    opened = jnp.exp(i - m)
    held = jnp.where(first, 0, jnp.exp(jnp.where(first, m, kept) - m))  # kept - m may overflow where nothing is kept
    c = held * carry.c + opened * activation(x.g + h.g)
    n = held * carry.n + opened
    out = sigmoid(x.o + h.o) * c / n
    return SLSTMCarry(c, n, m, out), out
