r"""Simple gated recurrent network.

    f = sigmoid(x + h @ recurrent_kernel)
    h' = tanh((1 - f) * x + f * h)            one projection of the input, for the gate and for the candidate

The equations are torchrecurrent's.

Papers:
    Zu & Wei, A simple gated recurrent network for detection of power quality disturbances, IET Generation, Transmission
    & Distribution 15(4), 2021 (doi:10.1049/gtd2.12056).
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.gru import GRUCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory


@factory()
def sgrn(size: int, **common: Unpack[Common]) -> Cell:
    """Simple gated recurrent network, one gate f.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]`, `recurrent_kernel [H, 1, H]`,
    `bias [1, H]`.

    Args:
        size: H, the number of units.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.sgrn(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (1, 4), 'kernel': (3, 1, 4), 'recurrent_kernel': (4, 1, 4)}
    """
    update = Update(_sgrn)
    return build("sgrn", size, ("f",), GRUCarry, update, paper="Zu & Wei 2021", common=common)


def _sgrn(carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[GRUCarry, Array]:
    f = sigmoid(x.f + recur(carry.h).f)
    h = tanh((1 - f) * x.f + f * carry.h)
    return GRUCarry(h), h
