r"""Undamped independent controlled oscillatory recurrent network.

    s = dt * sigmoid(rate)                    the length of a unit's step, learned
    z' = z - s * (tanh(x + u * y) + alpha * y)
    y' = y + s * z'

with u the diagonal recurrent kernel. The output is y'.

Papers:
    Rusch & Mishra, UnICORNN: a recurrent model for learning very long time dependencies, ICML 2021 (arXiv:2103.05487).
"""

from __future__ import annotations

from typing import Any, Unpack

import jax
from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.dynamics.cornn import OscillatorCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, diagonals, factory
from jaxrnn.core.options import NonNegative, Positive
from jaxrnn.core.parameter import Parameter
from jaxrnn.forms.diagonal import diagonal
from jaxrnn.functions.initializers import Uniform

FREQUENCIES = jax.nn.initializers.uniform(1.0)  # within [0, 1)


@factory(recurrent=diagonal)
def unicornn(size: int, *, dt: Positive = 0.19, alpha: NonNegative = 30.65, **common: Unpack[Common]) -> Cell:
    """Undamped independent controlled oscillatory recurrent network, one gate h.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]`, `recurrent_kernel [1, H]`, u, which
    starts within [0, 1), `rate [H]`, within [-0.1, 0.1), `bias [1, H]`. `recurrent` is `jaxrnn.diagonal` by default.

    The paper finds both numbers by a search for each task; the defaults are its authors' for permuted MNIST.

    Args:
        size: H, the number of oscillators.
        dt: the greatest length of a step.
        alpha: the frequency's square.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `OscillatorCarry(z, y)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.unicornn(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (1, 4), 'kernel': (3, 1, 4), 'rate': (4,), 'recurrent_kernel': (1, 4)}
    """
    return build(
        "unicornn",
        size,
        ("h",),
        OscillatorCarry,
        Update(_unicornn, (("dt", dt), ("alpha", alpha))),
        units={"rate": Parameter(("H",), Uniform(0.1))},
        paper="Rusch & Mishra 2021, UnICORNN",
        common=diagonals(common, FREQUENCIES),
    )


def _unicornn(
    carry: OscillatorCarry, x: Any, recur: Any, theta: dict[str, Any], *, dt: float, alpha: float
) -> tuple[OscillatorCarry, Array]:
    z, y = carry
    step = dt * sigmoid(theta["rate"])
    z = z - step * (tanh(x.h + recur(y).h) + alpha * y)
    y = y + step * z
    return OscillatorCarry(z, y), y
