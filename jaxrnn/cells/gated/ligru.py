r"""Light gated recurrent unit.

    z = sigmoid(x_z + h_z)                    update gate: how much of the old state is kept
    n = relu(x_n + h_n)                       candidate: no reset
    h' = z * h + (1 - z) * n

The batch normalisation of x in the paper is a layer's, before this one.

Papers:
    Ravanelli, Brakel, Omologo & Bengio, Light gated recurrent units for speech recognition, IEEE TETCI 2(2), 2018
    (arXiv:1803.10225).
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import relu, sigmoid

from jaxrnn.base.typing import Activation, Array
from jaxrnn.cells.gru import GRUCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Function


@factory()
def ligru(size: int, *, activation: Function = relu, **common: Unpack[Common]) -> Cell:
    """Light gated recurrent unit, gates z, n.

    The equations are at the head of this file. Parameters: `kernel [D, 2, H]`, `recurrent_kernel [H, 2, H]`,
    `bias [2, H]`.

    Args:
        size: H, the number of units.
        activation: of the candidate.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.ligru(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (2, 4), 'kernel': (3, 2, 4), 'recurrent_kernel': (4, 2, 4)}
    """
    update = Update(_ligru, (("activation", activation),))
    return build("ligru", size, ("z", "n"), GRUCarry, update, paper="Ravanelli et al. 2018", common=common)


def _ligru(
    carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any], *, activation: Activation
) -> tuple[GRUCarry, Array]:
    h = recur(carry.h)
    z = sigmoid(x.z + h.z)
    new = z * carry.h + (1 - z) * activation(x.n + h.n)
    return GRUCarry(new), new
