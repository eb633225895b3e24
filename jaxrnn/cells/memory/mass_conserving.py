r"""Mass-conserving LSTM: what comes in is kept, moved or put out, and none is made or lost.

    s = c / sum(c)                            what the gates see of the cells; 0 where the sum is 0
    i = softmax(x_i + s_i)                    to which cells each mass goes, [M, H]
    R = softmax(x_R + s_R)                    to which cells the content of each goes, [H, H]
    o = sigmoid(x_o + s_o)                    output gate
    m = c @ R + mass @ i
    c' = (1 - o) * m
    y = o * m

The softmax is over those who receive, so that the sums of c' and y make that of c and the mass.

Papers:
    Hoedt et al., MC-LSTM: mass-conserving LSTM, ICML 2021 (arXiv:2101.05186), equations 2 to 8.
"""

from __future__ import annotations

from math import isqrt
from typing import Any, NamedTuple, Unpack

import jax.numpy as jnp
from jax.nn import sigmoid, softmax

from jaxrnn.base.checks import check_size
from jaxrnn.base.typing import Array
from jaxrnn.cells.given import of_shape
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Size
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import Constant, glorot_uniform, zeros
from jaxrnn.programs.serialized import serialized


@serialized
class MassCarry(NamedTuple):
    """What each cell holds."""

    c: Array  # [*B, H]


def stay(key: Array, shape: tuple[int, ...], dtype: Any = float) -> Array:
    """The identity, row after row: what is in a cell is to stay there."""
    return jnp.eye(isqrt(shape[0]), dtype=dtype).reshape(shape)


@factory()
def mass_conserving_lstm(size: int, *, masses: Size = 1, **common: Unpack[Common]) -> Cell:
    """Mass-conserving LSTM, gate o, and two that are matrices, i and R.

    The equations are at the head of this file. The input x, of which the gates are made, brings no mass; the per-step
    input `mass [T, *B, M]` does. Parameters of gate o: `kernel [D, 1, H]`, `recurrent_kernel [H, 1, H]`, `bias [1, H]`,
    which starts at -3. Of i, with rows of x and then of s, and a matrix in each: `input_kernel [D + H, M H]`,
    `input_bias [M H]`. Of R likewise: `redistribution_kernel [D + H, H H]`, `redistribution_bias [H H]`, which starts
    at the identity.

    Each step has matrices of its own, which the native backend declines.

    Args:
        size: H, the number of cells.
        masses: M, the number of inputs that are mass.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `MassCarry(c)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.mass_conserving_lstm(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> carry, ys = jaxrnn.scan(
    ...     cell, params, jax.numpy.ones((7, 2, 3)), per_step={"mass": jax.numpy.ones((7, 2, 1))}
    ... )
    >>> bool(jax.numpy.allclose(carry.c.sum(-1) + ys.sum((0, 2)), 7.0))
    True
    """
    H = check_size(size, "size")
    kernels = {
        f"{name}_kernel": Parameter(("D+H", rows * H), glorot_uniform, "recurrent")
        for name, rows in (("input", masses), ("redistribution", H))
    }
    biases = {"input_bias": Parameter((masses * H,), zeros), "redistribution_bias": Parameter((H * H,), stay)}
    return build(
        "mass_conserving_lstm",
        size,
        ("o",),
        MassCarry,
        Update(_mass_conserving),
        units=kernels | (biases if common.get("use_bias", True) else {}),
        special_bias={"o": Constant(-3.0)},
        per_step=("mass",),
        reads="D",
        paper="Hoedt et al. 2021",
        common=common,
    )


def _mass_conserving(
    carry: MassCarry, x: Any, recur: Any, theta: dict[str, Any], *, mass: Array
) -> tuple[MassCarry, Array]:
    c, mass = carry.c, mass.astype(carry.c.dtype)
    total = jnp.sum(c, -1, keepdims=True)
    share = c / jnp.where(total == 0, jnp.ones_like(total), total)

    seen = jnp.concatenate([x.o, share], -1)

    def sent(amounts: Array, name: str) -> Array:
        """To each cell, of what is in `amounts`."""
        net = recur(seen, kernel=f"{name}_kernel") + theta.get(f"{name}_bias", 0.0)
        of_shape(amounts, "mass", (*c.shape[:-1], net.shape[-1] // c.shape[-1]))
        weights = softmax(net.reshape(*amounts.shape, c.shape[-1]), -1)
        return jnp.sum(amounts[..., None] * weights, -2)

    m = sent(c, "redistribution") + sent(mass, "input")
    (bias,) = theta.get("bias", (0.0,))
    out = sigmoid(recur(x.o, kernel="kernel").o + recur(share).o + bias) * m
    return MassCarry(m - out), out
