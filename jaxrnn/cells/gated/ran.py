r"""Recurrent additive network.

    i = sigmoid(x_i + h_i)                    input gate
    f = sigmoid(x_f + h_f)                    forget gate
    c' = i * x_n + f * c                      x_n is linear in the input, without bias
    h' = activation(c')

Papers:
    Lee, Levy & Zettlemoyer, Recurrent additive networks, arXiv:1705.07393.
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Activation, Array
from jaxrnn.cells.lstm import LSTMCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Function


@factory()
def ran(size: int, *, activation: Function = tanh, **common: Unpack[Common]) -> Cell:
    """Recurrent additive network, gates i, f, n.

    The equations are at the head of this file. Parameters: `kernel [D, 3, H]`, `recurrent_kernel [H, 2, H]` and
    `bias [2, H]` of i and f.

    Args:
        size: H, the number of units.
        activation: of the state on its way out; the paper has tanh, or none.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LSTMCarry(c, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.ran(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (2, 4), 'kernel': (3, 3, 4), 'recurrent_kernel': (4, 2, 4)}
    """
    return build(
        "ran",
        size,
        ("i", "f", "n"),
        LSTMCarry,
        Update(_ran, (("activation", activation),)),
        recurrent_gates=("i", "f"),
        bias_gates=("i", "f"),
        paper="Lee et al. 2017",
        common=common,
    )


def _ran(
    carry: LSTMCarry, x: Any, recur: Any, theta: dict[str, Any], *, activation: Activation
) -> tuple[LSTMCarry, Array]:
    recurrent = recur(carry.h, gates=("i", "f"))
    c = sigmoid(x.i + recurrent.i) * x.n + sigmoid(x.f + recurrent.f) * carry.c
    h = activation(c)
    return LSTMCarry(c, h), h
