r"""Long expressive memory.

    a = dt * sigmoid(x_a + y_a)               the step of the memory z
    b = dt * sigmoid(x_b + y_b)               the step of the output y
    z' = (1 - a) * z + a * tanh(x_z + y_z)
    y' = (1 - b) * y + b * tanh(x_y + z' @ cell_kernel)

with y_a, y_b, y_z products of the old y with the recurrent kernel.

Papers:
    Rusch, Mishra, Erichson & Mahoney, Long expressive memory for sequence modeling, ICLR 2022 (arXiv:2110.04744),
    equation 3.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Positive
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import orthogonal
from jaxrnn.programs.serialized import serialized


@serialized
class LEMCarry(NamedTuple):
    """The memory and the output."""

    z: Array  # [*B, H]
    y: Array  # [*B, H]


@factory()
def lem(size: int, *, dt: Positive = 1.0, **common: Unpack[Common]) -> Cell:
    """Long expressive memory, gates a, b, z, y.

    The equations are at the head of this file. Parameters: `kernel [D, 4, H]`, `recurrent_kernel [H, 3, H]` of y into
    a, b, z, `cell_kernel [H, H]` of the new z into y, `bias [4, H]`.

    torchrecurrent's LEM reads the old z in y', as no equation of the paper does.

    Args:
        size: H, the number of units.
        dt: the greatest length of a step.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LEMCarry(z, y)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.lem(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (4, 4), 'cell_kernel': (4, 4), 'kernel': (3, 4, 4), 'recurrent_kernel': (4, 3, 4)}
    """
    return build(
        "lem",
        size,
        ("a", "b", "z", "y"),
        LEMCarry,
        Update(_lem, (("dt", dt),)),
        recurrent_gates=("a", "b", "z"),
        units={"cell_kernel": Parameter(("H", "H"), orthogonal, "recurrent")},
        paper="Rusch et al. 2022",
        common=common,
    )


def _lem(carry: LEMCarry, x: Any, recur: Any, theta: dict[str, Any], *, dt: float) -> tuple[LEMCarry, Array]:
    z, y = carry
    h = recur(y, gates=("a", "b", "z"))
    a, b = dt * sigmoid(x.a + h.a), dt * sigmoid(x.b + h.b)
    z = (1 - a) * z + a * tanh(x.z + h.z)
    y = (1 - b) * y + b * tanh(x.y + recur(z, kernel="cell_kernel"))
    return LEMCarry(z, y), y
