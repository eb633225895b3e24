r"""Stackable recurrent cell.

    k = sigmoid(x_k + h_k)                    how much of the new is taken
    h' = tanh((1 - k) * h + k * tanh(x_z))    the candidate sees the input alone; the mixture is squashed

The authors' code has another cell, sigmoid(f) * h + (1 - sigmoid(f - 1)) * z.

Papers:
    Turkoglu, D'Aronco, Wegner & Schindler, Gating revisited: deep multi-layer RNNs that can be trained, IEEE TPAMI
    44(8), 2022 (arXiv:1911.11033).
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.gru import GRUCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory


@factory()
def star(size: int, **common: Unpack[Common]) -> Cell:
    """Stackable recurrent cell, gates k, z.

    The equations are at the head of this file. Parameters: `kernel [D, 2, H]`, `recurrent_kernel [H, 1, H]` of k,
    `bias [2, H]`.

    Args:
        size: H, the number of units.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.star(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (2, 4), 'kernel': (3, 2, 4), 'recurrent_kernel': (4, 1, 4)}
    """
    update, paper = Update(_star), "Turkoglu et al. 2022"
    return build("star", size, ("k", "z"), GRUCarry, update, recurrent_gates=("k",), paper=paper, common=common)


def _star(carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[GRUCarry, Array]:
    k = sigmoid(x.k + recur(carry.h, gates=("k",)).k)
    h = tanh((1 - k) * carry.h + k * tanh(x.z))
    return GRUCarry(h), h
