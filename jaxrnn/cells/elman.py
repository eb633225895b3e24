r"""The simple recurrent network.

    a = activation(x + h @ recurrent_kernel)
    h' = a                        plain
    h' = (1 - leak) * h + leak * a    leaky integration
    h' = h + a                    residual (with leak: h + leak * a)

With residual="inside" the old state is added before the activation, a = activation(x + h @ recurrent_kernel + h), and
h' is as without: Flax's SimpleCell(residual=True).

Papers:
    Elman, Finding structure in time, Cognitive Science 14(2), 1990.
    Jaeger et al., Optimization and applications of echo state networks with leaky-integrator neurons, Neural Networks
    20(3), 2007.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, Unpack

from jax.nn import tanh

from jaxrnn.base.typing import Activation, Array
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Function, Share, choices
from jaxrnn.programs.serialized import serialized


@serialized
class ElmanCarry(NamedTuple):
    """The one state of a simple recurrent network."""

    h: Array  # [*B, H]


@factory()
def elman(
    size: int,
    *,
    activation: Function = tanh,
    leak: Share = 1.0,
    residual: Annotated[bool | str, choices(False, True, "inside")] = False,
    **common: Unpack[Common],
) -> Cell:
    """The simple recurrent network, one gate h.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]`,
    `recurrent_kernel [H, 1, H]`, `bias [1, H]`.

    Args:
        size: H, the number of units.
        activation: any function of one array.
        leak: in (0, 1], how fast the state follows; 1 is the plain network.
        residual: add to the old state instead of replacing it; "inside": add the old state inside the activation.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `ElmanCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.elman(4, activation=jax.nn.relu)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> params["recurrent_kernel"].shape
    (4, 1, 4)
    """
    options = (("activation", activation), ("leak", leak), ("residual", residual))
    return build(
        "elman",
        size,
        ("h",),
        ElmanCarry,
        Update(_elman, options),
        paper="Elman 1990" if leak == 1.0 else "Elman 1990; Jaeger et al. 2007",
        common=common,
    )


def _elman(
    carry: ElmanCarry,
    x: Any,
    recur: Any,
    theta: dict[str, Any],
    *,
    activation: Activation,
    leak: float,
    residual: bool | str,
) -> tuple[ElmanCarry, Array]:
    net = x.h + recur(carry.h).h
    new = activation(net + carry.h if residual == "inside" else net)
    if leak != 1.0:
        new = leak * new if residual is True else (1 - leak) * carry.h + leak * new
    h = carry.h + new if residual is True else new
    return ElmanCarry(h), h
