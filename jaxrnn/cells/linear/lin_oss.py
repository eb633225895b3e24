r"""Linear oscillatory state-space models: forced oscillators, a matrix of two by two for each.

    a = relu(stiffness),   dt = sigmoid(step),   s = 1 / (1 + dt^2 a)
    z' = s (z - dt a y + dt x_u),    y' = y + dt z'         implicit
    z' = z - dt a y + dt x_u,        y' = y + dt z'         implicit-explicit
    output: y' @ output_kernel + x_skip

The implicit one forgets, the other does not: it preserves energy. Stiffness and step are drawn uniformly in [0, 1). The
authors' states are complex, each two oscillators of one a and dt; norm and nonlinearity are layers of their own.

Papers:
    Rusch & Rus, Oscillatory state-space models, ICLR 2025 (arXiv:2410.03943).
"""

from __future__ import annotations

from typing import Any, Unpack

import jax.numpy as jnp
from jax.nn import relu, sigmoid

from jaxrnn.base.typing import Array
from jaxrnn.cells.dynamics import OscillatorCarry
from jaxrnn.core.cell import Cell
from jaxrnn.core.factory import Common, factory
from jaxrnn.core.linear_cell import UNSEEN, assemble, linear_of
from jaxrnn.core.options import Flag
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import Between, glorot_uniform


@factory(*UNSEEN, use_bias=False)
def lin_oss(size: int, *, implicit: Flag = True, **common: Unpack[Common]) -> Cell:
    """Linear oscillators, gates u, skip.

    The equations are at the head of this file. Parameters: `kernel [D, 2, H]`, `stiffness [H]`, `step [H]`,
    `output_kernel [H, H]`; with `use_bias=True` `bias [2, H]`, which the paper has not.

    Args:
        size: H, the number of oscillators, and of outputs.
        implicit: LinOSS-IM; else LinOSS-IMEX.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `OscillatorCarry(z, y)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.lin_oss(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'kernel': (3, 2, 4), 'output_kernel': (4, 4), 'step': (4,), 'stiffness': (4,)}
    """
    drawn = Parameter(("H",), Between(0.0, 1.0))
    output = Parameter(("H", "H"), glorot_uniform, "recurrent")
    return assemble(
        "lin_oss",
        size,
        ("u", "skip"),
        OscillatorCarry,
        linear_of(_lin_oss, _output),
        {"implicit": implicit},
        units={"stiffness": drawn, "step": drawn, "output_kernel": output},
        paper="Rusch & Rus 2025",
        common=common,
    )


def _lin_oss(x: Any, theta: dict[str, Any], *, implicit: bool) -> tuple[Any, Any]:
    a, dt = relu(theta["stiffness"]), sigmoid(theta["step"])
    one = jnp.ones_like(dt)
    s = 1 / (1 + dt * dt * a) if implicit else one
    velocity = (s, -dt * a * s)
    position = (dt * s, s if implicit else one - dt * dt * a)
    return (velocity, position), (dt * s * x.u, dt * dt * s * x.u)


def _output(carry: OscillatorCarry, x: Any, recur: Any, theta: dict[str, Any]) -> Array:
    return recur(carry.y, kernel="output_kernel") + x.skip
