r"""Light recurrent unit.

    f = sigmoid(x_f + h_f)                    how much of the new is taken
    h' = (1 - f) * h + f * tanh(x_n)          the candidate sees the input alone

The equations are torchrecurrent's.

Papers:
    Ye, Zhang, Liu, Li, Chang & Zheng, Light recurrent unit: towards an interpretable recurrent neural network for
    modeling long-range dependency, Electronics 13(16):3204, 2024.
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.gru import GRUCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory


@factory()
def light_ru(size: int, **common: Unpack[Common]) -> Cell:
    """Light recurrent unit, gates f, n.

    The equations are at the head of this file. Parameters: `kernel [D, 2, H]`, `recurrent_kernel [H, 1, H]` of f,
    `bias [2, H]`.

    Args:
        size: H, the number of units.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.light_ru(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (2, 4), 'kernel': (3, 2, 4), 'recurrent_kernel': (4, 1, 4)}
    """
    update = Update(_light_ru)
    return build(
        "light_ru", size, ("f", "n"), GRUCarry, update, recurrent_gates=("f",), paper="Ye et al. 2024", common=common
    )


def _light_ru(carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[GRUCarry, Array]:
    f = sigmoid(x.f + recur(carry.h, gates=("f",)).f)
    h = (1 - f) * carry.h + f * tanh(x.n)
    return GRUCarry(h), h
