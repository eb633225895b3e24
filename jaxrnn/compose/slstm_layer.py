r"""The sLSTM as xLSTM's blocks have it: a causal convolution before two of its gates, and a norm of each head after it.

    v_t = silu(bias + sum_k kernel_k * x_(t - W + 1 + k))      over the last W inputs
    h_t = slstm(i, f from v_t; g, o from x_t)                  a head reads its own part of v and x, and of h
    y_t = norm * (h_t - mean) / sqrt(variance + 1e-5)          of each head

Papers:
    Beck et al., xLSTM: extended long short-term memory, NeurIPS 2024 (arXiv:2405.04517), figure 10.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_least, check_rate, check_size
from jaxrnn.base.errors import fail
from jaxrnn.base.made import remembered
from jaxrnn.base.placement import spread_over_devices
from jaxrnn.base.typing import Array, Axis, Carry, Params, PRNGKeyArray
from jaxrnn.cells.memory.slstm import SLSTMCarry, slstm
from jaxrnn.compose.causal import convolve, convolve_step
from jaxrnn.compose.features import dropped, normalised
from jaxrnn.compose.wrappers import Wrapper, check_same_size, floats
from jaxrnn.core.carries import in_order
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import entry
from jaxrnn.core.parameter import Parameter
from jaxrnn.engine.masks import clean, reset_steps
from jaxrnn.engine.sequence import Call
from jaxrnn.forms.heads import heads as in_heads
from jaxrnn.forms.sources import Sources
from jaxrnn.functions.initializers import Normal, Uniform, ones
from jaxrnn.programs.serialized import serialized

SOURCES = (2, 2)  # gates i and f read the convolved input, g and o the input itself


@serialized
class SLSTMLayerCarry(NamedTuple):
    """Of `slstm_layer`: the cell's carry, and what the convolution has seen."""

    cell: SLSTMCarry
    window: Array  # [*B, (W-1) * H], the last inputs, the oldest first


@dataclass(frozen=True, repr=False)
class SLSTMLayer(Wrapper):
    """Made by `slstm_layer`."""

    heads: int = 4  # E
    window: int = 4  # W, steps that the convolution sees
    dropout: float = 0.0  # of the cell's outputs

    @property
    def cell(self) -> Cell:
        return self.layer  # type: ignore[return-value]

    @property
    def noisy(self) -> bool:
        return self.dropout > 0

    def declare(self, inputs: int) -> dict[str, Any]:
        check_same_size(self.layer, inputs)
        cell = self.layer.declare(inputs * self._sources)
        dtype, convolution = cell["bias"].dtype, {}
        if self.window:
            drawn = Uniform(1 / sqrt(self.window))
            convolution["conv_kernel"] = Parameter((self.window, inputs), drawn, dtype=dtype)
            convolution["conv_bias"] = Parameter((inputs,), drawn, dtype=dtype)
        return convolution | {"slstm": cell, "norm": Parameter((inputs,), ones, dtype=dtype)}

    def inner_params(self, params: Params) -> Params:
        return entry(params, "slstm")

    def input_size(self, params: Params) -> int:
        return super().input_size(params) // self._sources

    def carry_shapes(self, batch: tuple[Axis, ...]) -> Carry:
        return SLSTMLayerCarry(self.layer.carry_shapes(batch), (*batch, self._seen))  # type: ignore[arg-type]

    def initial_carry(self, batch: tuple[Axis, ...], params: Params | None = None, dtype: Any = None) -> Carry:
        """Zeros; see `Cell.initial_carry`."""
        cell = super().initial_carry(batch, params, dtype)
        return SLSTMLayerCarry(cell, jnp.zeros((*batch, self._seen), cell.c.dtype))

    def pack(self, carry: Any, argument: str = "carry") -> Carry:
        expected = "a SLSTMLayerCarry(cell, window)"
        if not isinstance(carry, tuple) or len(carry) != 2:
            fail(argument, expected, carry, kind=TypeError)
        cell, window = in_order(carry, SLSTMLayerCarry._fields, argument, expected)
        return SLSTMLayerCarry(self.layer.pack(cell, f"{argument}[0]"), window)

    @property
    def _sources(self) -> int:
        return 2 if self.window else 1

    @property
    def _seen(self) -> int:
        return max(self.window - 1, 0) * self.layer.output_size

    def apply(self, run: Callable[..., Any], call: Call, reverse: bool) -> tuple[Carry, Any]:
        params, sequence, carry, fresh, rng = call
        inner, valid = self.inner_params(params), sequence.valid
        xs = floats(clean(valid, sequence.xs))
        read = xs = xs.astype(self.cell.compute_dtype(inner, xs))
        window = jnp.zeros((*xs.shape[1:-1], self._seen), xs.dtype) if carry is None else carry.window
        window = spread_over_devices(window, xs)
        if self.window:
            behind = None if fresh is None else fresh.window
            kernel, bias = _filters(params, xs.dtype)
            reset = reset_steps(sequence, reverse)
            vs, window = convolve(kernel, bias, xs, window, valid, reset, behind, reverse)
            read = jnp.concatenate([jax.nn.silu(vs), xs], -1)
        start, behind = (None if c is None else c.cell for c in (carry, fresh))
        cell, ys = run(self.layer, Call(inner, sequence._replace(xs=read), start, behind, None), reverse)
        ys = dropped(ys, self.dropout, rng, sequence.t)
        return SLSTMLayerCarry(cell, window.astype(cell.c.dtype)), clean(valid, self._normed(params, ys))

    def one_step(
        self, params: Params, carry: Carry, x: Array, rng: PRNGKeyArray | None, step: Any, per_step: dict[str, Any]
    ) -> tuple[Carry, Array]:
        inner, window = self.inner_params(params), carry.window
        read = x = floats(x).astype(self.cell.compute_dtype(inner, x))
        if self.window:
            v, window = convolve_step(*_filters(params, x.dtype), x, window)
            read = jnp.concatenate([jax.nn.silu(v), x], -1)
        cell, y = self.layer.one_step(inner, carry.cell, read, None, step, {})
        return SLSTMLayerCarry(cell, window), self._normed(params, dropped(y, self.dropout, rng, step))

    def _normed(self, params: Params, ys: Array) -> Array:
        return normalised(ys, params["norm"], self.heads)


def _filters(params: Params, dtype: Any) -> tuple[Array, Array]:
    return params["conv_kernel"].astype(dtype), params["conv_bias"].astype(dtype)


@remembered
def slstm_layer(
    size: int,
    *,
    heads: int = 4,
    window: int = 4,
    dropout: float = 0.0,
    forget: str = "sigmoid",
    depth: float = 0.0,
    dtype: Any = None,
    param_dtype: Any = None,
    carry_dtype: Any = None,
) -> SLSTMLayer:
    """`jaxrnn.slstm` in heads, with a causal convolution before the gates i and f, and a norm of each head behind.

        v = silu(convolution(x)),  h = slstm(i, f from v; g, o from x),  y = norm * (h - mean) / sqrt(variance + 1e-5)

    Parameters: `conv_kernel [W, H]`, `conv_bias [H]`, `slstm` with `kernel [N, H/N, 4, H/N]` and the rest of `slstm`'s,
    and `norm [H]`. The convolution sees the steps that count, and never what is behind a reset.

    Args:
        size: H, the number of cells, and of inputs.
        heads: N, which divides H.
        window: W, the inputs that the convolution sees, the present one among them; 0 for no convolution.
        dropout: the probability of dropping an output of the cell, in [0, 1); only with `rng`.
        forget, depth, dtype, param_dtype, carry_dtype: see `jaxrnn.slstm`.

    Returns:
        A Layer with a carry `SLSTMLayerCarry(cell, window)`, arrays `[*B, H]` and `[*B, (W-1) * H]`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    Paper: Beck et al., xLSTM: extended long short-term memory, NeurIPS 2024, figure 10.

    >>> import jax, jaxrnn
    >>> layer = jaxrnn.slstm_layer(8)
    >>> params = layer.init(jax.random.key(0), inputs=8)
    >>> carry, ys = jaxrnn.scan(layer, params, jax.numpy.ones((7, 2, 8)))
    >>> ys.shape, carry.window.shape
    ((7, 2, 8), (2, 24))
    """
    size, rate, window = check_size(size, "size"), check_rate(dropout, "dropout"), check_least(window, "window")
    if size % check_size(heads, "heads"):
        fail("heads", f"a divisor of size, {size}", heads)
    form = in_heads(heads)
    options: dict[str, Any] = dict(forget=forget, depth=depth, recurrent=form, input=form)
    options |= dict(dtype=dtype, param_dtype=param_dtype, carry_dtype=carry_dtype)
    cell = slstm(size, kernel_init=Normal(sqrt(2 / (5 * size))), **options)
    if window:
        declared = dict(cell.parameters)
        both = replace(declared["kernel"], shape=(2 * size, "G", "H"), form=Sources(form, SOURCES))
        cell = replace(cell, parameters=tuple((declared | {"kernel": both}).items()))
    return SLSTMLayer(cell, int(heads), window, rate)
