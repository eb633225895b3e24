r"""The linear recurrent unit: a complex number of absolute value below one for each unit.

    a = exp(-exp(nu) + i exp(theta))
    h' = a h + exp(gamma) (x_re + i x_im)
    y = Re(h' @ output_kernel) + x_skip,         output_kernel = output_re - i output_im

Drawn so that a lies in a ring, its square of absolute value uniformly, with angles up to `angle`, and with
exp(gamma) = sqrt(1 - abs(a)^2), so that states have the size of inputs. The paper's D, a matrix, is the kernel of the
gate skip; the norm, the gate and the nonlinearity around it are layers of their own.

Papers:
    Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu & De, Resurrecting recurrent neural networks for long sequences,
    ICML 2023 (arXiv:2303.06349).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.typing import Array
from jaxrnn.core.cell import Cell
from jaxrnn.core.factory import Common, factory
from jaxrnn.core.linear_cell import UNSEEN, assemble, linear_of
from jaxrnn.core.options import Conflict, numbers
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import Normal
from jaxrnn.programs.serialized import serialized

HALF = jax.nn.initializers.variance_scaling(0.5, "fan_in", "normal")
PART = numbers("a number within [0, 1]", lambda v: 0 <= v <= 1)


@serialized
class ComplexCarry(NamedTuple):
    """The state's real and imaginary part."""

    re: Array  # [*B, H]
    im: Array  # [*B, H]


@dataclass(frozen=True)
class Ring:
    """nu, theta and gamma of numbers in a ring: absolute values within [smallest, largest], angles within [0, angle].

    >>> Ring(0.0, 0.99, 3.14) == Ring(0.0, 0.99, 3.14)
    True
    """

    smallest: float
    largest: float
    angle: float

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        of_size, of_angle = jax.random.split(key)
        tiny = np.finfo(np.float32).tiny
        square = jax.random.uniform(of_size, shape[1:], jnp.float32, self.smallest**2, self.largest**2)
        nu = jnp.log(-0.5 * jnp.log(jnp.maximum(square, tiny)))
        theta = jnp.log(jax.random.uniform(of_angle, shape[1:], jnp.float32, tiny, self.angle))
        gamma = 0.5 * jnp.log1p(-square)
        return jnp.stack([nu, theta, gamma]).astype(dtype)


@factory(
    Conflict("largest", "above `smallest`, and below 1", lambda o: not o.smallest < o.largest < 1),
    *UNSEEN,
    use_bias=False,
)
def lru(
    size: int,
    *,
    smallest: Annotated[float, PART] = 0.0,
    largest: Annotated[float, PART] = 0.99,
    angle: Annotated[float, numbers("a number above 0", lambda v: v > 0)] = 6.28,
    **common: Unpack[Common],
) -> Cell:
    """Linear recurrent unit, gates re, im, skip.

    The equations are at the head of this file. Parameters: `kernel [D, 3, H]`, `ring [3, H]` of nu, theta and gamma,
    `output_re [H, H]`, `output_im [H, H]`; with `use_bias=True` `bias [3, H]`, which the paper has not.

    Args:
        size: H, the number of complex units, and of outputs.
        smallest, largest: of the absolute values at first; the paper takes up to 0.999 for long memory.
        angle: the largest at first.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `ComplexCarry(re, im)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.lru(4, largest=0.999).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'kernel': (3, 3, 4), 'output_im': (4, 4), 'output_re': (4, 4), 'ring': (3, 4)}
    """
    output = Parameter(("H", "H"), Normal(size**-0.5), "recurrent")
    return assemble(
        "lru",
        size,
        ("re", "im", "skip"),
        ComplexCarry,
        linear_of(_lru, _output),
        units={"ring": Parameter((3, "H"), Ring(smallest, largest, angle)), "output_re": output, "output_im": output},
        paper="Orvieto et al. 2023",
        common=Common(**{**Common(kernel_init={"re": HALF, "im": HALF}), **common}),
    )


def _lru(x: Any, theta: dict[str, Any]) -> tuple[Any, Any]:
    nu, phase, gamma = theta["ring"]
    size, angle, scale = jnp.exp(-jnp.exp(nu)), jnp.exp(phase), jnp.exp(gamma)
    return (size * jnp.cos(angle), size * jnp.sin(angle)), (scale * x.re, scale * x.im)


def _output(carry: ComplexCarry, x: Any, recur: Any, theta: dict[str, Any]) -> Array:
    return recur(carry.re, kernel="output_re") + recur(carry.im, kernel="output_im") + x.skip
