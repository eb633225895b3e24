r"""S5, a simplified state-space layer: one system of many inputs and outputs, diagonal and complex.

    pole = -exp(decay) + i frequency,            dt = exp(step)
    a = exp(dt pole),   b = (a - 1) / pole (x_re + i x_im)                                       zoh
    a = (1 + dt pole / 2) / (1 - dt pole / 2),   b = dt / (1 - dt pole / 2) (x_re + i x_im)      bilinear
    h' = a h + b
    y = 2 Re(h' @ output_kernel) + x_skip,       output_kernel = output_re - i output_im

A unit stands for itself and its conjugate, so that 2 H states of the paper's are H units. Poles are drawn as those of
the normal part of the HiPPO-LegS matrix; B and C as what normal matrices are in the basis of its eigenvectors, which
are normal numbers again; dt between 0.001 and 0.1. The paper's D, a vector, is here the kernel of the gate skip.

Papers:
    Smith, Warrington & Linderman, Simplified state space layers for sequence modeling, ICLR 2023 (arXiv:2208.04933).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.typing import Array
from jaxrnn.cells.linear.lru import HALF, ComplexCarry
from jaxrnn.core.cell import Cell
from jaxrnn.core.factory import Common, factory
from jaxrnn.core.linear_cell import UNSEEN, assemble, linear_of
from jaxrnn.core.options import choices
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import Normal


def legs(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """decay and frequency of the normal part of the HiPPO-LegS matrix, of each conjugate pair one: `[2, H]`."""
    count = 2 * shape[-1]
    root = np.sqrt(2 * np.arange(count) + 1)
    skew = np.tril(root[:, None] * root[None, :] / 2, -1)  # of -(tril + I / 2): what is left when P P^T is added
    frequency = np.linalg.eigvalsh(1j * (skew - skew.T))[shape[-1] :]
    return jnp.asarray(np.stack([np.full(shape[-1], np.log(0.5)), frequency]), dtype)


@dataclass(frozen=True)
class LogUniform:
    """Logarithms of numbers that are uniform in their logarithm within [low, high).

    >>> LogUniform(0.001, 0.1) == LogUniform(0.001, 0.1)
    True
    """

    low: float
    high: float

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        return jax.random.uniform(key, shape, dtype, np.log(self.low), np.log(self.high))


@factory(*UNSEEN, use_bias=False)
def s5(
    size: int, *, discretization: Annotated[str, choices("zoh", "bilinear")] = "zoh", **common: Unpack[Common]
) -> Cell:
    """Simplified state-space layer, gates re, im, skip.

    The equations are at the head of this file. Parameters: `kernel [D, 3, H]`, `pole [2, H]` of decay and frequency,
    `step [H]`, `output_re [H, H]`, `output_im [H, H]`; with `use_bias=True` `bias [3, H]`, which the paper has not.

    Args:
        size: H, the number of conjugate pairs of states, and of outputs.
        discretization: "zoh", the input is held over a step, or "bilinear".
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `ComplexCarry(re, im)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.s5(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'kernel': (3, 3, 4), 'output_im': (4, 4), 'output_re': (4, 4), 'pole': (2, 4), 'step': (4,)}
    """
    output = Parameter(("H", "H"), Normal((4 * size) ** -0.5), "recurrent")
    units = {"pole": Parameter((2, "H"), legs), "step": Parameter(("H",), LogUniform(0.001, 0.1))}
    return assemble(
        "s5",
        size,
        ("re", "im", "skip"),
        ComplexCarry,
        linear_of(_s5, _output),
        {"discretization": discretization},
        units=units | {"output_re": output, "output_im": output},
        paper="Smith et al. 2023",
        common=Common(**{**Common(kernel_init={"re": HALF, "im": HALF}), **common}),
    )


def _s5(x: Any, theta: dict[str, Any], *, discretization: str) -> tuple[Any, Any]:
    decay, frequency = theta["pole"]
    a, b = discretized(discretization, -jnp.exp(decay), frequency, jnp.exp(theta["step"]))
    return a, (b[0] * x.re - b[1] * x.im, b[0] * x.im + b[1] * x.re)


def discretized(how: str, re: Array, im: Array, dt: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """a and the factor of the input, of systems with poles `re + i im`, as pairs."""
    if how == "bilinear":
        left, turn = 1 - dt * re / 2, dt * im / 2
        size = left * left + turn * turn
        right = 1 + dt * re / 2
        return ((right * left - turn * turn) / size, 2 * turn / size), (dt * left / size, dt * turn / size)
    grown, angle = jnp.exp(dt * re), dt * im
    a = grown * jnp.cos(angle), grown * jnp.sin(angle)
    size = re * re + im * im
    # a - 1 without the digits that the difference would lose: exp(p) - 1 + exp(p) (cos - 1).
    half = jnp.sin(angle / 2)
    less = jnp.expm1(dt * re) - 2 * grown * half * half
    # Where p = dt pole is near zero that quotient has no digits left, or is 0 / 0; here by its series.
    real = dt * re
    near = real * real + angle * angle < jnp.finfo(size.dtype).eps
    size = jnp.where(near, 1, size)
    b = (less * re + a[1] * im) / size, (a[1] * re - less * im) / size
    series = 1 + real / 2 + (real * real - angle * angle) / 6, angle / 2 + real * angle / 3
    return a, (jnp.where(near, dt * series[0], b[0]), jnp.where(near, dt * series[1], b[1]))


def _output(carry: ComplexCarry, x: Any, recur: Any, theta: dict[str, Any]) -> Array:
    return 2 * (recur(carry.re, kernel="output_re") + recur(carry.im, kernel="output_im")) + x.skip
