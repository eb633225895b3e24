r"""The gated recurrent unit of DreamerV3, in blocks.

    r = sigmoid(x_r + h_r)                    reset gate
    u = sigmoid(x_u + h_u - 1)                update gate: how much of the candidate is taken
    n = tanh(r * (x_n + h_n))                 candidate; r scales the input's part and the bias too
    h' = u * n + (1 - u) * h

The units are in blocks, the heads of the recurrent kernel, which do not see each other. What mixes them, a dense layer
of the state and the input, block layers and norms, stands before the cell.

Papers:
    Hafner et al., Mastering diverse control tasks through world models, Nature 640, 2025 (DreamerV3,
    arXiv:2301.04104); the equations are those of the authors' code.
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Activation, Array
from jaxrnn.cells.gru import GRUCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Function
from jaxrnn.forms.heads import heads


@factory(recurrent=heads(8))
def block_gru(
    size: int, *, activation: Function = tanh, gate_activation: Function = sigmoid, **common: Unpack[Common]
) -> Cell:
    """The gated recurrent unit of DreamerV3, gates r, n, u.

    The equations are at the head of this file. Parameters: `kernel [D, 3, H]`, `recurrent_kernel [N, H/N, 3, H/N]` in
    `heads(8)` by default, `bias [3, H]`.

    Args:
        size: H, the number of units.
        activation, gate_activation: of the candidate and of the gates.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.block_gru(16)
    >>> cell.init(jax.random.key(0), inputs=3)["recurrent_kernel"].shape
    (8, 2, 3, 2)
    """
    options = (("activation", activation), ("gate_activation", gate_activation))
    return build(
        "block_gru",
        size,
        ("r", "n", "u"),
        GRUCarry,
        Update(_block_gru, options),
        paper="Hafner et al. 2025",
        common=common,
    )


def _block_gru(
    carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any], *, activation: Activation, gate_activation: Activation
) -> tuple[GRUCarry, Array]:
    h = recur(carry.h)
    r = gate_activation(x.r + h.r)
    u = gate_activation(x.u + h.u - 1)
    new = u * activation(r * (x.n + h.n)) + (1 - u) * carry.h
    return GRUCarry(new), new
