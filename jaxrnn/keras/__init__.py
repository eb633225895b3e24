"""Keras's recurrent layers as Flax NNX modules: its names and strings for arguments, its numbers for results.

    keras.layers.LSTM(64, return_sequences=True)
    jaxrnn.keras.LSTM(64, return_sequences=True, in_features=32, rngs=nnx.Rngs(0))

They differ from Keras's in two arguments: `in_features`, since a Flax NNX module has its weights from the start, and
`rngs`, from which these are drawn. `get_weights` and `set_weights` speak Keras's order and layout. Regularisers become
`losses(model)`, which a training step adds to its loss; constraints become `constrain(model)`, the last transformation
of an optax chain. Keras itself is not needed.
"""

from jaxrnn.keras.bidirectional import Bidirectional
from jaxrnn.keras.cells import GRUCell, LSTMCell, SimpleRNNCell
from jaxrnn.keras.convolutional import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from jaxrnn.keras.layers import GRU, LSTM, SimpleRNN
from jaxrnn.keras.rnn import RNN
from jaxrnn.keras.stacked import StackedRNNCells
from jaxrnn.keras.training import constrain, losses

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "GRUCell",
    "LSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
    "constrain",
    "losses",
]


def __dir__() -> list[str]:
    return __all__
