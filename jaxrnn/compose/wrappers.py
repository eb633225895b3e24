"""Connections around a layer, and dropout before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_rate
from jaxrnn.base.dtypes import default_float, is_float
from jaxrnn.base.errors import fail
from jaxrnn.base.made import remembered
from jaxrnn.base.typing import Array, Axis, Carry, Params, PRNGKeyArray
from jaxrnn.core.layer import Layer, check_initial, entry
from jaxrnn.core.parameter import Parameter
from jaxrnn.core.step import repeat_rows
from jaxrnn.engine.masks import clean
from jaxrnn.engine.sequence import Call
from jaxrnn.forms.dense import dense
from jaxrnn.functions.initializers import Constant, glorot_uniform


@dataclass(frozen=True, repr=False)
class Wrapper(Layer):
    """A layer around one other, with its parameters and its carry unless a subclass says otherwise."""

    layer: Layer  # the one inside

    @property
    def output_size(self) -> int:
        return self.layer.output_size

    @property
    def parts(self) -> tuple[Layer, ...]:
        return (self.layer,)

    def declare(self, inputs: int) -> dict[str, Any]:
        return self.layer.declare(inputs)

    def inner_params(self, params: Params) -> Params:
        return params

    def input_size(self, params: Params) -> int:
        return self.layer.input_size(self.inner_params(params))

    def carry_shapes(self, batch: tuple[Axis, ...]) -> Carry:
        return self.layer.carry_shapes(batch)

    def initial_carry(self, batch: tuple[Axis, ...], params: Params | None = None, dtype: Any = None) -> Carry:
        """The wrapped layer's initial carry; see `Cell.initial_carry`."""
        check_initial(self, batch, params, dtype)
        return self.layer.initial_carry(batch, None if params is None else self.inner_params(params), dtype)

    def pack(self, carry: Any, argument: str = "carry") -> Carry:
        return self.layer.pack(carry, argument)

    def before(self, xs: Array, batch: tuple[Axis, ...], rng: PRNGKeyArray | None) -> Array:
        """What the wrapped layer reads in place of xs."""
        return xs

    def after(self, params: Params, xs: Array, ys: Array) -> Array:
        """What follows from inputs and the wrapped layer's outputs."""
        return ys

    def apply(self, run: Callable[..., Any], call: Call, reverse: bool) -> tuple[Carry, Any]:
        sequence = call.sequence
        xs = clean(sequence.valid, sequence.xs)
        inner = sequence._replace(xs=self.before(xs, xs.shape[1:], call.rng))
        carry, ys = run(self.layer, call._replace(params=self.inner_params(call.params), sequence=inner), reverse)
        return carry, clean(sequence.valid, self.after(call.params, xs, ys))

    def one_step(
        self, params: Params, carry: Carry, x: Array, rng: PRNGKeyArray | None, step: Any, per_step: dict[str, Any]
    ) -> tuple[Carry, Array]:
        read = self.before(x, x.shape, rng)
        carry, y = self.layer.one_step(self.inner_params(params), carry, read, rng, step, per_step)
        return carry, self.after(params, x, y)


class Residual(Wrapper):
    """Made by `residual`."""

    def declare(self, inputs: int) -> dict[str, Any]:
        check_same_size(self.layer, inputs)
        return super().declare(inputs)

    def after(self, params: Params, xs: Array, ys: Array) -> Array:
        return ys + floats(xs).astype(ys.dtype)


class Highway(Wrapper):
    """Made by `highway`. Parameters `{"layer": ..., "gate_kernel": [D, H], "gate_bias": [H]}`."""

    def declare(self, inputs: int) -> dict[str, Any]:
        check_same_size(self.layer, inputs)
        dtype = default_float()
        gate = {
            "gate_kernel": Parameter((inputs, inputs), glorot_uniform, dtype=dtype),
            "gate_bias": Parameter((inputs,), Constant(-1.0), dtype=dtype),
        }
        return {"layer": self.layer.declare(inputs)} | gate

    def inner_params(self, params: Params) -> Params:
        return entry(params, "layer")

    def after(self, params: Params, xs: Array, ys: Array) -> Array:
        x = floats(xs).astype(ys.dtype)
        net = dense.product((params["gate_kernel"].astype(ys.dtype),), x)
        gate = jax.nn.sigmoid(net + repeat_rows(params["gate_bias"].astype(ys.dtype), net.shape[:-1]))
        return gate * ys + (1 - gate) * x


@dataclass(frozen=True, repr=False)
class InputDropout(Wrapper):
    """Made by `input_dropout`."""

    rate: float = 0.0

    @property
    def noisy(self) -> bool:
        return self.rate > 0 or super().noisy

    def before(self, xs: Array, batch: tuple[Axis, ...], rng: PRNGKeyArray | None) -> Array:
        if rng is None or self.rate == 0:
            return xs
        keep = jax.random.bernoulli(jax.random.fold_in(rng, 2**32 - 2), 1 - self.rate, batch)
        keep = jnp.broadcast_to(keep[None], xs.shape) if keep.ndim < xs.ndim else keep
        return jnp.where(keep, floats(xs) / (1 - self.rate), jnp.zeros_like(xs))


@remembered
def residual(layer: Layer) -> Layer:
    """y = x + layer(x): a connection around a layer whose output size is its input size.

    Args:
        layer: any Layer.

    Returns:
        A Layer with the same parameters and carry.

    Raises:
        TypeError: `layer` is not a Layer. ValueError: at `init`, sizes differ.

    Paper: Wu et al., Google's neural machine translation system, arXiv:1609.08144, section 3.1.

    >>> import jax, jaxrnn
    >>> layer = jaxrnn.stack([jaxrnn.lstm(8), jaxrnn.residual(jaxrnn.lstm(8))])
    >>> sorted(layer.init(jax.random.key(0), inputs=3))
    ['layer_0', 'layer_1']
    """
    return Residual(_layer(layer))


@remembered
def highway(layer: Layer) -> Layer:
    """y = t * layer(x) + (1 - t) * x with t = sigmoid(x @ gate_kernel + gate_bias); the bias starts at -1, carrying x.

    Args:
        layer: any Layer whose output size is its input size.

    Returns:
        A Layer with parameters `{"layer": ..., "gate_kernel", "gate_bias"}` and the same carry.

    Raises:
        TypeError: `layer` is not a Layer. ValueError: at `init`, sizes differ.

    Paper: Srivastava, Greff & Schmidhuber, Highway networks, arXiv:1505.00387.

    >>> import jax, jaxrnn
    >>> sorted(jaxrnn.highway(jaxrnn.gru(8)).init(jax.random.key(0), inputs=8))
    ['gate_bias', 'gate_kernel', 'layer']
    """
    return Highway(_layer(layer))


@remembered
def input_dropout(layer: Layer, rate: float) -> Layer:
    """Variational dropout on a layer's inputs: one mask a row, the same at all times; only with `rng`.

    Args:
        layer: any Layer with floating inputs.
        rate: the probability of dropping an input feature, in [0, 1).

    Returns:
        A Layer with the same parameters and carry.

    Raises:
        TypeError: `layer` is not a Layer, or its inputs are integers. ValueError: the rate is out of range.

    Paper: Gal & Ghahramani, NIPS 2016.

    >>> import jaxrnn
    >>> jaxrnn.input_dropout(jaxrnn.gru(8), 0.1).output_size
    8
    """
    return InputDropout(_layer(layer), check_rate(rate, "rate"))


def _layer(layer: Any) -> Layer:
    if not isinstance(layer, Layer):
        fail("layer", "a jaxrnn Layer", layer, kind=TypeError)
    return layer


def check_same_size(layer: Layer, inputs: int) -> None:
    """For a connection around a layer."""
    if layer.output_size != inputs:
        fail("inputs", f"{layer.output_size}, the layer's output size, for a connection around it", inputs)


def floats(xs: Array) -> Array:
    """Inputs whose features are numbers."""
    if not is_float(xs.dtype):
        fail(
            "xs",
            "floats, where a connection or dropout touches the inputs",
            xs,
            "Embed integers first.",
            kind=TypeError,
        )
    return xs
