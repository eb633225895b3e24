"""Keras's LSTM, GRU and SimpleRNN: the cell of that name over a sequence.

A layer's signature is its cell's once more, as in Keras: editors complete arguments from the text of a signature alone.
"""

from __future__ import annotations

from typing import Any, Unpack

from jaxrnn.base.checks import check_choice
from jaxrnn.base.hints import refuse_unknown
from jaxrnn.keras.cell import CellOptions
from jaxrnn.keras.cells import GRUCell, LSTMCell, SimpleRNNCell
from jaxrnn.keras.rnn import RNN, RNNOptions
from jaxrnn.nnx.parameters import Rngs


class LayerOptions(CellOptions, RNNOptions, total=False):
    """`CellOptions` and `RNNOptions`, and use_cudnn: "auto" or False, without effect."""

    use_cudnn: Any


def split(layer: str, options: LayerOptions) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of the cell, and those of the sequence."""
    refuse_unknown(layer, options, LayerOptions.__annotations__, "keras")
    check_choice(options.get("use_cudnn", "auto"), "use_cudnn", ("auto", False))
    cell = {name: value for name, value in options.items() if name in CellOptions.__annotations__}
    return cell, {name: value for name, value in options.items() if name in RNNOptions.__annotations__}


class LSTM(RNN):
    """Keras's LSTM: its names, its strings, its numbers.

        i = recurrent_activation(x W_i + h U_i + b_i), and f, o alike
        c' = f * c + i * activation(x W_c + h U_c + b_c)
        h' = o * activation(c')

    Args:
        units: H, the size of the output.
        activation, recurrent_activation: a name, a function of one array, or None for none ("linear"). "hard_sigmoid"
            is Keras 3's; Keras 1 and 2 meant "keras2_hard_sigmoid".
        use_bias: add a bias.
        unit_forget_bias: the forget gate's bias starts at one; the others come from `bias_initializer`.
        in_features: D, the number of input features. Keras learns it from the first call; a Flax NNX module has its
            weights from the start.
        rngs: weights are drawn from its `params` stream, dropout from `dropout`, unless there is a `seed`.
        **options: see `CellOptions` and `RNNOptions`.

    Raises:
        TypeError, ValueError: an argument is of the wrong type or out of range; the message names it.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.keras import LSTM
    >>> lstm = LSTM(4, return_sequences=True, return_state=True, in_features=3, rngs=nnx.Rngs(0))
    >>> ys, h, c = lstm(jnp.ones((2, 7, 3)), mask=jnp.ones((2, 7), bool).at[1, 5:].set(False))
    >>> ys.shape, bool((ys[1, 6] == ys[1, 4]).all())
    ((2, 7, 4), True)
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
        **options: Unpack[LayerOptions],
    ):
        of_cell, of_sequence = split("LSTM", options)
        given = dict(unit_forget_bias=unit_forget_bias, in_features=in_features, rngs=rngs) | of_cell
        super().__init__(LSTMCell(units, activation, recurrent_activation, use_bias, **given), **of_sequence)


class GRU(RNN):
    """Keras's GRU: its names, its strings, its numbers.

        z = recurrent_activation(x W_z + h U_z + b_z), and r alike
        h' = z * h + (1 - z) * activation(x W_h + r * (h U_h + b'_h) + b_h)

    With `reset_after=False` the reset gate comes before the product, (r * h) U_h. Arguments as for `LSTM`.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.keras import GRU
    >>> GRU(4, go_backwards=True, in_features=3, rngs=nnx.Rngs(0))(jnp.ones((2, 7, 3))).shape
    (2, 4)
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
        **options: Unpack[LayerOptions],
    ):
        of_cell, of_sequence = split("GRU", options)
        given = dict(reset_after=reset_after, in_features=in_features, rngs=rngs) | of_cell
        super().__init__(GRUCell(units, activation, recurrent_activation, use_bias, **given), **of_sequence)


class SimpleRNN(RNN):
    """Keras's SimpleRNN, h' = activation(x W + h U + b). Arguments as for `LSTM`.

    Its `activity_regularizer` counts; Keras's own forgets it.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.keras import SimpleRNN
    >>> SimpleRNN(4, "relu", in_features=3, rngs=nnx.Rngs(0))(jnp.ones((2, 7, 3))).shape
    (2, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        *,
        in_features: int,
        rngs: Rngs,
        **options: Unpack[LayerOptions],
    ):
        of_cell, of_sequence = split("SimpleRNN", options)
        given: dict[str, Any] = dict(in_features=in_features, rngs=rngs) | of_cell
        super().__init__(SimpleRNNCell(units, activation, use_bias, **given), **of_sequence)
