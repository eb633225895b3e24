r"""Fast recurrent networks: residual connections of one number, and a gate that shares its kernels with the candidate.

    h' = sigmoid(alpha) * activation(x + h) + sigmoid(beta) * h              fast_rnn
    z = sigmoid(x + h + b_z)                                                 fast_grnn
    n = tanh(x + h + b_n)
    h' = (sigmoid(zeta) * (1 - z) + sigmoid(nu)) * n + z * h

In fast_grnn one product of the input and one of the state serve both gates.

Papers:
    Kusupati, Singh, Bhatia, Kumar, Jain & Varma, FastGRNN: a fast, accurate, stable and tiny kilobyte sized gated
    recurrent neural network, NeurIPS 2018 (arXiv:1901.02358), sections 3.1 and 3.2.
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Activation, Array
from jaxrnn.cells.elman import ElmanCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory, within
from jaxrnn.core.options import Function
from jaxrnn.core.parameter import Parameter
from jaxrnn.forms.form import Form
from jaxrnn.forms.gates import shared
from jaxrnn.functions.initializers import Constant

PAPER = "Kusupati et al. 2018"


@factory()
def fast_rnn(size: int, *, activation: Function = tanh, **common: Unpack[Common]) -> Cell:
    """Recurrent network with a weighted residual connection, one gate h.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]`, `recurrent_kernel [H, 1, H]`,
    `bias [1, H]`, `alpha [1]`, which starts at -3, `beta [1]`, at 3 (torchrecurrent starts them the other way round).

    Args:
        size: H, the number of units.
        activation: any function of one array.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `ElmanCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.fast_rnn(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'alpha': (1,), 'beta': (1,), 'bias': (1, 4), 'kernel': (3, 1, 4), 'recurrent_kernel': (4, 1, 4)}
    """
    return build(
        "fast_rnn",
        size,
        ("h",),
        ElmanCarry,
        Update(_fast_rnn, (("activation", activation),)),
        units={"alpha": Parameter((1,), Constant(-3.0)), "beta": Parameter((1,), Constant(3.0))},
        paper=PAPER,
        common=common,
    )


@factory()
def fast_grnn(size: int, **common: Unpack[Common]) -> Cell:
    """Fast gated recurrent network, gates z, n.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]`, `recurrent_kernel [H, 1, H]`,
    `bias [2, H]`, `zeta [1]`, which starts at 1, `nu [1]`, at -4. `input` and `recurrent` are the forms of the kernels
    that the gates share: `jaxrnn.low_rank(r)` makes them products of two thin ones, as the paper does.

    torchrecurrent's gate is a tanh by default.

    Args:
        size: H, the number of units.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `ElmanCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.fast_grnn(4, recurrent=jaxrnn.low_rank(2))
    >>> {name: a.shape for name, a in cell.init(jax.random.key(0), inputs=3).items() if "kernel" in name}
    {'kernel': (3, 1, 4), 'recurrent_kernel_down': (4, 2), 'recurrent_kernel_up': (2, 1, 4)}
    """
    for side in ("input", "recurrent"):
        common = within(common, side, _for_both)
    return build(
        "fast_grnn",
        size,
        ("z", "n"),
        ElmanCarry,
        Update(_fast_grnn),
        units={"zeta": Parameter((1,), Constant(1.0)), "nu": Parameter((1,), Constant(-4.0))},
        paper=PAPER,
        common=common,
    )


def _for_both(form: Form) -> Form:
    return shared(of=form)


def _fast_rnn(
    carry: ElmanCarry, x: Any, recur: Any, theta: dict[str, Any], *, activation: Activation
) -> tuple[ElmanCarry, Array]:
    new = activation(x.h + recur(carry.h).h)
    h = sigmoid(theta["alpha"]) * new + sigmoid(theta["beta"]) * carry.h
    return ElmanCarry(h), h


def _fast_grnn(carry: ElmanCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[ElmanCarry, Array]:
    h = recur(carry.h)
    z = sigmoid(x.z + h.z)
    n = tanh(x.n + h.n)
    new = (sigmoid(theta["zeta"]) * (1 - z) + sigmoid(theta["nu"])) * n + z * carry.h
    return ElmanCarry(new), new
