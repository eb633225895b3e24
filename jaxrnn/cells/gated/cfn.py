r"""Chaos-free network.

    theta = sigmoid(x_theta + h_theta)        how much of the old state is kept
    eta = sigmoid(x_eta + h_eta)              how much of the input enters
    h' = theta * tanh(h) + eta * tanh(x_n)

x_n has no bias: without inputs every state decays to zero.

Papers:
    Laurent & von Brecht, A recurrent neural network without chaos, ICLR 2017 (arXiv:1612.06212).
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.gru import GRUCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory


@factory()
def cfn(size: int, **common: Unpack[Common]) -> Cell:
    """Chaos-free network, gates theta, eta, n.

    The equations are at the head of this file. Parameters: `kernel [D, 3, H]`, `recurrent_kernel [H, 2, H]` and
    `bias [2, H]` of theta and eta.

    TensorFlow 1 has 1 - eta in place of eta.

    Args:
        size: H, the number of units.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.cfn(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (2, 4), 'kernel': (3, 3, 4), 'recurrent_kernel': (4, 2, 4)}
    """
    return build(
        "cfn",
        size,
        ("theta", "eta", "n"),
        GRUCarry,
        Update(_cfn),
        recurrent_gates=("theta", "eta"),
        bias_gates=("theta", "eta"),
        paper="Laurent & von Brecht 2017",
        common=common,
    )


def _cfn(carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[GRUCarry, Array]:
    h = recur(carry.h, gates=("theta", "eta"))
    new = sigmoid(x.theta + h.theta) * tanh(carry.h) + sigmoid(x.eta + h.eta) * tanh(x.n)
    return GRUCarry(new), new
