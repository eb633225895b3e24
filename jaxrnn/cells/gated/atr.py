r"""Addition-subtraction twin-gated recurrent network.

    p = x                                     bias included: it is in the value too
    q = h @ recurrent_kernel
    i = sigmoid(p + q)                        input gate
    f = sigmoid(p - q)                        forget gate
    h' = i * p + f * h

Papers:
    Zhang, Xiong, Su, Lin & Zhang, Simplifying neural machine translation with addition-subtraction twin-gated recurrent
    networks, EMNLP 2018 (arXiv:1810.12546).
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid

from jaxrnn.base.typing import Array
from jaxrnn.cells.gru import GRUCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory


@factory()
def atr(size: int, **common: Unpack[Common]) -> Cell:
    """Addition-subtraction twin-gated recurrent network, one gate p.

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
    >>> params = jaxrnn.atr(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (1, 4), 'kernel': (3, 1, 4), 'recurrent_kernel': (4, 1, 4)}
    """
    update = Update(_atr)
    return build("atr", size, ("p",), GRUCarry, update, paper="Zhang et al. 2018", common=common)


def _atr(carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[GRUCarry, Array]:
    p, q = x.p, recur(carry.h).p
    h = sigmoid(p + q) * p + sigmoid(p - q) * carry.h
    return GRUCarry(h), h
