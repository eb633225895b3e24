r"""Clockwork recurrent network: groups of units that work at times of their own.

    a = tanh(x + h @ recurrent_kernel)
    h' = a where the group's period divides the time t, else h

Groups are of equal size, the short periods first; a group reads its own state and that of groups of longer periods.

Papers:
    Koutnik, Greff, Gomez & Schmidhuber, A clockwork RNN, ICML 2014 (arXiv:1402.3511).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Unpack

import jax.numpy as jnp
from jax.nn import tanh

from jaxrnn.base.checks import check_size
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Activation, Array
from jaxrnn.cells.elman import ElmanCarry
from jaxrnn.cells.given import of_shape
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory, within
from jaxrnn.core.options import Function, Kind
from jaxrnn.forms.triangular import BlockTriangular


def _periods(value: Any, argument: str, expected: str) -> tuple[int, ...]:
    if not isinstance(value, tuple | list) or not value:
        fail(argument, expected, value, kind=TypeError)
    periods = tuple(check_size(p, f"{argument}[{k}]") for k, p in enumerate(value))
    if any(late <= early for early, late in pairwise(periods)):
        fail(argument, expected, value)
    return periods


@factory()
def clockwork_rnn(
    size: int,
    *,
    periods: Annotated[tuple[int, ...], Kind("a tuple of rising whole numbers", _periods)] = (1, 2, 4, 8),
    activation: Function = tanh,
    **common: Unpack[Common],
) -> Cell:
    """Clockwork recurrent network, one gate h.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]`, `recurrent_kernel [H, 1, H]`, of which
    the blocks that no group reads are held and have no effect, `bias [1, H]`. The per-step input `t [T, *B]` is the
    time, whole numbers from 0 on, at which all groups work. The option `recurrent` is the form of the kernel, dense or
    heads.

    rnn-jax squashes the state of idle groups again, as no equation of the paper does.

    Args:
        size: H, the number of units, of which each group has an equal share.
        periods: one a group, each longer than the one before. The paper has powers of two.
        activation: any function of one array.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `ElmanCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.clockwork_rnn(4, periods=(1, 3))
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> t = jax.numpy.broadcast_to(jax.numpy.arange(7)[:, None], (7, 2))
    >>> carry, ys = jaxrnn.scan(cell, params, jax.numpy.ones((7, 2, 3)), per_step={"t": t})
    >>> bool((ys[3, :, 2:] == ys[5, :, 2:]).all()), bool((ys[3, :, :2] == ys[5, :, :2]).any())
    (True, False)
    """
    return build(
        "clockwork_rnn",
        size,
        ("h",),
        ElmanCarry,
        Update(_clockwork, (("periods", periods), ("activation", activation))),
        per_step=("t",),
        paper="Koutnik et al. 2014",
        common=within(common, "recurrent", lambda form: BlockTriangular(form, len(periods)), matrices=True),
    )


def _clockwork(
    carry: ElmanCarry,
    x: Any,
    recur: Any,
    theta: dict[str, Any],
    *,
    t: Array,
    periods: tuple[int, ...],
    activation: Activation,
) -> tuple[ElmanCarry, Array]:
    t = of_shape(t, "t", carry.h.shape[:-1])
    group = (*carry.h.shape[:-1], carry.h.shape[-1] // len(periods))
    works = jnp.concatenate([jnp.broadcast_to((t % p == 0)[..., None], group) for p in periods], -1)
    h = jnp.where(works, activation(x.h + recur(carry.h).h), carry.h)
    return ElmanCarry(h), h
