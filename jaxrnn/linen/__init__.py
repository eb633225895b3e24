"""Flax linen modules: parameters and axes around `cell.step` and `jaxrnn.scan`.

The same classes as in `jaxrnn.nnx`, with linen's name for the size (`features`). The collection `params` has the names,
shapes and nesting of the functional parameters: `LSTM(128).apply({"params": params}, xs)` runs what `jaxrnn.scan` runs.
`jaxrnn.flax_common.promise` lists what is as in Flax, argument by argument, and what is not.
"""

from jaxrnn.linen.bidirectional import Bidirectional
from jaxrnn.linen.cells import CellModule, ConvLSTMCell, ElmanCell, GRUCell, LSTMCell, OptimizedLSTMCell, SimpleCell
from jaxrnn.linen.layers import GRU, LSTM, Elman
from jaxrnn.linen.rnn import RNN
from jaxrnn.linen.scanned import ScannedRNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "CellModule",
    "ConvLSTMCell",
    "Elman",
    "ElmanCell",
    "GRUCell",
    "LSTMCell",
    "OptimizedLSTMCell",
    "ScannedRNN",
    "SimpleCell",
]


def __dir__() -> list[str]:
    return __all__
