r"""Orthogonal recurrent network by the exponential map.

    Q = exp(U - U^T)                          orthogonal whatever U is, so that no state grows or fades
    h' = modReLU(x + h @ Q)
    modReLU(a) = sign(a) * relu(|a| + bias)

Papers:
    Lezcano-Casado & Martinez-Rubio, Cheap orthogonal constraints in neural networks: a simple parametrization of the
    orthogonal and unitary group, ICML 2019 (arXiv:1901.08428).
    Arjovsky, Shah & Bengio, Unitary evolution recurrent neural networks, ICML 2016 (modReLU).
    Helfrich, Willmott & Ye, Orthogonal recurrent neural networks with scaled Cayley transform, ICML 2018 (the initial
    angles).
"""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp
from jax.nn import relu

from jaxrnn.base.typing import Array
from jaxrnn.cells.elman import ElmanCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory, within
from jaxrnn.forms.maps import orthogonal
from jaxrnn.functions.initializers import Uniform


def angles(key: Array, shape: tuple[int, ...], dtype: Any = float) -> Array:
    """U whose U - U^T has blocks [[0, s], [-s, 0]] along the diagonal, s = -tan(u / 2), u ~ U(0, pi / 2)."""
    size = shape[-1]
    s = -jnp.tan(jax.random.uniform(key, (*shape[:-2], size // 2), dtype, 0, jnp.pi / 2) / 2)
    first = 2 * jnp.arange(size // 2)
    return jnp.zeros(shape, dtype).at[..., first, first + 1].set(s)


@factory(recurrent_kernel_init=angles, bias_init=Uniform(0.01))
def exp_rnn(size: int, **common: Unpack[Common]) -> Cell:
    """Orthogonal recurrent network by the exponential map, one gate h.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]`, `recurrent_kernel [H, 1, H]`, the raw U,
    `bias [1, H]`, the threshold of modReLU, which starts within [-0.01, 0.01); no other is added. The option
    `recurrent` is the form of U, dense or heads. Without a bias the network is linear.

    The authors' code reads the part of U above the diagonal alone: the same matrices. The matrix is made once before a
    sequence; `cell.prepare(params)` does so for many steps.

    Args:
        size: H, the number of units.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `ElmanCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.exp_rnn(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> kernel = cell.prepare(params)["recurrent_kernel"].arrays[0][:, 0]  # Q
    >>> bool(jax.numpy.allclose(kernel @ kernel.T, jax.numpy.eye(4), atol=1e-6))
    True
    """
    return build(
        "exp_rnn",
        size,
        ("h",),
        ElmanCarry,
        Update(_exp_rnn),
        bias_role="unit",
        paper="Lezcano-Casado & Martinez-Rubio 2019",
        common=within(common, "recurrent", lambda form: orthogonal(of=form), matrices=True),
    )


def _exp_rnn(carry: ElmanCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[ElmanCarry, Array]:
    a = x.h + recur(carry.h).h
    (bias,) = theta.get("bias", (0.0,))
    h = jnp.sign(a) * relu(jnp.abs(a) + bias)
    return ElmanCarry(h), h
