r"""The hierarchically gated recurrent unit: forget gates that are never below a bound.

    f = lower_bound + (1 - lower_bound) * sigmoid(x_f)
    h' = f h + (1 - f) silu(x_c),                                     y = h' * sigmoid(x_g)
    h' = f e^(i angle) h + (1 - f) (silu(x_c) + i silu(x_im)),        y = Re(h') * sigmoid(x_g)          rotating

The paper's states rotate, and its bounds rise from layer to layer: those of all layers are the cumulative sum of a
softmax over layers, minus the first. Of its complex output this is the real part; the norm and the kernel behind are
layers of their own.

Papers:
    Qin, Yang & Zhong, Hierarchically gated recurrent neural network for sequence modeling, NeurIPS 2023
    (arXiv:2311.04823).
"""

from __future__ import annotations

from typing import Annotated, Any, Unpack

import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid, silu

from jaxrnn.base.typing import Array
from jaxrnn.cells.linear.lru import ComplexCarry
from jaxrnn.cells.linear.min_gru import LinearCarry
from jaxrnn.core.cell import Cell
from jaxrnn.core.factory import Common, factory
from jaxrnn.core.linear_cell import UNSEEN, assemble, linear_of
from jaxrnn.core.options import Flag, numbers
from jaxrnn.core.parameter import Parameter

PART = numbers("a number of 0 or more, below 1", lambda v: 0 <= v < 1)


def angles(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """10000^(-2 k / H) of unit k: from turns of one radian a step to turns that are not seen."""
    return jnp.asarray(10000.0 ** (-2 * np.arange(shape[-1]) / shape[-1]), dtype)


@factory(*UNSEEN)
def hgrn(
    size: int, *, lower_bound: Annotated[float, PART] = 0.0, rotating: Flag = False, **common: Unpack[Common]
) -> Cell:
    """Hierarchically gated recurrent unit, gates f, c, g; with `rotating` im beside them.

    The equations are at the head of this file. Parameters: `kernel [D, G, H]`, `bias [G, H]`; with `rotating`
    `angle [H]`, at first 10000^(-2 k / H) for unit k, as the authors' code has it.

    Args:
        size: H, the number of units.
        lower_bound: of the forget gate, in [0, 1): higher in higher layers.
        rotating: states are complex, and turn by an angle that does not depend on the input.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LinearCarry(h)`, or `ComplexCarry(re, im)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.hgrn(4, lower_bound=0.5).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (3, 4), 'kernel': (3, 3, 4)}
    """
    drive, shows = (_rotating, _real_part) if rotating else (_hgrn, _gated)
    return assemble(
        "hgrn",
        size,
        ("f", "c", "g", "im") if rotating else ("f", "c", "g"),
        ComplexCarry if rotating else LinearCarry,
        linear_of(drive, shows),
        {"lower_bound": lower_bound},
        units={"angle": Parameter(("H",), angles)} if rotating else {},
        paper="Qin et al. 2023",
        common=common,
    )


def _hgrn(x: Any, *, lower_bound: float) -> tuple[Array, Array]:
    # What 1 - f is, without the digits that the difference would lose.
    taken = (1 - lower_bound) * sigmoid(-x.f)
    return lower_bound + (1 - lower_bound) * sigmoid(x.f), taken * silu(x.c)


def _rotating(x: Any, theta: dict[str, Any], *, lower_bound: float) -> tuple[Any, Any]:
    f, taken = lower_bound + (1 - lower_bound) * sigmoid(x.f), (1 - lower_bound) * sigmoid(-x.f)
    cos, sin = jnp.cos(theta["angle"]), jnp.sin(theta["angle"])
    return (f * cos, f * sin), (taken * silu(x.c), taken * silu(x.im))


def _gated(carry: LinearCarry, x: Any) -> Array:
    return carry.h * sigmoid(x.g)


def _real_part(carry: ComplexCarry, x: Any) -> Array:
    return carry.re * sigmoid(x.g)
