r"""Coupled oscillatory recurrent network.

    z' = z + dt * (tanh(x + h_y + h_z) - gamma * y - epsilon * z)      explicit, or
    z' = (z + dt * (tanh(x + h_y + h_z) - gamma * y)) / (1 + dt * epsilon)      implicit: damped by the new velocity
    y' = y + dt * z'

with h_y = y @ recurrent_kernel and h_z = z @ velocity_kernel. The output is y'.

Papers:
    Rusch & Mishra, Coupled oscillatory recurrent neural network (coRNN): an accurate and (gradient) stable architecture
    for learning long time dependencies, ICLR 2021 (arXiv:2010.00951), equation 3.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from jax.nn import tanh

from jaxrnn.base.typing import Array
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Flag, NonNegative, Positive
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import orthogonal
from jaxrnn.programs.serialized import serialized


@serialized
class OscillatorCarry(NamedTuple):
    """The velocities and positions of oscillators, the latter the output."""

    z: Array  # [*B, H]
    y: Array  # [*B, H]


@factory()
def cornn(
    size: int,
    *,
    dt: Positive = 0.042,
    gamma: NonNegative = 2.7,
    epsilon: NonNegative = 4.7,
    implicit: Flag = False,
    **common: Unpack[Common],
) -> Cell:
    """Coupled oscillatory recurrent network, one gate h.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]`, `recurrent_kernel [H, 1, H]` of y,
    `velocity_kernel [H, H]` of z, `bias [1, H]`.

    The paper finds all three numbers by a search for each task; the defaults are its authors' for sequential MNIST.
    rnn-jax has no dt at gamma and epsilon.

    Args:
        size: H, the number of oscillators.
        dt: the length of a step.
        gamma: the frequency's square.
        epsilon: the damping.
        implicit: damp by the new velocity.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `OscillatorCarry(z, y)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.cornn(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (1, 4), 'kernel': (3, 1, 4), 'recurrent_kernel': (4, 1, 4), 'velocity_kernel': (4, 4)}
    """
    options = (("dt", dt), ("gamma", gamma), ("epsilon", epsilon), ("implicit", implicit))
    return build(
        "cornn",
        size,
        ("h",),
        OscillatorCarry,
        Update(_cornn, options),
        units={"velocity_kernel": Parameter(("H", "H"), orthogonal, "recurrent")},
        paper="Rusch & Mishra 2021, coRNN",
        common=common,
    )


def _cornn(
    carry: OscillatorCarry,
    x: Any,
    recur: Any,
    theta: dict[str, Any],
    *,
    dt: float,
    gamma: float,
    epsilon: float,
    implicit: bool,
) -> tuple[OscillatorCarry, Array]:
    z, y = carry
    force = tanh(x.h + recur(y).h + recur(z, kernel="velocity_kernel")) - gamma * y
    z = (z + dt * force) / (1 + dt * epsilon) if implicit else z + dt * (force - epsilon * z)
    y = y + dt * z
    return OscillatorCarry(z, y), y
