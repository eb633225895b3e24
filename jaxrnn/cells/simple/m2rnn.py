r"""M2RNN: a nonlinear recurrence whose state is a matrix, `[K, V]` in each of N heads.

    q, k, v = x @ query_kernel, x @ key_kernel, x @ kernel    query and key of K numbers a head, value of V
    f = sigmoid(x @ forget_kernel + forget_bias)              one number a head
    h' = f * h + (1 - f) * tanh(h @ recurrent_kernel + k v^T)
    y = q h'

A head's K rows are those of a leaky simple recurrent network of V units, all with one recurrent kernel: no gate sees
the state. With decay="exponential", as in the authors' layer, f = exp(-exp(forget_rate) softplus(x @ forget_kernel +
forget_bias)); the operation of their library takes f as it comes, without the sigmoid. The convolution before, and the
skip, gate and norm after are layers of their own.

Papers:
    Mishra et al., M2RNN, 2026 (arXiv:2603.14360).
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, Unpack

import jax.numpy as jnp
from jax.nn import sigmoid, softplus, tanh

from jaxrnn.base.checks import check_size
from jaxrnn.base.typing import Activation, Array
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Function, Size, choices
from jaxrnn.core.parameter import Parameter
from jaxrnn.forms.heads import heads, heads_of
from jaxrnn.functions.initializers import glorot_uniform, zeros
from jaxrnn.programs.serialized import serialized


@serialized
class M2RNNCarry(NamedTuple):
    """The matrices of all heads, one row of all heads after the other: `[K, N, V]`, flat."""

    h: Array  # [*B, K * H]


def identity(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """Ones on the diagonal."""
    return jnp.eye(shape[0], shape[1], dtype=dtype)


@factory(recurrent=heads(4), recurrent_kernel_init=identity, use_bias=False)
def m2rnn(
    size: int,
    *,
    keys: Size = 16,
    decay: Annotated[str, choices("sigmoid", "exponential")] = "sigmoid",
    activation: Function = tanh,
    **common: Unpack[Common],
) -> Cell:
    """M2RNN, whose state is a matrix a head; one gate v.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]` of the values, H = N V;
    `query_kernel [D, N K]`, `key_kernel [D, N K]`, head after head; `recurrent_kernel [N, V, 1, V]`, the identity at
    first; `forget_kernel [D, N]`, `forget_bias [N]`, and with decay="exponential" `forget_rate [N]`. `recurrent` is
    `jaxrnn.heads(4)` by default, and says N. Queries and keys are more numbers than the state has units, so that inputs
    are not projected before the loop.

    Args:
        size: H, the numbers of the values, and of the output, of all heads together.
        keys: K, the rows of the state.
        decay: how f is made.
        activation: of the candidate.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `M2RNNCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.m2rnn(8, keys=3, recurrent=jaxrnn.heads(2))
    >>> params = cell.init(jax.random.key(0), inputs=5)
    >>> carry, ys = jaxrnn.scan(cell, params, jax.numpy.ones((7, 2, 5)))
    >>> carry.h.shape, ys.shape
    ((2, 24), (7, 2, 8))
    """
    count = heads_of(common["recurrent"])
    units = {
        "query_kernel": Parameter(("D", count * keys), glorot_uniform, "recurrent"),
        "key_kernel": Parameter(("D", count * keys), glorot_uniform, "recurrent"),
        "forget_kernel": Parameter(("D", count), glorot_uniform, "recurrent"),
        "forget_bias": Parameter((count,), zeros),
    }
    if decay == "exponential":
        units["forget_rate"] = Parameter((count,), zeros)
    return build(
        "m2rnn",
        size,
        ("v",),
        M2RNNCarry,
        Update(_m2rnn, (("count", count), ("keys", keys), ("decay", decay), ("activation", activation))),
        carry_sizes=(keys * check_size(size, "size"),),
        units=units,
        reads="D",
        paper="Mishra et al. 2026",
        common=common,
    )


def _m2rnn(
    carry: M2RNNCarry,
    x: Any,
    recur: Any,
    theta: dict[str, Any],
    *,
    count: int,
    keys: int,
    decay: str,
    activation: Activation,
) -> tuple[M2RNNCarry, Array]:
    batch = carry.h.shape[:-1]
    values = carry.h.shape[-1] // (keys * count)
    rows, matrices = (*batch, keys, count * values), (*batch, keys, count, values)
    by_head = lambda a: jnp.swapaxes(a.reshape(*batch, count, keys), -1, -2)[..., None]  # noqa: E731

    q = by_head(recur(x.v, kernel="query_kernel"))  # [*B, K, N, 1]
    k = by_head(recur(x.v, kernel="key_kernel"))
    v = recur(x.v, kernel="kernel").v
    if "bias" in theta:
        v = v + theta["bias"][0]
    v = v.reshape(*batch, 1, count, values)
    f = recur(x.v, kernel="forget_kernel") + theta["forget_bias"]
    f = sigmoid(f) if decay == "sigmoid" else _decayed(theta["forget_rate"], f)
    f = f[..., None, :, None]

    h = carry.h.reshape(matrices)
    new = activation(recur(carry.h.reshape(rows)).v.reshape(matrices) + k * v)
    h = f * h + (1 - f) * new
    return M2RNNCarry(h.reshape(carry.h.shape)), (q * h).sum(-3).reshape(*batch, count * values)


def _decayed(rate: Array, a: Array) -> Array:
    """exp(-exp(rate) softplus(a)), whose two factors may be more and less than the dtype holds where f is neither."""
    low, high = -40.0, 10.0  # below, softplus(a) is exp(a) to the last digit; above, f and its derivative are zero
    log_softplus = jnp.where(a < low, a, jnp.log(softplus(jnp.maximum(a, low))))
    return jnp.exp(-jnp.exp(jnp.minimum(rate + log_softplus, high)))
