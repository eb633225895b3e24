"""Layers on top of each other, each run over the whole sequence before the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_flag, check_rate
from jaxrnn.base.errors import fail
from jaxrnn.base.made import remembered
from jaxrnn.base.typing import Array, Axis, Carry, Params, PRNGKeyArray
from jaxrnn.core.carries import in_order
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import Layer, check_initial, entry
from jaxrnn.engine.noise import over_time
from jaxrnn.engine.sequence import Call, key_of_part


@dataclass(frozen=True, repr=False)
class Stack(Layer):
    """Made by `stack`. Parameters `{"layer_0": ..., "layer_1": ...}`; the carry is a tuple of carries."""

    layers: tuple[Layer, ...]  # the lowest first
    dropout: float = 0.0  # between layers
    variational: bool = False  # one mask for all steps

    @property
    def output_size(self) -> int:
        return self.layers[-1].output_size

    @property
    def parts(self) -> tuple[Layer, ...]:
        return self.layers

    @property
    def noisy(self) -> bool:
        return self.dropout > 0 or super().noisy

    def __post_init__(self) -> None:
        for i, layer in enumerate(self.layers[1:], 1):
            if not keeps_positions(layer):
                fail(f"layers[{i}]", "a layer that keeps the positions of its inputs; strides are for the first", layer)

    def declare(self, inputs: int) -> dict[str, Any]:
        sizes = (inputs, *(layer.output_size for layer in self.layers))
        return {name: layer.declare(n) for (name, layer), n in zip(self._named(), sizes, strict=False)}

    def input_size(self, params: Params) -> int:
        return self.layers[0].input_size(entry(params, "layer_0"))

    def carry_shapes(self, batch: tuple[Axis, ...]) -> Carry:
        return tuple(layer.carry_shapes(batch) for layer in self.layers)

    def initial_carry(self, batch: tuple[Axis, ...], params: Params | None = None, dtype: Any = None) -> Carry:
        """A tuple with the initial carry of each layer; see `Cell.initial_carry`."""
        check_initial(self, batch, params, dtype)
        of = {} if params is None else params
        return tuple(layer.initial_carry(batch, of.get(name), dtype) for name, layer in self._named())

    def pack(self, carry: Any, argument: str = "carry") -> Carry:
        if not isinstance(carry, (tuple, list)) or len(carry) != len(self.layers):
            fail(argument, f"a tuple of {len(self.layers)} carries, one a layer", carry, kind=TypeError)
        names = [name for name, _ in self._named()]
        carry = in_order(carry, names, argument, f"a plain tuple of {len(self.layers)} carries, one a layer")
        return tuple(
            layer.pack(c, f"{argument}[{i}]") for i, (layer, c) in enumerate(zip(self.layers, carry, strict=True))
        )

    def apply(self, run: Callable[..., Any], call: Call, reverse: bool) -> tuple[Carry, Any]:
        carries, sequence = [], call.sequence
        for i, (name, layer) in enumerate(self._named()):
            final, ys = run(layer, call.part(i, name)._replace(sequence=sequence), reverse)
            carries.append(final)
            if self._drops_after(i, call.rng):
                ys = self._drop(ys, over_time(self._masks(i, call.rng, ys.shape[1:]), sequence.t, call.rng))
            sequence = sequence._replace(xs=ys)
        return tuple(carries), ys

    def one_step(
        self, params: Params, carry: Carry, x: Array, rng: PRNGKeyArray | None, step: Any, per_step: dict[str, Any]
    ) -> tuple[Carry, Array]:
        after = []
        for i, (name, layer) in enumerate(self._named()):
            new, x = layer.one_step(params[name], carry[i], x, key_of_part(rng, i), step, per_step)
            after.append(new)
            if self._drops_after(i, rng):
                x = self._drop(x, self._masks(i, rng, x.shape)(jnp.asarray(step)))
        return tuple(after), x

    def _named(self) -> list[tuple[str, Layer]]:
        return [(f"layer_{i}", layer) for i, layer in enumerate(self.layers)]

    def _drops_after(self, i: int, rng: PRNGKeyArray | None) -> bool:
        return rng is not None and self.dropout > 0 and i + 1 < len(self.layers)

    def _masks(self, i: int, rng: Any, shape: tuple[Axis, ...]) -> Callable[[Array], Array]:
        key = jax.random.fold_in(rng, len(self.layers) + i)

        def draw(t: Array) -> Array:
            return jax.random.bernoulli(
                key if self.variational else jax.random.fold_in(key, t), 1 - self.dropout, shape
            )

        return draw

    def _drop(self, ys: Array, keep: Array) -> Array:
        return jnp.where(keep, ys / (1 - self.dropout), jnp.zeros_like(ys))


def keeps_positions(layer: Layer) -> bool:
    """Whether states and outputs lie on the grid of the inputs."""
    forms = [p.form for _, p in layer.parameters if p.form is not None] if isinstance(layer, Cell) else []
    return all(form.keeps_positions for form in forms) and all(map(keeps_positions, layer.parts))


@remembered
def stack(layers: Any, *, dropout: float = 0.0, variational: bool = False) -> Stack:
    """Layers on top of each other: the outputs of one are the inputs of the next.

    Args:
        layers: a sequence of Layers, the first one first. `residual(layer)` and `highway(layer)` add connections around
        one. dropout: the probability of dropping an output between two layers, in [0, 1); only with `rng`.
        variational: draw each row's dropout mask once for all times, not afresh at every step.

    Returns:
        A Layer with parameters `{"layer_0": ..., ...}` and a tuple of carries; a stack of Cells has `step`.

    Raises:
        TypeError, ValueError: `layers` is empty or holds something else, or the rate is out of range.

    Papers: Graves, Generating sequences with recurrent neural networks, 2013 (depth); Zaremba et al., Recurrent neural
    network regularization, 2014 (dropout between layers); Gal & Ghahramani, NIPS 2016 (variational).

    >>> import jax, jaxrnn
    >>> layer = jaxrnn.stack([jaxrnn.lstm(8), jaxrnn.gru(4)], dropout=0.2)
    >>> params = layer.init(jax.random.key(0), inputs=3)
    >>> carry, ys = jaxrnn.scan(layer, params, jax.numpy.ones((5, 2, 3)), rng=jax.random.key(1))
    >>> ys.shape, len(carry)
    ((5, 2, 4), 2)
    """
    if not isinstance(layers, (tuple, list)) or not layers or not all(isinstance(layer, Layer) for layer in layers):
        fail("layers", "a non-empty sequence of jaxrnn Layers", layers, kind=TypeError)
    for layer in layers[:-1]:
        _ = layer.output_size  # raises where a layer puts out more than one array
    return Stack(tuple(layers), check_rate(dropout, "dropout"), check_flag(variational, "variational"))
