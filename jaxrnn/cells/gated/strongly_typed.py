r"""Strongly typed recurrent networks: gates see inputs alone, so that a state is a weighted sum of what was put in.

    f = sigmoid(x_f)                          all three cells; in t_gru and t_lstm of this input and the last one
    h' = f * h + (1 - f) * x_z                t_rnn
    h' = f * h + x_z * tanh(x_o)              t_gru
    c' = f * c + (1 - f) * x_z                t_lstm, whose output is
    y = c' * tanh(x_o)

In t_gru and t_lstm x_z, x_f, x_o are x @ kernel + last @ previous_kernel + bias, with the input before this one.

Papers:
    Balduzzi & Ghifary, Strongly-typed recurrent neural networks, ICML 2016 (arXiv:1602.02218).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.gru import GRUCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.kernels import RECURRENT
from jaxrnn.core.linear_cell import UNSEEN, assemble, linear_of
from jaxrnn.programs.serialized import serialized

PAPER = "Balduzzi & Ghifary 2016"
GATES = ("z", "f", "o")
LAST = tuple(f"last_{gate}" for gate in GATES)


@serialized
class TGRUCarry(NamedTuple):
    """What the last input gives to this step's gates, and the state."""

    z: Array  # [*B, H]
    f: Array  # [*B, H]
    o: Array  # [*B, H]
    h: Array  # [*B, H]


@serialized
class TLSTMCarry(NamedTuple):
    """What the last input gives to this step's gates, and the cell."""

    z: Array  # [*B, H]
    f: Array  # [*B, H]
    o: Array  # [*B, H]
    c: Array  # [*B, H]


@factory(*UNSEEN)
def t_rnn(size: int, **common: Unpack[Common]) -> Cell:
    """Strongly typed simple recurrent network, gates f, z.

    The equations are at the head of this file. Parameters: `kernel [D, 2, H]`, `bias [2, H]`, where the paper's is of f
    alone.

    Args:
        size: H, the number of units.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.t_rnn(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (2, 4), 'kernel': (3, 2, 4)}
    """
    return assemble("t_rnn", size, ("f", "z"), GRUCarry, linear_of(_t_rnn), paper=PAPER, common=common)


@factory(*UNSEEN)
def t_gru(size: int, **common: Unpack[Common]) -> Cell:
    """Strongly typed GRU, gates z, f, o, each of this input and the last one.

    The equations are at the head of this file. Parameters: `kernel [D, 6, H]`, of which the last three gates are the
    previous_kernel, `bias [3, H]`. The carry holds the last input's part of each gate, so that the loop multiplies
    nothing; zeros stand for a last input of zeros.

    Args:
        size: H, the number of units.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `TGRUCarry(z, f, o, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.t_gru(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (3, 4), 'kernel': (3, 6, 4)}
    """
    return _of_two_inputs("t_gru", size, TGRUCarry, Update(_t_gru), common)


@factory(*UNSEEN)
def t_lstm(size: int, **common: Unpack[Common]) -> Cell:
    """Strongly typed LSTM, gates z, f, o, each of this input and the last one.

    The equations are at the head of this file. Parameters: `kernel [D, 6, H]`, of which the last three gates are the
    previous_kernel, `bias [3, H]`. The carry holds the last input's part of each gate, so that the loop multiplies
    nothing; zeros stand for a last input of zeros.

    Args:
        size: H, the number of cells.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `TLSTMCarry(z, f, o, c)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.t_lstm(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (3, 4), 'kernel': (3, 6, 4)}
    """
    return _of_two_inputs("t_lstm", size, TLSTMCarry, Update(_t_lstm), common)


def _of_two_inputs(name: str, size: int, carry: type, update: Update, common: Common) -> Cell:
    return _unseen(build(name, size, (*GATES, *LAST), carry, update, bias_gates=GATES, paper=PAPER, common=common))


def _unseen(cell: Cell) -> Cell:
    """The cell without a kernel of the state."""
    return replace(cell, parameters=tuple(p for p in cell.parameters if p[0] != RECURRENT))


def _t_rnn(x: Any) -> tuple[Array, Array]:
    return sigmoid(x.f), sigmoid(-x.f) * x.z


def _t_gru(carry: TGRUCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[TGRUCarry, Array]:
    z, f, o = x.z + carry.z, sigmoid(x.f + carry.f), x.o + carry.o
    h = f * carry.h + z * tanh(o)
    return TGRUCarry(x.last_z, x.last_f, x.last_o, h), h


def _t_lstm(carry: TLSTMCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[TLSTMCarry, Array]:
    z, f, o = x.z + carry.z, sigmoid(x.f + carry.f), x.o + carry.o
    c = f * carry.c + (1 - f) * z
    return TLSTMCarry(x.last_z, x.last_f, x.last_o, c), c * tanh(o)
