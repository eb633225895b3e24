r"""Update-gate and intersection recurrent networks.

    g = sigmoid(x_g + h_g)                    how much of the old state is kept
    h' = g * h + (1 - g) * tanh(x_n + h_n)    both; the output of ugrnn
    d = sigmoid(x_d + h_d)                    how much of the input is kept
    y = d * input + (1 - d) * relu(x_y + h_y) the output of intersection_rnn

The second gate works over depth as the first does over time, so that the input has as many features as there are units:
a linear layer before the first of a stack sees to that.

Papers:
    Collins, Sohl-Dickstein & Sussillo, Capacity and trainability in recurrent neural networks, ICLR 2017
    (arXiv:1611.09913).
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import relu, sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.gru import GRUCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory, within
from jaxrnn.forms.identity import identity

PAPER = "Collins et al. 2017"
GATES = ("y", "n", "d", "g")


@factory()
def ugrnn(size: int, **common: Unpack[Common]) -> Cell:
    """Update-gate recurrent network, gates n, g.

    The equations are at the head of this file. Parameters: `kernel [D, 2, H]`, `recurrent_kernel [H, 2, H]`,
    `bias [2, H]`.

    TensorFlow 1 adds 1 to g at run time, which is `bias_init={"g": jax.nn.initializers.ones}`.

    Args:
        size: H, the number of units.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.ugrnn(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (2, 4), 'kernel': (3, 2, 4), 'recurrent_kernel': (4, 2, 4)}
    """
    update = Update(_ugrnn)
    return build("ugrnn", size, ("n", "g"), GRUCarry, update, paper=PAPER, common=common)


@factory()
def intersection_rnn(size: int, **common: Unpack[Common]) -> Cell:
    """Intersection recurrent network, gates y, n, d, g and the input itself, x.

    The equations are at the head of this file. Parameters: `kernel [H, 4, H]`, `recurrent_kernel [H, 4, H]`,
    `bias [4, H]`, of y, n, d, g. `input` is the form of these kernels, dense or heads.

    TensorFlow 1 adds 1 to d and g at run time, which is an initial bias.

    Args:
        size: H, the number of units.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.intersection_rnn(4).init(jax.random.key(0), inputs=4)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (4, 4), 'kernel': (4, 4, 4), 'recurrent_kernel': (4, 4, 4)}
    """
    return build(
        "intersection_rnn",
        size,
        (*GATES, "x"),
        GRUCarry,
        Update(_intersection),
        recurrent_gates=GATES,
        bias_gates=GATES,
        paper=PAPER,
        common=within(common, "input", lambda form: identity("x", of=form), matrices=True),
    )


def _ugrnn(carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[GRUCarry, Array]:
    recurrent = recur(carry.h)
    g = sigmoid(x.g + recurrent.g)
    h = g * carry.h + (1 - g) * tanh(x.n + recurrent.n)
    return GRUCarry(h), h


def _intersection(carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[GRUCarry, Array]:
    recurrent = recur(carry.h, gates=GATES)
    g = sigmoid(x.g + recurrent.g)
    d = sigmoid(x.d + recurrent.d)
    h = g * carry.h + (1 - g) * tanh(x.n + recurrent.n)
    y = d * x.x + (1 - d) * relu(x.y + recurrent.y)
    return GRUCarry(h), y
