"""Keras's cells: which cell of jaxrnn each is, and the forget gate's bias."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_flag
from jaxrnn.base.typing import Array
from jaxrnn.cells.elman import elman
from jaxrnn.cells.gru import gru
from jaxrnn.cells.lstm import lstm
from jaxrnn.core.cell import Cell
from jaxrnn.functions.activations import get_activation
from jaxrnn.keras.cell import CellOptions, KerasCell
from jaxrnn.keras.initializers import draw
from jaxrnn.nnx.parameters import Rngs


class LSTMCell(KerasCell):
    """One step of Keras's LSTM.

    Takes Keras's arguments by name, see `CellOptions`. `unit_forget_bias` sets the forget gate's bias to one; the other
    biases come from `bias_initializer`.

    Args:
        units, activation, recurrent_activation, use_bias, unit_forget_bias: as Keras's.
        in_features: D, the number of input features, which Keras waits for the first call to learn.
        rngs: weights are drawn from its `params` stream, masks from `dropout` (unless there is a `seed`).

    Raises:
        TypeError, ValueError: an argument is of the wrong type or out of range; the message names it.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.keras import LSTMCell
    >>> cell = LSTMCell(4, in_features=3, rngs=nnx.Rngs(0))
    >>> y, (h, c) = cell(jnp.ones((2, 3)), [jnp.zeros((2, 4)), jnp.zeros((2, 4))])
    >>> y.shape, cell.kernel.shape
    ((2, 4), (3, 16))
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        *,
        unit_forget_bias: bool = True,
        in_features: int,
        rngs: Rngs,
        **options: Unpack[CellOptions],
    ):
        self.unit_forget_bias = check_flag(unit_forget_bias, "unit_forget_bias")
        self.activation = get_activation(activation, "activation")
        self.recurrent_activation = get_activation(recurrent_activation, "recurrent_activation")

        self._build("LSTM", self._make, units, use_bias, in_features, rngs, options)

    def _make(self, units: int, **common: Any) -> Cell:
        squash, gates = self.activation, self.recurrent_activation
        return lstm(units, activation=squash, output_activation=squash, gate_activation=gates, **common)

    def _draw_bias(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        if not self.unit_forget_bias:
            return super()._draw_bias(key, shape, dtype)
        first, last = jax.random.split(key)
        parts = [
            draw(self.bias_initializer, k, (n * self.units,), dtype, "bias_initializer")
            for k, n in ((first, 1), (last, 2))
        ]
        return jnp.concatenate([parts[0], jnp.ones((self.units,), dtype), parts[1]])


class GRUCell(KerasCell):
    """One step of Keras's GRU; arguments as for `LSTMCell`, with `reset_after`.

    With `reset_after` the bias is `[2, 3 H]`: that of the inputs and that of the recurrent product.

    >>> from flax import nnx
    >>> from jaxrnn.keras import GRUCell
    >>> GRUCell(4, in_features=3, rngs=nnx.Rngs(0)).bias.shape
    (2, 12)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        *,
        reset_after: bool = True,
        in_features: int,
        rngs: Rngs,
        **options: Unpack[CellOptions],
    ):
        self.reset_after = reset_after = check_flag(reset_after, "reset_after")
        self.activation = get_activation(activation, "activation")
        self.recurrent_activation = get_activation(recurrent_activation, "recurrent_activation")

        def make(units: int, **common: Any) -> Cell:
            return gru(
                units,
                reset_after=reset_after,
                activation=self.activation,
                gate_activation=self.recurrent_activation,
                **common,
            )

        row = "GRU" if reset_after else "GRU(reset_after=False)"
        self._build(row, make, units, use_bias, in_features, rngs, options)


class SimpleRNNCell(KerasCell):
    """One step of Keras's SimpleRNN; arguments as for `LSTMCell`, without a recurrent activation.

    >>> from flax import nnx
    >>> from jaxrnn.keras import SimpleRNNCell
    >>> SimpleRNNCell(4, in_features=3, rngs=nnx.Rngs(0)).recurrent_kernel.shape
    (4, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        *,
        in_features: int,
        rngs: Rngs,
        **options: Unpack[CellOptions],
    ):
        self.activation = get_activation(activation, "activation")

        def make(units: int, **common: Any) -> Cell:
            return elman(units, activation=self.activation, **common)

        self._build("SimpleRNN", make, units, use_bias, in_features, rngs, options)
