"""Composition: layers from layers."""

from jaxrnn.compose.bidirectional import Bidirectional, BidirectionalCarry, bidirectional
from jaxrnn.compose.noise import recurrent_dropout, zoneout
from jaxrnn.compose.reverse import Reverse, reverse
from jaxrnn.compose.stack import Stack, stack
from jaxrnn.compose.weights import weight_drop
from jaxrnn.compose.wrappers import highway, input_dropout, residual

__all__ = [
    "Bidirectional",
    "BidirectionalCarry",
    "Reverse",
    "Stack",
    "bidirectional",
    "highway",
    "input_dropout",
    "recurrent_dropout",
    "residual",
    "reverse",
    "stack",
    "weight_drop",
    "zoneout",
]


def __dir__() -> list[str]:
    return __all__
