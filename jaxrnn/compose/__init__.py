"""Composition: layers from layers."""

from jaxrnn.compose.bidirectional import Bidirectional, BidirectionalCarry, bidirectional
from jaxrnn.compose.noise import recurrent_dropout, zoneout
from jaxrnn.compose.readout import Moments, Readout, fit_readout, readout_moments, solve_readout
from jaxrnn.compose.reverse import Reverse, reverse
from jaxrnn.compose.stack import Stack, stack
from jaxrnn.compose.weights import weight_drop
from jaxrnn.compose.wrappers import highway, input_dropout, residual

__all__ = [
    "Bidirectional",
    "BidirectionalCarry",
    "Moments",
    "Readout",
    "Reverse",
    "Stack",
    "bidirectional",
    "fit_readout",
    "highway",
    "input_dropout",
    "readout_moments",
    "recurrent_dropout",
    "residual",
    "reverse",
    "solve_readout",
    "stack",
    "weight_drop",
    "zoneout",
]


def __dir__() -> list[str]:
    return __all__
