"""Flax NNX modules: parameters and axes around `cell.step` and `jaxrnn.scan`.

Modules hold their parameters as `nnx.Param` under the names, shapes and nesting of the functional parameters: what
`nnx.to_pure_dict(nnx.state(module, nnx.Param))` shows is what `jaxrnn.scan(module.functional, ...)` takes. The call
protocol is that of `flax.nnx.RNN`, batch-major. Carries are Flax's: `(c, h)` for an LSTM, the array h for a GRU or an
Elman cell; those of layers have names besides, `LSTMCarry(c, h)`. `jaxrnn.flax_common.promise` lists what is as in
Flax, argument by argument, and what is not.
"""

from jaxrnn.nnx.bidirectional import Bidirectional
from jaxrnn.nnx.cells import CellModule, ConvLSTMCell, ElmanCell, GRUCell, LSTMCell, OptimizedLSTMCell, SimpleCell
from jaxrnn.nnx.layers import GRU, LSTM, Elman
from jaxrnn.nnx.rnn import RNN, RecurrentState
from jaxrnn.nnx.scanned import ScannedRNN
from jaxrnn.nnx.slstm import SLSTMBlock, SLSTMLayer

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
    "RecurrentState",
    "SLSTMBlock",
    "SLSTMLayer",
    "ScannedRNN",
    "SimpleCell",
]


def __dir__() -> list[str]:
    return __all__
