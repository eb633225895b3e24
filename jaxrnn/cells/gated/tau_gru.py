r"""Delayed-memory GRU: one path sees a state of some steps before.

    u = tanh(x_u + h_u)                       candidate
    z = tanh(x_z + h_old @ delayed_kernel)    what the state `delay` steps before h makes of it
    g = sigmoid(x_g + h_g)                    how much of the new is taken
    a = sigmoid(x_a + h_a)                    how much of the delayed is taken
    h' = (1 - g) * h + g * (u + a * z)

Papers:
    Erichson, Lim & Mahoney, Gated recurrent neural networks with weighted time-delay feedback, arXiv:2212.00228, 2022.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

import jax.numpy as jnp
from jax.nn import sigmoid, tanh

from jaxrnn.base.checks import check_size
from jaxrnn.base.typing import Array
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Size
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import orthogonal
from jaxrnn.programs.serialized import serialized

SEEN = ("u", "g", "a")  # the gates that see the last state


@serialized
class TauGRUCarry(NamedTuple):
    """The `delay` states before the last one, the oldest first, and the last one."""

    past: Array  # [*B, delay * H]
    h: Array  # [*B, H]


@factory()
def tau_gru(size: int, *, delay: Size = 10, **common: Unpack[Common]) -> Cell:
    """Delayed-memory GRU, gates u, z, g, a.

    The equations are at the head of this file. Parameters: `kernel [D, 4, H]`, `recurrent_kernel [H, 3, H]` of u, g, a,
    `delayed_kernel [H, H]` of z, `bias [4, H]`.

    torchrecurrent's layer returns a state without its delayed states, so that a sequence does not go on from it.

    Args:
        size: H, the number of units.
        delay: how many steps before the last state the delayed one is. The paper finds it by a search for each task.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `TauGRUCarry(past, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.tau_gru(4, delay=3)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> carry, ys = jaxrnn.scan(cell, params, jax.numpy.ones((7, 2, 3)))
    >>> bool((carry.past.reshape(2, 3, 4)[:, 0] == ys[3]).all())  # the last is ys[6]
    True
    """
    size = check_size(size, "size")
    return build(
        "tau_gru",
        size,
        ("u", "z", "g", "a"),
        TauGRUCarry,
        Update(_tau_gru),
        carry_sizes=(delay * size, "H"),
        recurrent_gates=SEEN,
        units={"delayed_kernel": Parameter(("H", "H"), orthogonal, "recurrent")},
        paper="Erichson et al. 2022",
        common=common,
    )


def _tau_gru(carry: TauGRUCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[TauGRUCarry, Array]:
    H = carry.h.shape[-1]
    seen = recur(carry.h, gates=SEEN)
    u = tanh(x.u + seen.u)
    z = tanh(x.z + recur(carry.past[..., :H], kernel="delayed_kernel"))
    g, a = sigmoid(x.g + seen.g), sigmoid(x.a + seen.a)
    h = (1 - g) * carry.h + g * (u + a * z)
    return TauGRUCarry(jnp.concatenate([carry.past[..., H:], carry.h], -1), h), h
