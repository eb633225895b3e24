r"""The cell that a search by reinforcement found.

    a_k = x_k + h_k                           eight branches, k = 0 to 7; h_k has the bias
    left = tanh(sigmoid(a_0) * relu(a_1))
    scale = tanh(sigmoid(a_2) + relu(x_3 * h_3))
    right = tanh(tanh(a_4) * sigmoid(a_5))
    shift = sigmoid(tanh(a_6) + sigmoid(a_7))
    c' = tanh(left + c) * scale
    h' = tanh(c' * tanh(right + shift))

Papers:
    Zoph & Le, Neural architecture search with reinforcement learning, ICLR 2017 (arXiv:1611.01578), in the reading of
    the authors' NASCell in TensorFlow.
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import relu, sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.lstm import LSTMCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory


@factory()
def nas(size: int, **common: Unpack[Common]) -> Cell:
    """The cell that a search by reinforcement found, gates a0 to a7.

    The equations are at the head of this file. Parameters: `kernel [D, 8, H]`, `recurrent_kernel [H, 8, H]`,
    `bias [8, H]`.

    Branch 3 multiplies x and h; torchrecurrent's adds them.

    Args:
        size: H, the number of units.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LSTMCarry(c, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.nas(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (8, 4), 'kernel': (3, 8, 4), 'recurrent_kernel': (4, 8, 4)}
    """
    gates, paper = tuple(f"a{k}" for k in range(8)), "Zoph & Le 2017"
    # The bias is on the side of h, which makes a difference where x and h are multiplied.
    return build("nas", size, gates, LSTMCarry, Update(_nas), bias_role="unit", paper=paper, common=common)


def _nas(carry: LSTMCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[LSTMCarry, Array]:
    bias = theta.get("bias", (0,) * 8)
    h = [product + b for product, b in zip(recur(carry.h), bias, strict=True)]
    a = [seen + product for seen, product in zip(x, h, strict=True)]
    left = tanh(sigmoid(a[0]) * relu(a[1]))
    scale = tanh(sigmoid(a[2]) + relu(x[3] * h[3]))
    right = tanh(tanh(a[4]) * sigmoid(a[5]))
    shift = sigmoid(tanh(a[6]) + sigmoid(a[7]))
    c = tanh(left + carry.c) * scale
    y = tanh(c * tanh(right + shift))
    return LSTMCarry(c, y), y
