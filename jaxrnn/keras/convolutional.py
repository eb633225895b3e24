"""Keras's ConvLSTM1D, ConvLSTM2D and ConvLSTM3D: an LSTM of units on a grid, whose products are convolutions."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Unpack

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_choice, check_flag, check_numbers, check_size
from jaxrnn.base.errors import fail
from jaxrnn.base.hints import refuse_unknown
from jaxrnn.base.typing import Array
from jaxrnn.forms.convolution import check_sizes, convolution
from jaxrnn.functions.activations import get_activation
from jaxrnn.keras.cell import WeightOptions
from jaxrnn.keras.cells import LSTMCell
from jaxrnn.keras.rnn import RNN, RNNOptions
from jaxrnn.nnx.parameters import Rngs


class ConvLSTMOptions(WeightOptions, RNNOptions, total=False):
    """`WeightOptions` and `RNNOptions`."""


class ConvLSTMCell(LSTMCell):
    """One step of Keras's ConvLSTM on a grid of `axes`, channels last; `ConvLSTM2D` says what its arguments are.

    Keras hides this class too: it comes with its layer.
    """

    def __init__(
        self,
        axes: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        *,
        unit_forget_bias: bool = True,
        in_features: int,
        rngs: Rngs,
        **options: Unpack[WeightOptions],
    ):
        self.filters = filters = check_size(filters, "filters")
        self.kernel_size = check_sizes(kernel_size, "kernel_size", axes)
        self.strides = check_sizes(strides, "strides", axes)
        self.dilation_rate = check_sizes(dilation_rate, "dilation_rate", axes)
        lower = padding.lower() if isinstance(padding, str) else padding
        self.padding = check_choice(lower, "padding", ("valid", "same"))
        self.unit_forget_bias = check_flag(unit_forget_bias, "unit_forget_bias")
        self.activation = get_activation(activation, "activation")
        self.recurrent_activation = get_activation(recurrent_activation, "recurrent_activation")
        given: Any = dict(strides=self.strides, dilation=self.dilation_rate, padding=self.padding)
        make = partial(
            self._make, input=convolution(self.kernel_size, **given), recurrent=convolution(self.kernel_size)
        )
        masks: Any = dict(implementation=1)  # of dropout, one a gate
        self._build("ConvLSTM", make, filters, use_bias, in_features, rngs, options | masks)


class ConvLSTM(RNN):
    """What the three layers share; a subclass says on how many axes."""

    rank: ClassVar[int]

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | tuple[int, ...] = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        *,
        unit_forget_bias: bool = True,
        in_features: int,
        rngs: Rngs,
        **options: Unpack[ConvLSTMOptions],
    ):
        refuse_unknown(type(self).__name__, options, ConvLSTMOptions.__annotations__, "keras")
        check_choice(data_format, "data_format", (None, "channels_last", "channels_first"))
        of_sequence: Any = {name: value for name, value in options.items() if name in RNNOptions.__annotations__}
        of_cell: Any = {name: value for name, value in options.items() if name not in of_sequence}
        of_cell |= dict(unit_forget_bias=unit_forget_bias, in_features=in_features, rngs=rngs)
        sizes = (self.rank, filters, kernel_size, strides, padding, dilation_rate)
        super().__init__(ConvLSTMCell(*sizes, activation, recurrent_activation, use_bias, **of_cell), **of_sequence)
        self.data_format = data_format or "channels_last"

    def _run(self, inputs: Any, initial_state: Any, mask: Any, training: Any, zero_output_for_mask: bool) -> Any:
        if self.data_format == "channels_last":
            return super()._run(inputs, initial_state, mask, training, zero_output_for_mask)
        inputs = check_numbers(inputs, "inputs")
        if inputs.ndim != 3 + self.rank:
            fail("inputs", f"of shape [B, T, D{self.rank * ', S'}], channels first", inputs)
        initial_state = jax.tree.map(self._last, initial_state)
        results = super()._run(jnp.moveaxis(inputs, 2, -1), initial_state, mask, training, zero_output_for_mask)
        if not self.return_state:
            return self._first(results)
        return tuple(map(self._first, results))

    def _last(self, state: Any) -> Any:
        """A state with its channels last; what is none is left to the checks."""
        return jnp.moveaxis(state, 1, -1) if getattr(state, "ndim", 0) == 2 + self.rank else state

    def _first(self, result: Array) -> Array:
        """A result with its channels before the grid."""
        return jnp.moveaxis(result, -1, -1 - self.rank)


class ConvLSTM1D(ConvLSTM):
    """Keras's ConvLSTM1D, on sequences of rows `[B, T, S, D]`; arguments as for `ConvLSTM2D`.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.keras import ConvLSTM1D
    >>> ConvLSTM1D(4, 3, padding="same", in_features=2, rngs=nnx.Rngs(0))(jnp.ones((2, 7, 10, 2))).shape
    (2, 10, 4)
    """

    rank = 1


class ConvLSTM2D(ConvLSTM):
    """Keras's ConvLSTM2D, on films `[B, T, S, S', D]`: its names, its strings, its numbers.

        i = recurrent_activation(W_i * x + U_i * h + b_i), and f, o alike        with * a convolution
        c' = f c + i activation(W_c * x + U_c * h + b_c)
        h' = o activation(c')

    Weights are Keras's, `kernel [*W, D, 4 F]`, `recurrent_kernel [*W, F, 4 F]` and `bias [4 F]`; states are
    `[B, *S', F]`, with S' what the input's convolution leaves.

    Args:
        filters: F, the size of the output at each place.
        kernel_size: *W, the window of both convolutions.
        strides, padding, dilation_rate: of the input's convolution ("valid" or "same"); the state's has none, and its
            grid stays as large. Unlike Keras's, strides and dilation go together.
        data_format: "channels_last", or "channels_first" for inputs, states and outputs `[B, T, D, S, S']`; None for
            the former, whatever a Keras configuration says.
        activation, recurrent_activation, use_bias, unit_forget_bias, in_features, rngs: as for `LSTM`.
        **options: see `WeightOptions` and `RNNOptions`. Dropout has a mask for each gate.

    Raises:
        TypeError, ValueError: an argument is of the wrong type or out of range; the message names it.

    Paper: Shi et al., Convolutional LSTM network, NIPS 2015 (without its peepholes).

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.keras import ConvLSTM2D
    >>> layer = ConvLSTM2D(4, (3, 3), return_sequences=True, return_state=True, in_features=1, rngs=nnx.Rngs(0))
    >>> ys, h, c = layer(jnp.ones((2, 7, 16, 16, 1)))
    >>> ys.shape, layer.cell.kernel.shape
    ((2, 7, 14, 14, 4), (3, 3, 1, 16))
    """

    rank = 2


class ConvLSTM3D(ConvLSTM):
    """Keras's ConvLSTM3D, on sequences of volumes `[B, T, S, S', S'', D]`; arguments as for `ConvLSTM2D`.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.keras import ConvLSTM3D
    >>> layer = ConvLSTM3D(4, 2, data_format="channels_first", in_features=1, rngs=nnx.Rngs(0))
    >>> layer(jnp.ones((2, 3, 1, 6, 5, 4))).shape
    (2, 4, 5, 4, 3)
    """

    rank = 3
