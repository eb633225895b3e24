r"""GRU and LSTM whose units see themselves alone, so that Newton's method runs them in parallel over time.

ParaGRU:

    r = sigmoid(x_r + u_r * h)                reset gate
    z = sigmoid(x_z + u_z * h)                update gate: how much of the candidate is taken
    n = tanh(x_n + u_n * (r * h))             candidate
    h' = (1 - z) * h + z * n

ParaLSTM:

    f = sigmoid(x_f + u_f * h + p_f * c)      forget gate; the input gate is 1 - f
    g = tanh(x_g + u_g * h)                   candidate (the paper's z)
    c' = f * c + (1 - f) * g
    o = sigmoid(x_o + u_o * h + p_o * c')     output gate; its peephole sees the new cell
    h' = o * tanh(c')

Papers:
    Danieli et al., ParaRNN: unlocking parallel training of nonlinear RNNs for large language models, arXiv:2510.21450,
    equations 3.1 to 3.3 and appendix C.1 (initial values).
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Activation, Array
from jaxrnn.cells.gru import GRUCarry
from jaxrnn.cells.lstm import LSTMCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Function
from jaxrnn.core.parameter import Parameter
from jaxrnn.forms.diagonal import diagonal
from jaxrnn.functions.initializers import GlorotDiagonal, he_uniform

OF_VECTORS = dict(recurrent=diagonal, recurrent_kernel_init=GlorotDiagonal(), kernel_init=he_uniform)


@factory(**OF_VECTORS)
def para_gru(
    size: int, *, activation: Function = tanh, gate_activation: Function = sigmoid, **common: Unpack[Common]
) -> Cell:
    """A GRU with a diagonal recurrent kernel, gates r, z, n.

    The equations are at the head of this file. Parameters: `kernel [D, 3, H]`, `recurrent_kernel [3, H]`,
    `bias [3, H]`. `recurrent` is `jaxrnn.diagonal` by default.

    Args:
        size: H, the number of units.
        activation, gate_activation: of the candidate and of the gates.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.para_gru(4)
    >>> cell.init(jax.random.key(0), inputs=3)["recurrent_kernel"].shape
    (3, 4)
    """
    options = (("activation", activation), ("gate_activation", gate_activation))
    return build(
        "para_gru",
        size,
        ("r", "z", "n"),
        GRUCarry,
        Update(_para_gru, options),
        paper="Danieli et al. 2025",
        common=common,
    )


@factory(**OF_VECTORS)
def para_lstm(
    size: int, *, activation: Function = tanh, gate_activation: Function = sigmoid, **common: Unpack[Common]
) -> Cell:
    """An LSTM with a diagonal recurrent kernel, coupled gates and peepholes, gates f, g, o.

    The equations are at the head of this file. Parameters: `kernel [D, 3, H]`, `recurrent_kernel [3, H]`,
    `bias [3, H]`, `peepholes [2, H]` of f and o. `recurrent` is `jaxrnn.diagonal` by default.

    Args:
        size: H, the number of cells.
        activation, gate_activation: of the candidate and of the cell on its way out, and of the gates.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LSTMCarry(c, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.para_lstm(4)
    >>> cell.init(jax.random.key(0), inputs=3)["peepholes"].shape
    (2, 4)
    """
    options = (("activation", activation), ("gate_activation", gate_activation))
    return build(
        "para_lstm",
        size,
        ("f", "g", "o"),
        LSTMCarry,
        Update(_para_lstm, options),
        units={"peepholes": Parameter((2, "H"), GlorotDiagonal())},
        paper="Danieli et al. 2025",
        common=common,
    )


def _para_gru(
    carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any], *, activation: Activation, gate_activation: Activation
) -> tuple[GRUCarry, Array]:
    h = recur(carry.h, gates=("r", "z"))
    r = gate_activation(x.r + h.r)
    z = gate_activation(x.z + h.z)
    new = (1 - z) * carry.h + z * activation(x.n + recur(r * carry.h, gates=("n",)).n)
    return GRUCarry(new), new


def _para_lstm(
    carry: LSTMCarry, x: Any, recur: Any, theta: dict[str, Any], *, activation: Activation, gate_activation: Activation
) -> tuple[LSTMCarry, Array]:
    h = recur(carry.h)
    peep_f, peep_o = theta["peepholes"]
    f = gate_activation(x.f + h.f + peep_f * carry.c)
    c = f * carry.c + (1 - f) * activation(x.g + h.g)
    out = gate_activation(x.o + h.o + peep_o * c) * activation(c)
    return LSTMCarry(c, out), out
