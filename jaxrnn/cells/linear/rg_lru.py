r"""The real-gated linear recurrent unit of Griffin and Hawk.

    r, i = sigmoid(x_r), sigmoid(x_i)
    a = exp(-8 softplus(decay) r)
    h' = a h + sqrt(1 - a^2) i x                 x: the input as it is, of H features

The paper writes a^(8 r) of a = sigmoid(Lambda): its Lambda is minus our `decay`, as in the authors' code, which drops
the root at a segment's first step; the paper, and this, does not. `decay` is drawn such that a lies uniformly within
[0.9, 0.999] where r is one. 1 - a^2 is computed of the logarithm of a, so that it is exact near zero.

Papers:
    De et al., Griffin: mixing gated linear recurrences with local attention for efficient language models, 2024
    (arXiv:2402.19427).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Unpack

import jax
import jax.numpy as jnp
from jax.nn import sigmoid, softplus

from jaxrnn.base.typing import Array
from jaxrnn.cells.linear.min_gru import LinearCarry
from jaxrnn.core.cell import Cell
from jaxrnn.core.factory import Common, factory, within
from jaxrnn.core.linear_cell import UNSEEN, assemble, linear_of
from jaxrnn.core.options import numbers
from jaxrnn.core.parameter import Parameter
from jaxrnn.forms.identity import identity

ABOVE = numbers("a number above 0", lambda v: v > 0)


@dataclass(frozen=True)
class Decay:
    """`decay` of which a is within [smallest, largest] where r is one.

    >>> Decay(0.9, 0.999, 8.0) == Decay(0.9, 0.999, 8.0)
    True
    """

    smallest: float
    largest: float
    power: float

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        a = jax.random.uniform(key, shape, jnp.float32, self.smallest, self.largest)
        return jnp.log(jnp.expm1(-jnp.log(a) / self.power)).astype(dtype)


@factory(*UNSEEN)
def rg_lru(size: int, *, power: Annotated[float, ABOVE] = 8.0, **common: Unpack[Common]) -> Cell:
    """Real-gated linear recurrent unit, gates r, i, and x, which is the input as it is.

    The equations are at the head of this file. Parameters: `kernel [H, 2, H]` and `bias [2, H]` of r and i, and
    `decay [H]`. `input` is the form of the kernels, dense or heads: the authors' are `jaxrnn.heads(N)`.

    Args:
        size: H, the number of units, and of inputs.
        power: 8 in the paper.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LinearCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.rg_lru(4).init(jax.random.key(0), inputs=4)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (2, 4), 'decay': (4,), 'kernel': (4, 2, 4)}
    """
    return assemble(
        "rg_lru",
        size,
        ("r", "i", "x"),
        LinearCarry,
        linear_of(_rg_lru),
        {"power": power},
        bias_gates=("r", "i"),
        units={"decay": Parameter(("H",), Decay(0.9, 0.999, power))},
        paper="De et al. 2024",
        common=within(common, "input", lambda form: identity("x", of=form), matrices=True),
    )


def _rg_lru(x: Any, theta: dict[str, Any], *, power: float) -> tuple[Array, Array]:
    logarithm = -power * softplus(theta["decay"]) * sigmoid(x.r)
    rest = -jnp.expm1(2 * logarithm)
    some = rest > 0  # where a is one, the root has no derivative, and nothing is taken in
    root = jnp.where(some, jnp.sqrt(jnp.where(some, rest, jnp.ones_like(rest))), jnp.zeros_like(rest))
    return jnp.exp(logarithm), root * sigmoid(x.i) * x.x
