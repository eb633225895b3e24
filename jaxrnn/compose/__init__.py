"""Composition: layers from layers."""

from jaxrnn.compose.bidirectional import Bidirectional, BidirectionalCarry, bidirectional
from jaxrnn.compose.noise import recurrent_dropout, zoneout
from jaxrnn.compose.quantize import quantize
from jaxrnn.compose.readout import Moments, Readout, fit_readout, readout_moments, solve_readout
from jaxrnn.compose.reverse import Reverse, reverse
from jaxrnn.compose.slstm_block import SLSTMBlock, slstm_block
from jaxrnn.compose.slstm_layer import SLSTMLayer, SLSTMLayerCarry, slstm_layer
from jaxrnn.compose.stack import Stack, stack
from jaxrnn.compose.weights import weight_drop
from jaxrnn.compose.windowed import Windowed, WindowedCarry, windowed
from jaxrnn.compose.wrappers import highway, input_dropout, residual

__all__ = [
    "Bidirectional",
    "BidirectionalCarry",
    "Moments",
    "Readout",
    "Reverse",
    "SLSTMBlock",
    "SLSTMLayer",
    "SLSTMLayerCarry",
    "Stack",
    "Windowed",
    "WindowedCarry",
    "bidirectional",
    "fit_readout",
    "highway",
    "input_dropout",
    "quantize",
    "readout_moments",
    "recurrent_dropout",
    "residual",
    "reverse",
    "slstm_block",
    "slstm_layer",
    "solve_readout",
    "stack",
    "weight_drop",
    "windowed",
    "zoneout",
]


def __dir__() -> list[str]:
    return __all__
