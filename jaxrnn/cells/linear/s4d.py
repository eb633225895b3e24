r"""S4D and S6: N states for each channel, whose input is the channel's own.

    s4d:  pole = -exp(decay) + i frequency,  dt = exp(step),  h_n' = a_n h_n + b_n x,  a and b as of `s5`
          y = 2 Re(sum_n output_n h_n') + skip x,                            output_n = output_re - i output_im
    s6:   dt = softplus(x @ kernel + bias),  B, C = x @ input_kernel, x @ output_kernel          N numbers each
          h_n' = exp(-dt exp(decay_n)) h_n + dt B_n x,                       y = sum_n C_n h_n' + skip x

The input has H features, one a channel. s6 is the selective scan of Mamba; its convolution, gate and kernels around are
layers of their own. a and b have N H numbers a row and step: they are there for some steps at a time, never for all.

Papers:
    Gu, Gupta, Goel & Re, On the parameterization and initialization of diagonal state space models, NeurIPS 2022
    (arXiv:2206.11893).
    Gu & Dao, Mamba: linear-time sequence modeling with selective state spaces, 2023 (arXiv:2312.00752).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Unpack

import jax.numpy as jnp
import numpy as np
from jax.nn import softplus

from jaxrnn.base.typing import Array
from jaxrnn.cells.linear.lru import ComplexCarry
from jaxrnn.cells.linear.min_gru import LinearCarry
from jaxrnn.cells.linear.s5 import LogUniform, discretized
from jaxrnn.core.cell import Cell
from jaxrnn.core.factory import Common, factory
from jaxrnn.core.linear_cell import UNSEEN, assemble, linear_of
from jaxrnn.core.options import Size, choices
from jaxrnn.core.parameter import Parameter
from jaxrnn.forms.diagonal import diagonal
from jaxrnn.functions.initializers import Normal, glorot_uniform, ones


def lin(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """S4D-Lin: decay of poles -1/2 and frequencies pi n, `[2, N, H]` as `[2 N, H]`."""
    states = shape[0] // 2
    rows = np.concatenate([np.full(states, np.log(0.5)), np.pi * np.arange(states)])
    return jnp.broadcast_to(jnp.asarray(rows, dtype)[:, None], shape)


def rising(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """S4D-Real: poles -1, -2, ... -N of each channel, as logarithms."""
    return jnp.broadcast_to(jnp.log(jnp.arange(1, shape[0] + 1, dtype=dtype))[:, None], shape)


@dataclass(frozen=True)
class SoftplusOf:
    """Biases whose softplus is uniform in its logarithm within [low, high).

    >>> SoftplusOf(0.001, 0.1) == SoftplusOf(0.001, 0.1)
    True
    """

    low: float
    high: float

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        return jnp.log(jnp.expm1(jnp.exp(LogUniform(self.low, self.high)(key, shape, dtype))))


@factory(*UNSEEN, use_bias=False, input=diagonal, kernel_init=ones)
def s4d(
    size: int,
    *,
    states: Size = 32,
    discretization: Annotated[str, choices("zoh", "bilinear")] = "zoh",
    **common: Unpack[Common],
) -> Cell:
    """Diagonal state-space layer, gate x, one system for each channel.

    The equations are at the head of this file. Parameters: `kernel [1, H]`, the paper's B, `pole [2 N, H]` of N decays
    and N frequencies, `step [H]`, `output_re [N, H]`, `output_im [N, H]`, `skip [H]`. `input` is `jaxrnn.diagonal` by
    default; with another form channels see a product of the input.

    Args:
        size: H, the number of channels.
        states: N, of each channel, each for itself and its conjugate: 2 N states in the paper's words.
        discretization: "zoh", the input is held over a step, or "bilinear".
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `ComplexCarry(re, im)`, `[*B, N H]` each, one state of all channels after the other.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.s4d(4, states=3).init(jax.random.key(0), inputs=4)
    >>> {name: a.shape for name, a in params.items() if name in ("kernel", "pole", "output_re")}
    {'kernel': (1, 4), 'output_re': (3, 4), 'pole': (6, 4)}
    """
    output = Parameter((states, "H"), Normal(0.5**0.5))
    return assemble(
        "s4d",
        size,
        ("x",),
        ComplexCarry,
        linear_of(_s4d, _channels),
        {"discretization": discretization},
        carry_sizes=(states * size, states * size),
        units={
            "pole": Parameter((2 * states, "H"), lin),
            "step": Parameter(("H",), LogUniform(0.001, 0.1)),
            "output_re": output,
            "output_im": output,
            "skip": Parameter(("H",), Normal(1.0)),
        },
        paper="Gu et al. 2022",
        common=common,
    )


@factory(*UNSEEN)
def s6(size: int, *, states: Size = 16, **common: Unpack[Common]) -> Cell:
    """The selective scan of Mamba, gate dt: step sizes, inputs and outputs depend on the input.

    The equations are at the head of this file. Parameters: `kernel [H, 1, H]` and `bias [1, H]` of dt,
    `input_kernel [H, N]`, `output_kernel [H, N]`, `decay [N, H]`, `skip [H]`. Mamba's kernel of dt is of low rank:
    `input=jaxrnn.low_rank(r)`. Equations read the inputs themselves, so that these are not projected before them.

    Args:
        size: H, the number of channels, and of inputs.
        states: N, of each channel.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LinearCarry(h)`, `[*B, N H]`, one state of all channels after the other.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.s6(4, states=3).init(jax.random.key(0), inputs=4)
    >>> {name: a.shape for name, a in params.items() if name in ("decay", "input_kernel", "kernel")}
    {'decay': (3, 4), 'input_kernel': (4, 3), 'kernel': (4, 1, 4)}
    """
    side = Parameter(("D", states), glorot_uniform, "recurrent")
    return assemble(
        "s6",
        size,
        ("dt",),
        LinearCarry,
        linear_of(_s6, _selected),
        carry_sizes=(states * size,),
        units={
            "input_kernel": side,
            "output_kernel": side,
            "decay": Parameter((states, "H"), rising),
            "skip": Parameter(("H",), ones),
        },
        special_bias=SoftplusOf(0.001, 0.1),
        reads=size,
        paper="Gu & Dao 2023",
        common=common,
    )


def _s4d(x: Any, theta: dict[str, Any], *, discretization: str) -> tuple[Any, Any]:
    states, dt = len(theta["pole"]) // 2, jnp.exp(theta["step"])
    poles = zip(theta["pole"][:states], theta["pole"][states:], strict=True)
    made = [discretized(discretization, -jnp.exp(decay), frequency, dt) for decay, frequency in poles]
    a, b = (tuple(jnp.concatenate([m[k][part] for m in made], -1) for part in (0, 1)) for k in (0, 1))
    repeated = jnp.concatenate([x.x] * states, -1)
    return a, (b[0] * repeated, b[1] * repeated)


def _channels(carry: ComplexCarry, x: Any, recur: Any, theta: dict[str, Any]) -> Array:
    weights = (theta["output_re"], theta["output_im"])
    parts = [jnp.split(h, len(w), -1) for h, w in zip(carry, weights, strict=True)]
    total = sum(w * h for of, ws in zip(parts, weights, strict=True) for h, w in zip(of, ws, strict=True))
    return 2 * total + theta["skip"] * x.x


def _s6(x: Any, recur: Any, theta: dict[str, Any]) -> tuple[Array, Array]:
    dt = recur(x.dt, kernel="kernel").dt
    dt = softplus(dt + theta["bias"][0] if "bias" in theta else dt)
    taken = recur(x.dt, kernel="input_kernel")
    a = jnp.concatenate([jnp.exp(-dt * jnp.exp(decay)) for decay in theta["decay"]], -1)
    given = (taken[..., None] * (dt * x.dt)[..., None, :]).reshape(a.shape)
    return a, given


def _selected(carry: LinearCarry, x: Any, recur: Any, theta: dict[str, Any]) -> Array:
    weights = recur(x.dt, kernel="output_kernel")
    states = carry.h.reshape(*weights.shape, -1)
    return (weights[..., None] * states).sum(-2) + theta["skip"] * x.dt
