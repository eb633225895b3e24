r"""Lipschitz recurrent network: a linear part with a bounded spectrum, and a nonlinear one.

    M(U, beta, gamma) = (1 - beta) (U + U^T) + beta (U - U^T) - gamma I
    A = M(linear_kernel, beta_a, gamma_a)
    W = M(recurrent_kernel, beta_w, gamma_w)
    h' = h + epsilon * (h @ A + tanh(h @ W + x))

h' is a step of Euler's method of the length epsilon.

Papers:
    Erichson, Azencot, Queiruga, Hodgkinson & Mahoney, Lipschitz recurrent neural networks, ICLR 2021
    (arXiv:2006.12070), equations 3 and 4.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, Unpack

import jax
from jax.nn import tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.elman import ElmanCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory, within
from jaxrnn.core.options import NonNegative, Positive, numbers
from jaxrnn.core.parameter import Parameter
from jaxrnn.forms.blended import Blended
from jaxrnn.forms.dense import dense

NARROW = jax.nn.initializers.variance_scaling(0.1, "fan_in", "normal")  # of variance 0.1 / H
Blend: TypeAlias = Annotated[float, numbers("a number in [0, 1]", lambda value: 0 <= value <= 1)]


@factory(recurrent_kernel_init=NARROW)
def lipschitz_rnn(
    size: int,
    *,
    epsilon: Positive = 0.03,
    beta_a: Blend = 0.75,
    beta_w: Blend = 0.75,
    gamma_a: NonNegative = 0.001,
    gamma_w: NonNegative = 0.001,
    **common: Unpack[Common],
) -> Cell:
    """Lipschitz recurrent network, one gate h.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]`, `recurrent_kernel [H, 1, H]` and
    `linear_kernel [H, H]`, both raw, `bias [1, H]`. The option `recurrent` is the form of the raw recurrent kernel,
    dense or heads.

    rnn-jax subtracts the number gamma where the equations have gamma h.

    Args:
        size: H, the number of units.
        epsilon: the length of a step.
        beta_a, beta_w: 0 makes the matrix symmetric, 1 antisymmetric.
        gamma_a, gamma_w: the damping.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `ElmanCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.lipschitz_rnn(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (1, 4), 'kernel': (3, 1, 4), 'linear_kernel': (4, 4), 'recurrent_kernel': (4, 1, 4)}
    """
    linear = Parameter(("H", "H"), NARROW, "recurrent", form=Blended(dense, beta_a, gamma_a))
    return build(
        "lipschitz_rnn",
        size,
        ("h",),
        ElmanCarry,
        Update(_lipschitz, (("epsilon", epsilon),)),
        units={"linear_kernel": linear},
        paper="Erichson et al. 2021",
        common=within(common, "recurrent", lambda form: Blended(form, beta_w, gamma_w), matrices=True),
    )


def _lipschitz(
    carry: ElmanCarry, x: Any, recur: Any, theta: dict[str, Any], *, epsilon: float
) -> tuple[ElmanCarry, Array]:
    linear = recur(carry.h, kernel="linear_kernel")
    h = carry.h + epsilon * (linear + tanh(recur(carry.h).h + x.h))
    return ElmanCarry(h), h
