"""Keras's Bidirectional: a sequence module, and another that goes the other way."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx

from jaxrnn.base.checks import check_choice
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array
from jaxrnn.compose.bidirectional import MERGES
from jaxrnn.keras.rnn import RNN
from jaxrnn.keras.stacked import redraw
from jaxrnn.keras.weights import Weights
from jaxrnn.nnx.parameters import Rngs
from jaxrnn.nnx.rnn import RecurrentState

SHARED = ("stateful", "return_sequences", "return_state", "time_major")


class Bidirectional(Weights):
    """Runs a module over a sequence in both directions, as `keras.layers.Bidirectional` does.

    With `return_sequences` the outputs at masked steps are zero, as Keras has it here.

    Args:
        layer: an `RNN`, or one of the layers that are made of it, such as `LSTM`. It becomes `forward_layer` (Keras
            makes a copy of it).
        merge_mode: "concat", "sum", "mul", "ave", or None for both outputs.
        weights: what `get_weights` returns, in place of the drawn weights.
        backward_layer: the module for the other direction; None for one like `layer`, with weights of its own.
        rngs: draws the weights of that one; needed without `backward_layer`.

    Raises:
        TypeError, ValueError: an argument is of the wrong type, or the layers do not go together.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.keras import Bidirectional, LSTM
    >>> rngs = nnx.Rngs(0)
    >>> module = Bidirectional(LSTM(4, return_sequences=True, in_features=3, rngs=rngs), rngs=rngs)
    >>> module(jnp.ones((2, 7, 3))).shape
    (2, 7, 8)
    """

    def __init__(
        self,
        layer: RNN,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: RNN | None = None,
        *,
        rngs: Rngs | None = None,
    ):
        if not isinstance(layer, RNN):
            fail("layer", "an RNN, LSTM, GRU or SimpleRNN of jaxrnn.keras", layer, kind=TypeError)
        check_choice(merge_mode, "merge_mode", (*MERGES, None))
        if backward_layer is None:
            if not isinstance(rngs, Rngs):
                fail("rngs", "an nnx.Rngs, from which the backward weights are drawn", rngs, kind=TypeError)
            backward_layer = _opposite(layer, rngs)
        if not isinstance(backward_layer, RNN) or backward_layer is layer:
            fail("backward_layer", "None, or another module of jaxrnn.keras", backward_layer, kind=TypeError)
        if layer.go_backwards == backward_layer.go_backwards:
            fail("backward_layer", f"one with go_backwards={not layer.go_backwards}", backward_layer.go_backwards)
        for name in SHARED:
            if getattr(layer, name) != getattr(backward_layer, name):
                wanted = getattr(layer, name)
                fail("backward_layer", f"one with {name}={wanted}, as `layer` has it", getattr(backward_layer, name))
        self.forward_layer = layer
        self.backward_layer = backward_layer
        self.merge_mode = merge_mode
        if weights is not None:
            self.set_weights(weights)

    @property
    def variables(self) -> list[nnx.Variable]:
        return self.forward_layer.variables + self.backward_layer.variables

    def __call__(
        self, inputs: Array, initial_state: Any = None, mask: Array | None = None, training: bool | None = None
    ) -> Any:
        """Run both ways over a sequence.

        Args:
            initial_state: the states of the forward layer, then those of the backward one, in one list.
            inputs, mask, training: as for `RNN`.

        Returns:
            The merged output, or with `merge_mode=None` both. With `return_state` a tuple of that and all states.

        Raises:
            TypeError, ValueError: an argument does not fit; the message names it.
        """
        forward, backward = self.forward_layer, self.backward_layer
        halves: Any = (None, None)
        if initial_state is not None:
            if not isinstance(initial_state, (list, tuple)) or len(initial_state) % 2:
                fail("initial_state", "a list of the forward states, then the backward ones", initial_state)
            half = len(initial_state) // 2
            halves = initial_state[:half], initial_state[half:]
        zero = forward.return_sequences
        results = [
            layer._run(inputs, states, mask, training, zero)
            for layer, states in zip((forward, backward), halves, strict=True)
        ]
        (y, *states), (z, *more) = results if forward.return_state else [(result,) for result in results]
        if forward.return_sequences:
            z = jnp.flip(z, 0 if forward.time_major else 1)
        merged = (y, z) if self.merge_mode is None else (MERGES[self.merge_mode](y, z),)
        if forward.return_state:
            return (*merged, *states, *more)
        return merged if self.merge_mode is None else merged[0]

    def reset_state(self, batch: int | tuple[int, ...] | None = None) -> None:
        """Forget the states of both directions; see `RNN.reset_state`."""
        self.forward_layer.reset_state(batch)
        self.backward_layer.reset_state(batch)

    reset_states = reset_state  # Keras's older name


def _opposite(layer: RNN, rngs: Rngs) -> RNN:
    """A module like `layer` in the other direction, with variables of its own."""
    other = nnx.clone(layer)
    other.go_backwards = not layer.go_backwards
    other.state = RecurrentState(None) if layer.stateful else None
    redraw(other.cell, rngs)
    return other
