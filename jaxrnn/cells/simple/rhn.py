r"""Recurrent highway network.

    s = h;  for each of `depth` micro-steps, of which the first alone sees the input:
        n = tanh(x_n + s_n)
        t = sigmoid(x_t + s_t)                how much of the new is taken
        c = sigmoid(x_c + s_c), or 1 - t      how much of the old is kept
        s = n * t + s * c
    h' = s

with s_n, s_t, s_c products of s with that micro-step's kernel.

Papers:
    Zilly, Srivastava, Koutnik & Schmidhuber, Recurrent highway networks, ICML 2017 (arXiv:1607.03474), eq. (6) to (9).
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.gru import GRUCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Flag, Number, Size
from jaxrnn.functions.initializers import Constant


@factory()
def rhn(
    size: int,
    *,
    depth: Size = 10,
    coupled: Flag = True,
    transform_bias: Number = -2.0,
    **common: Unpack[Common],
) -> Cell:
    """Recurrent highway network, gates n, t, c; n, t where c is coupled.

    The equations are at the head of this file. Parameters: `kernel [D, G, H]`, and for the first micro-step
    `recurrent_kernel [H, G, H]` and `bias [G, H]`, for the second `recurrent_kernel_2` and `bias_2`, and so on. What
    options say of the recurrent kernel and of the bias is for all micro-steps.

    Args:
        size: H, the number of units.
        depth: the number of micro-steps.
        coupled: c = 1 - t, as in the paper's experiments, without a gate of its own.
        transform_bias: initial bias of t in all micro-steps. Only an initial value: nothing is added at run time.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.rhn(4, depth=2).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items() if "kernel" in name}
    {'kernel': (3, 2, 4), 'recurrent_kernel': (4, 2, 4), 'recurrent_kernel_2': (4, 2, 4)}
    """
    return build(
        "rhn",
        size,
        ("n", "t") if coupled else ("n", "t", "c"),
        GRUCarry,
        Update(_rhn, (("depth", depth), ("coupled", coupled))),
        special_bias={"t": Constant(transform_bias)},
        depth=depth,
        paper="Zilly et al. 2017",
        common=common,
    )


def _rhn(
    carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any], *, depth: int, coupled: bool
) -> tuple[GRUCarry, Array]:
    s = carry.h
    for micro in range(1, depth + 1):
        first = micro == 1
        product = recur(s, kernel="recurrent_kernel" if first else f"recurrent_kernel_{micro}")
        beside = x if first else theta.get(f"bias_{micro}", (0,) * len(x))
        n, t, *c = (a + b for a, b in zip(product, beside, strict=True))
        t = sigmoid(t)
        s = tanh(n) * t + s * (1 - t if coupled else sigmoid(c[0]))
    return GRUCarry(s), s
