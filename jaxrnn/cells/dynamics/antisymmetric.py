r"""Antisymmetric recurrent networks.

    A = U - U^T - gamma I                         eigenvalues of real part -gamma: the flow keeps what it holds
    h' = h + epsilon * tanh(x + h @ A)            antisymmetric_rnn
    h' = h + epsilon * sigmoid(x_z + h @ A) * tanh(x_n + h @ A)      gated_antisymmetric_rnn

h' is a step of Euler's method of the length epsilon; both products of the gated cell are one.

Papers:
    Chang, Chen, Haber & Chi, AntisymmetricRNN: a dynamical system view on recurrent neural networks, ICLR 2019
    (arXiv:1902.09689).
"""

from __future__ import annotations

from typing import Any, Unpack

import jax
from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.elman import ElmanCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory, within
from jaxrnn.core.options import NonNegative, Positive
from jaxrnn.forms.gates import shared
from jaxrnn.forms.maps import antisymmetric

PAPER = "Chang et al. 2019"
NORMAL = jax.nn.initializers.variance_scaling(1.0, "fan_in", "normal")  # of variance 1 / R, both kernels in the paper


@factory(kernel_init=NORMAL, recurrent_kernel_init=NORMAL)
def antisymmetric_rnn(
    size: int, *, epsilon: Positive = 0.01, gamma: NonNegative = 0.01, **common: Unpack[Common]
) -> Cell:
    """Antisymmetric recurrent network, one gate h.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]`, `recurrent_kernel [H, 1, H]`, the raw U,
    `bias [1, H]`. Both kernels are drawn from a normal distribution of variance 1 / R. `recurrent` is the form of U,
    dense or heads.

    rnn-jax subtracts gamma itself in place of gamma h.

    Args:
        size: H, the number of units.
        epsilon: the length of a step. The paper takes the best of 0.01, 0.1 and 1.
        gamma: the damping. The paper takes the best of 0.001, 0.01, 0.1 and 1.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `ElmanCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.antisymmetric_rnn(4, epsilon=0.1)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> kernel = cell.prepare(params)["recurrent_kernel"].arrays[0][:, 0]  # A
    >>> bool(jax.numpy.allclose(kernel + kernel.T, -0.02 * jax.numpy.eye(4)))
    True
    """
    return build(
        "antisymmetric_rnn",
        size,
        ("h",),
        ElmanCarry,
        Update(_antisymmetric, (("epsilon", epsilon),)),
        paper=PAPER,
        common=within(common, "recurrent", lambda form: antisymmetric(gamma, of=form), matrices=True),
    )


@factory(kernel_init=NORMAL, recurrent_kernel_init=NORMAL)
def gated_antisymmetric_rnn(
    size: int, *, epsilon: Positive = 0.01, gamma: NonNegative = 0.01, **common: Unpack[Common]
) -> Cell:
    """Antisymmetric recurrent network with a gate, gates z, n.

    The equations are at the head of this file. Parameters: `kernel [D, 2, H]`, `recurrent_kernel [H, 1, H]`, the raw U
    of both gates, `bias [2, H]`. Both kernels are drawn from a normal distribution of variance 1 / R. `recurrent` is
    the form of U, dense or heads.

    Args:
        size: H, the number of units.
        epsilon: the length of a step, times the gate. The paper takes the best of 0.01, 0.1 and 1.
        gamma: the damping. The paper takes the best of 0.001, 0.01, 0.1 and 1.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `ElmanCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.gated_antisymmetric_rnn(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (2, 4), 'kernel': (3, 2, 4), 'recurrent_kernel': (4, 1, 4)}
    """
    return build(
        "gated_antisymmetric_rnn",
        size,
        ("z", "n"),
        ElmanCarry,
        Update(_gated, (("epsilon", epsilon),)),
        paper=PAPER,
        common=within(common, "recurrent", lambda form: shared(of=antisymmetric(gamma, of=form)), matrices=True),
    )


def _antisymmetric(
    carry: ElmanCarry, x: Any, recur: Any, theta: dict[str, Any], *, epsilon: float
) -> tuple[ElmanCarry, Array]:
    h = carry.h + epsilon * tanh(x.h + recur(carry.h).h)
    return ElmanCarry(h), h


def _gated(carry: ElmanCarry, x: Any, recur: Any, theta: dict[str, Any], *, epsilon: float) -> tuple[ElmanCarry, Array]:
    h = recur(carry.h)
    h = carry.h + epsilon * sigmoid(x.z + h.z) * tanh(x.n + h.n)
    return ElmanCarry(h), h
