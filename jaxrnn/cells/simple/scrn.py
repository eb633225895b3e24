r"""Structurally constrained recurrent network: a slow context beside the state.

    s' = (1 - alpha) * x_s + alpha * s        context, a leaky sum of inputs
    h' = sigmoid(x_h + (h, s') @ recurrent_kernel)
    y = (h', s')                              what a readout sees

Papers:
    Mikolov, Joulin, Chopra, Mathieu & Ranzato, Learning longer memory in recurrent neural networks, arXiv:1412.7753,
    2014, equations 3 to 5.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, Unpack

import jax.numpy as jnp
from jax.nn import sigmoid

from jaxrnn.base.checks import check_size
from jaxrnn.base.typing import Array
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory, within
from jaxrnn.core.options import Conflict, Size, numbers
from jaxrnn.forms.narrow import Narrow
from jaxrnn.programs.serialized import serialized


@serialized
class SCRNCarry(NamedTuple):
    """Context and state."""

    s: Array  # [*B, S]
    h: Array  # [*B, H]


@factory(Conflict("context", "the number of units, or less", lambda o: o.context is not None and o.context > o.size))
def scrn(
    size: int,
    *,
    context: Size | None = None,
    alpha: Annotated[float, numbers("a number in [0, 1]", lambda value: 0 <= value <= 1)] = 0.95,
    **common: Unpack[Common],
) -> Cell:
    """Structurally constrained recurrent network, gates h, s.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]` and `kernel_context [D, 1, S]`,
    `recurrent_kernel [H + S, 1, H]`, the paper's R above its P, `bias [1, H]`. The option `input` is the form of both
    kernels of the input.

    The output is h' and s' side by side, `[*B, H + S]`: the paper's readout has a matrix for each. The paper has no
    bias, which is `use_bias=False`.

    Args:
        size: H, the number of units.
        context: S, the number of contextual units, H at most; None for H. The paper has 40 beside 100 to 300.
        alpha: in [0, 1], how slowly the context follows the inputs.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `SCRNCarry(s, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.scrn(4, context=2)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> carry, ys = jaxrnn.scan(cell, params, jax.numpy.ones((7, 2, 3)))
    >>> ys.shape, carry.s.shape
    ((7, 2, 6), (2, 2))
    """
    size = check_size(size, "size")
    S = size if context is None else context
    return build(
        "scrn",
        size,
        ("h", "s"),
        SCRNCarry,
        Update(_scrn, (("alpha", alpha),)),
        carry_sizes=(S, "H"),
        recurrent_gates=("h",),
        bias_gates=("h",),
        projection=size + S,
        paper="Mikolov et al. 2014",
        common=within(common, "input", lambda form: Narrow(form, ("s",), S, "_context")),
    )


def _scrn(carry: SCRNCarry, x: Any, recur: Any, theta: dict[str, Any], *, alpha: float) -> tuple[SCRNCarry, Array]:
    s = (1 - alpha) * x.s[..., : carry.s.shape[-1]] + alpha * carry.s
    seen = recur(jnp.concatenate([carry.h, s], -1), gates=("h",))
    h = sigmoid(x.h + seen.h)
    return SCRNCarry(s, h), jnp.concatenate([h, s], -1)
