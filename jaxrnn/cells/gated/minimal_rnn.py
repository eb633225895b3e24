r"""Minimal recurrent network.

    z = tanh(x_z)                             the input as a point of the latent space
    u = sigmoid(h_u + z @ latent_kernel + b_u)      how much of the old state is kept
    h' = u * h + (1 - u) * z

Papers:
    Chen, MinimalRNN: toward more interpretable and trainable recurrent neural networks, arXiv:1711.06788.
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.gru import GRUCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import orthogonal


@factory()
def minimal_rnn(size: int, **common: Unpack[Common]) -> Cell:
    """Minimal recurrent network, gates z, u.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]` of z, `recurrent_kernel [H, 1, H]` of
    u, `latent_kernel [H, H]` of z into u, `bias [2, H]`.

    braintrace's z is linear by default.

    Args:
        size: H, the number of units.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.minimal_rnn(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (2, 4), 'kernel': (3, 1, 4), 'latent_kernel': (4, 4), 'recurrent_kernel': (4, 1, 4)}
    """
    return build(
        "minimal_rnn",
        size,
        ("z", "u"),
        GRUCarry,
        Update(_minimal),
        input_gates=("z",),
        recurrent_gates=("u",),
        units={"latent_kernel": Parameter(("H", "H"), orthogonal, "recurrent")},
        paper="Chen 2017",
        common=common,
    )


def _minimal(carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[GRUCarry, Array]:
    z = tanh(x.z)
    u = sigmoid(x.u + recur(carry.h, gates=("u",)).u + recur(z, kernel="latent_kernel"))
    h = u * carry.h + (1 - u) * z
    return GRUCarry(h), h
