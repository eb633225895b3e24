r"""A layer that reads the last W inputs at each step: a causal convolution of any kernel, as its input's projection.

    y_t = layer([x_(t - W + 1), ..., x_t])         the oldest first; before the first step, zeros

The quasi-recurrent network's gates see such a window: `windowed(qrnn(H), W)`, kernel `[W * D, G, H]`.

Papers:
    Bradbury, Merity, Xiong & Socher, Quasi-recurrent neural networks, ICLR 2017 (arXiv:1611.01576), section 2.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_size
from jaxrnn.base.errors import fail
from jaxrnn.base.made import remembered
from jaxrnn.base.placement import spread_over_devices
from jaxrnn.base.typing import Array, Axis, Carry, Params, PRNGKeyArray
from jaxrnn.compose.causal import look_back, look_back_step
from jaxrnn.compose.wrappers import Wrapper, floats
from jaxrnn.core.carries import in_order
from jaxrnn.core.layer import Layer
from jaxrnn.engine.masks import clean, reset_steps
from jaxrnn.engine.sequence import Call
from jaxrnn.programs.serialized import serialized


@serialized
class WindowedCarry(NamedTuple):
    """Of `windowed`: the layer's carry, and the inputs before the next step."""

    layer: Any
    window: Array  # [*B, (W-1) * D], the oldest first


@dataclass(frozen=True, repr=False)
class Windowed(Wrapper):
    """Made by `windowed`."""

    window: int = 2  # W, inputs that the layer reads at a step
    inputs: int = 1  # D, the size of one

    @property
    def _seen(self) -> int:
        return (self.window - 1) * self.inputs

    def declare(self, inputs: int) -> dict[str, Any]:
        if inputs != self.inputs:
            fail("inputs", f"{self.inputs}, as `windowed` was told", inputs)
        return self.layer.declare(self.window * inputs)

    def input_size(self, params: Params) -> int:
        return super().input_size(params) // self.window

    def carry_shapes(self, batch: tuple[Axis, ...]) -> Carry:
        return WindowedCarry(self.layer.carry_shapes(batch), (*batch, self._seen))  # type: ignore[arg-type]

    def initial_carry(self, batch: tuple[Axis, ...], params: Params | None = None, dtype: Any = None) -> Carry:
        """The layer's, and zeros; see `Cell.initial_carry`."""
        inner = super().initial_carry(batch, params, dtype)
        return WindowedCarry(inner, jnp.zeros((*batch, self._seen), jax.tree.leaves(inner)[0].dtype))

    def pack(self, carry: Any, argument: str = "carry") -> Carry:
        expected = "a WindowedCarry(layer, window)"
        if not isinstance(carry, tuple) or len(carry) != 2:
            fail(argument, expected, carry, kind=TypeError)
        inner, window = in_order(carry, WindowedCarry._fields, argument, expected)
        return WindowedCarry(self.layer.pack(inner, f"{argument}[0]"), window)

    def apply(self, run: Callable[..., Any], call: Call, reverse: bool) -> tuple[Carry, Any]:
        params, sequence, carry, fresh, rng = call
        xs = floats(clean(sequence.valid, sequence.xs))
        window = jnp.zeros((*xs.shape[1:-1], self._seen), xs.dtype) if carry is None else carry.window
        window, reset = spread_over_devices(window, xs), reset_steps(sequence, reverse)
        behind = None if fresh is None else fresh.window
        read, seen = look_back(xs, window, sequence.valid, reset, behind, reverse)
        start, behind = (None if c is None else c.layer for c in (carry, fresh))
        inner, ys = run(self.layer, Call(params, sequence._replace(xs=read), start, behind, rng), reverse)
        return WindowedCarry(inner, seen.astype(window.dtype if carry is not None else xs.dtype)), ys

    def one_step(
        self, params: Params, carry: Carry, x: Array, rng: PRNGKeyArray | None, step: Any, per_step: dict[str, Any]
    ) -> tuple[Carry, Array]:
        inputs, window = look_back_step(floats(x), carry.window)
        inner, y = self.layer.one_step(params, carry.layer, jnp.concatenate(inputs, -1), rng, step, per_step)
        return WindowedCarry(inner, window), y


@remembered
def windowed(layer: Layer, *, window: int, inputs: int) -> Layer:
    """A layer that reads the last `window` inputs at each step: y_t = layer([x_(t - W + 1), ..., x_t]).

    A quasi-recurrent network with a filter of width 2 is `windowed(jaxrnn.qrnn(H), window=2, inputs=D)`. Steps that do
    not count are not in the window, and it does not reach across a reset.

    Args:
        layer: any Layer; it has window * inputs input features.
        window: W, how many inputs it sees, the present one among them.
        inputs: D, the features of an input.

    Returns:
        A Layer with the same parameters and the carry `WindowedCarry(layer, window [*B, (W-1) D])`.

    Raises:
        TypeError, ValueError: an argument is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> layer = jaxrnn.windowed(jaxrnn.qrnn(4), window=2, inputs=3)
    >>> params = layer.init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (3, 4), 'kernel': (6, 3, 4)}
    >>> carry, ys = jaxrnn.scan(layer, params, jax.numpy.ones((5, 2, 3)))
    >>> ys.shape, carry.window.shape
    ((5, 2, 4), (2, 3))
    """
    if not isinstance(layer, Layer):
        fail("layer", "a jaxrnn Layer", layer, kind=TypeError)
    check_size(window, "window")
    check_size(inputs, "inputs")
    return Windowed(layer, window, inputs)
