r"""The minimal gated unit.

    f = sigmoid(x_f + h_f)                    forget gate: how much of the candidate is taken
    n = tanh(x_n + (f * h) @ recurrent_n)     candidate; of all of h without the reset
    h' = (1 - f) * h + f * n

flax.linen's MGUCell takes 1 - f for f, and multiplies f with the product, in place of the state; both are one without
the reset.

Papers:
    Zhou, Wu, Zhang & Zhou, Minimal gated unit for recurrent neural networks, International Journal of Automation and
    Computing 13(3), 2016 (arXiv:1603.09420).
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Activation, Array
from jaxrnn.cells.gru import GRUCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Flag, Function, Number
from jaxrnn.functions.initializers import Constant


@factory()
def mgu(
    size: int,
    *,
    reset: Flag = True,
    forget_bias: Number = 1.0,
    activation: Function = tanh,
    gate_activation: Function = sigmoid,
    **common: Unpack[Common],
) -> Cell:
    """The minimal gated unit, gates f, n.

    The equations are at the head of this file. Parameters: `kernel [D, 2, H]`, `recurrent_kernel [H, 2, H]`,
    `bias [2, H]`.

    Args:
        size: H, the number of units.
        reset: the candidate sees f * h; False: all of h.
        forget_bias: initial bias of the forget gate.
        activation, gate_activation: of the candidate and of the gate.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.mgu(4)
    >>> cell.init(jax.random.key(0), inputs=3)["kernel"].shape
    (3, 2, 4)
    """
    options = (("reset", reset), ("activation", activation), ("gate_activation", gate_activation))
    return build(
        "mgu",
        size,
        ("f", "n"),
        GRUCarry,
        Update(_mgu, options),
        special_bias={"f": Constant(forget_bias)},
        paper="Zhou et al. 2016",
        common=common,
    )


def _mgu(
    carry: GRUCarry,
    x: Any,
    recur: Any,
    theta: dict[str, Any],
    *,
    reset: bool,
    activation: Activation,
    gate_activation: Activation,
) -> tuple[GRUCarry, Array]:
    if reset:
        f = gate_activation(x.f + recur(carry.h, gates=("f",)).f)
        product = recur(f * carry.h, gates=("n",)).n
    else:
        h = recur(carry.h)
        f, product = gate_activation(x.f + h.f), h.n
    new = (1 - f) * carry.h + f * activation(x.n + product)
    return GRUCarry(new), new
