"""Graves's soft window: a recurrent cell that reads a text from left to right while it writes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_key, check_number, check_size
from jaxrnn.base.dtypes import default_float
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, ArrayLike, Carry, Float, Integer, Params, PRNGKeyArray
from jaxrnn.core.layer import Layer, check_carry, entry
from jaxrnn.core.parameter import Parameter
from jaxrnn.decode.attention import Memory, check_memory, clean_memory, glorot
from jaxrnn.decode.reader import Reader, check_state, initial, joined
from jaxrnn.programs.serialized import serialized


@serialized
class WindowCarry(NamedTuple):
    """Between two steps of what `window` makes."""

    cell: Carry  # the cell's own
    position: Array  # [*B, K], kappa: where each Gaussian stands
    context: Array  # [*B, M], what the window showed at the step before


@serialized
class Windowed(NamedTuple):
    """What a step of what `window` makes puts out; with a leading T for a sequence."""

    output: Array  # [*B, P], the cell's
    context: Array  # [*B, M], w
    weights: Array  # [*B, S], phi: how much of each position is seen
    beyond: Array  # [*B], phi one position past the end of the text


@dataclass(frozen=True)
class Window(Reader):
    """Made by `window`."""

    components: int  # K, Gaussians that slide over the text
    stride: float  # positions that one moves a step, before training

    def init(self, key: PRNGKeyArray, *, inputs: int, memory: int) -> dict[str, Any]:
        """Draw all parameters, for D input features and M features of a position of the text.

        Returns:
            `{"cell": ..., "window": {"kernel": [P, 3, K], "bias": [3, K]}}`, the cell's for D + M inputs; the window's
            are those of heights, precisions and moves, in this order.
        """
        check_key(key, "key")
        check_size(inputs, "inputs")
        check_size(memory, "memory")
        cell, window = jax.random.split(key)
        size, k = self.cell.output_size, self.components
        kernel = glorot(window, (size, 3 * k), default_float()).reshape(size, 3, k)
        bias = jnp.zeros((3, k), default_float()).at[2].set(math.log(self.stride))
        return {"cell": self.cell.init(cell, inputs + memory), "window": {"kernel": kernel, "bias": bias}}

    def declare(self, inputs: int, memory: int) -> dict[str, Any]:
        shapes = {"kernel": (self.cell.output_size, 3, self.components), "bias": (3, self.components)}
        window = {name: Parameter(shape, glorot, dtype=default_float()) for name, shape in shapes.items()}
        return {"cell": self.cell.declare(inputs + memory), "window": window}

    def beside(self, params: Params, memory: Memory) -> tuple[int, int]:
        features = memory.values.shape[-1]
        return features, features

    def memory(self, values: Float[ArrayLike, "*B S M"], *, lengths: Integer[ArrayLike, "*B"] | None = None) -> Memory:
        """Prepare a text: nothing beyond its end, NaN included, reaches any result or gradient.

        Args:
            values: `[*B, S, M]`, such as one-hot characters.
            lengths: integers `[*B]`, of the texts; None where all S positions count.

        Raises:
            TypeError, ValueError: an argument does not fit; the message names it.
        """
        values, mask = clean_memory(values, None, lengths, None)
        numbers = jnp.arange(1, values.shape[-2] + 1, dtype=values.dtype)
        return Memory(values, jnp.broadcast_to(numbers.reshape(-1, 1), (*mask.shape, 1)), mask)

    def initial_carry(self, memory: Memory, params: Params | None = None, cell: Carry | None = None) -> WindowCarry:
        """The carry before the first step: the window stands before the text's first position, and has shown nothing.

        `cell` is the cell's carry, by default its initial one.
        """
        check_memory(memory)
        batch = memory.mask.shape[:-1]
        cell = initial(self.cell, batch, params, cell)
        dtype = jax.tree.leaves(cell)[0].dtype
        zeros = (jnp.zeros((*batch, size), dtype) for size in (self.components, memory.values.shape[-1]))
        return WindowCarry(cell, *zeros)

    def step(
        self,
        params: Params,
        carry: WindowCarry,
        x: Float[ArrayLike, "*B D"],
        memory: Memory,
        *,
        rng: PRNGKeyArray | None = None,
        step: Any = 0,
    ) -> tuple[WindowCarry, Windowed]:
        """Step on the input and what the window showed before, then move the window; `rng`, `step`: see `Cell.step`."""
        x = self.check(params, x, memory)
        carry = self.check_carry(carry, memory)
        cell, y = self.cell.step(entry(params, "cell"), carry.cell, joined(x, carry.context), rng=rng, step=step)
        weights = entry(params, "window")
        moved = jnp.einsum("...h,hjk->...jk", y, entry(weights, "kernel", "params['window']").astype(y.dtype))
        bias = entry(weights, "bias", "params['window']").astype(moved.dtype)
        height, precision, move = jnp.split(jnp.exp(moved + jnp.broadcast_to(bias, moved.shape)), 3, -2)
        position = carry.position + move[..., 0, :].astype(carry.position.dtype)

        def phi(place: Array) -> Array:
            """At places [*B, N, 1]."""
            distance = jnp.square(position[..., None, :].astype(place.dtype) - place)
            return (height * jnp.exp(-precision * distance)).sum(-1)

        seen = jnp.where(memory.mask, phi(memory.keys.astype(moved.dtype)), 0)
        end = memory.mask.sum(-1, keepdims=True)[..., None].astype(moved.dtype) + 1
        context = jnp.einsum("...s,...sm->...m", seen, memory.values.astype(seen.dtype))
        carry = WindowCarry(cell, position, context.astype(carry.context.dtype))
        return carry, Windowed(y, context, seen, phi(end)[..., 0])

    def check_carry(self, carry: Any, memory: Memory) -> WindowCarry:
        if not isinstance(carry, WindowCarry):
            fail("carry", "a WindowCarry, as `window.initial_carry` returns", carry, kind=TypeError)
        batch = memory.mask.shape[:-1]
        return WindowCarry(
            check_carry(self.cell, carry.cell, batch, "carry.cell"),
            check_state(carry.position, (*batch, self.components), "carry.position"),
            check_state(carry.context, (*batch, memory.values.shape[-1]), "carry.context"),
        )


def window(cell: Layer, components: int, stride: float = 0.05) -> Window:
    """A cell with a soft window on a text of characters c_1 .. c_U, K Gaussians that only ever move to the right,

        y_t = cell([x_t; w_{t-1}])
        (a, b, d) = exp(y_t kernel + bias),    kappa_t = kappa_{t-1} + d
        phi_t(u) = sum_k a_k exp(-b_k (kappa_{t,k} - u)^2),    w_t = sum_u phi_t(u) c_u

    The text has been written when phi is larger one position past its end than at any position of it.

    Args:
        cell: any Cell, or a stack of them.
        components: K, of the mixture.
        stride: positions that the window moves in a step before training. A pen makes about 25 points a character; a
            window that starts much faster runs off the text before it has learnt to read.

    Returns:
        A layer with `init`, `initial_carry`, `memory`, `step` and `scan`, and a `WindowCarry(cell, position, context)`.

    Raises:
        TypeError, ValueError: an argument is of another kind or out of range.

    Paper: Graves, Generating sequences with recurrent neural networks, 2013 (arXiv:1308.0850), equations 46 to 51.

    >>> import jax, jax.numpy as jnp, jaxrnn
    >>> from jaxrnn.decode import window
    >>> layer = window(jaxrnn.lstm(8, peepholes=True), components=4)
    >>> params = layer.init(jax.random.key(0), inputs=3, memory=26)
    >>> text = layer.memory(jax.nn.one_hot(jnp.array([[7, 4, 24], [14, 10, 0]]), 26), lengths=jnp.array([3, 2]))
    >>> carry, ys = layer.scan(params, jnp.ones((9, 2, 3)), layer.initial_carry(text), text)
    >>> ys.output.shape, ys.context.shape, ys.weights.shape, ys.beyond.shape
    ((9, 2, 8), (9, 2, 26), (9, 2, 3), (9, 2))
    """
    if not isinstance(cell, Layer):
        fail("cell", "a Cell, such as jaxrnn.lstm(400)", cell, kind=TypeError)
    components = check_size(components, "components")
    pace = check_number(stride, "stride", "a positive number")
    if pace <= 0:
        fail("stride", "a positive number", stride)
    return Window(cell, components, pace)
