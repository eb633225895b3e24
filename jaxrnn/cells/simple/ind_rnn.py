r"""The independently recurrent network: each unit sees itself alone.

    h' = activation(x + u * h)

The paper holds the recurrent weights within 2^(1/T) for sequences of T steps, so that no unit grows beyond twice its
input's sum: `jaxrnn.constraints.constrain` with a function that clips `recurrent_kernel`.

Papers:
    Li et al., Independently recurrent neural network (IndRNN), CVPR 2018 (arXiv:1803.04831).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

from jax.nn import relu

from jaxrnn.cells.elman import elman
from jaxrnn.core.cell import Cell
from jaxrnn.core.factory import Common, factory
from jaxrnn.core.options import Conflict, Function, Steps
from jaxrnn.forms.diagonal import diagonal
from jaxrnn.functions.initializers import Between


@factory(
    Conflict(
        "steps", "None with recurrent_kernel_init, which it stands for", lambda o: o.recurrent_kernel_init is not None
    ),
    recurrent=diagonal,
)
def ind_rnn(size: int, *, activation: Function = relu, steps: Steps | None = None, **common: Unpack[Common]) -> Cell:
    """The independently recurrent network, one gate h: a simple recurrent network with a diagonal recurrent kernel.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]`, `recurrent_kernel [1, H]`,
    `bias [1, H]`. `recurrent` is `jaxrnn.diagonal` by default.

    Args:
        size: H, the number of units.
        activation: any function of one array.
        steps: T, the length of sequences: recurrent weights are drawn within [0, 2^(1/T)). None: within [0, 1).
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `ElmanCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.ind_rnn(4, steps=100)
    >>> cell.init(jax.random.key(0), inputs=3)["recurrent_kernel"].shape
    (1, 4)
    """
    drawn = Common(recurrent_kernel_init=Between(0.0, 1.0 if steps is None else 2 ** (1 / steps)))
    cell = elman(size, activation=activation, **Common(**{**drawn, **common}))
    return replace(cell, name="ind_rnn", paper="Li et al. 2018")
