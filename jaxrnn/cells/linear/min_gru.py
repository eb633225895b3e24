r"""The minimal GRU and LSTM: gates see the input alone, so that all steps can be run at once.

    h' = (1 - z) * h + z * x_n,                  z = sigmoid(x_z)                                       min_gru
    h' = f' * h + i' * x_g,                      f' = f / (f + i), i' = i / (f + i)                     min_lstm
                                                 f = sigmoid(x_f), i = sigmoid(x_i)

The paper's other form, for logarithms, takes g(x_n) in place of x_n, which is positive: `positive=True`, with
g(a) = a + 0.5 for a >= 0, sigmoid(a) else. It is a function of its own; here it is run as the first one is.

Papers:
    Feng, Tung, Ahmed, Bengio & Hajimirsadeghi, Were RNNs all we needed?, 2024 (arXiv:2410.01201).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

import jax.numpy as jnp
from jax.nn import sigmoid, softplus

from jaxrnn.base.typing import Array
from jaxrnn.core.cell import Cell
from jaxrnn.core.factory import Common, factory
from jaxrnn.core.linear_cell import UNSEEN, assemble, linear_of
from jaxrnn.core.options import Flag
from jaxrnn.programs.serialized import serialized

PAPER = "Feng et al. 2024"


@serialized
class LinearCarry(NamedTuple):
    """The state."""

    h: Array  # [*B, H]


@factory(*UNSEEN)
def min_gru(size: int, *, positive: Flag = False, **common: Unpack[Common]) -> Cell:
    """Minimal GRU, gates z, n.

    The equations are at the head of this file. Parameters: `kernel [D, 2, H]`, `bias [2, H]`.

    Args:
        size: H, the number of units.
        positive: the candidate is g(x_n), as in the paper's form for logarithms.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LinearCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.min_gru(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (2, 4), 'kernel': (3, 2, 4)}
    """
    linear = linear_of(_min_gru)
    return assemble(
        "min_gru", size, ("z", "n"), LinearCarry, linear, {"positive": positive}, paper=PAPER, common=common
    )


@factory(*UNSEEN)
def min_lstm(size: int, *, positive: Flag = False, **common: Unpack[Common]) -> Cell:
    """Minimal LSTM, gates i, f, g, of which i and f add up to one.

    The equations are at the head of this file. Parameters: `kernel [D, 3, H]`, `bias [3, H]`.

    Args:
        size: H, the number of units.
        positive: the candidate is g(x_g), as in the paper's form for logarithms.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LinearCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.min_lstm(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (3, 4), 'kernel': (3, 3, 4)}
    """
    linear = linear_of(_min_lstm)
    return assemble(
        "min_lstm", size, ("i", "f", "g"), LinearCarry, linear, {"positive": positive}, paper=PAPER, common=common
    )


def _min_gru(x: Any, *, positive: bool) -> tuple[Array, Array]:
    return sigmoid(-x.z), sigmoid(x.z) * _candidate(x.n, positive)


def _min_lstm(x: Any, *, positive: bool) -> tuple[Array, Array]:
    odds = softplus(-x.i) - softplus(-x.f)  # log(f / i): both may be too small for a number of their own
    return sigmoid(odds), sigmoid(-odds) * _candidate(x.g, positive)


def _candidate(x: Array, positive: bool) -> Array:
    return jnp.where(x >= 0, x + 0.5, sigmoid(x)) if positive else x
