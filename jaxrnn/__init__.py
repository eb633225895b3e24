"""jaxrnn: recurrent networks in JAX. Pure cells, one engine, thin Flax modules."""

from jaxrnn import decode as decode
from jaxrnn import interop as interop
from jaxrnn import keras as keras
from jaxrnn import linen as linen
from jaxrnn import nnx as nnx
from jaxrnn.cell import Cell as Cell
from jaxrnn.cells import ElmanCarry as ElmanCarry
from jaxrnn.cells import GRUCarry as GRUCarry
from jaxrnn.cells import LSTMCarry as LSTMCarry
from jaxrnn.cells import elman as elman
from jaxrnn.cells import gru as gru
from jaxrnn.cells import lstm as lstm
from jaxrnn.cells import lstm_1997 as lstm_1997
from jaxrnn.compose import BidirectionalCarry as BidirectionalCarry
from jaxrnn.compose import bidirectional as bidirectional
from jaxrnn.compose import highway as highway
from jaxrnn.compose import input_dropout as input_dropout
from jaxrnn.compose import recurrent_dropout as recurrent_dropout
from jaxrnn.compose import residual as residual
from jaxrnn.compose import reverse as reverse
from jaxrnn.compose import stack as stack
from jaxrnn.compose import weight_drop as weight_drop
from jaxrnn.compose import zoneout as zoneout
from jaxrnn.engine.explain import explain as explain
from jaxrnn.engine.scan import scan as scan
from jaxrnn.engine.scan import scan_carries as scan_carries
from jaxrnn.engine.truncated import scan_truncated as scan_truncated
from jaxrnn.gate_cell import gate_cell as gate_cell
from jaxrnn.layer import Layer as Layer
from jaxrnn.layer import Parameter as Parameter
from jaxrnn.reports import checkify as checkify
from jaxrnn.roles import labels as labels

__version__ = "0.2.0"

__all__ = [
    "BidirectionalCarry",
    "Cell",
    "ElmanCarry",
    "GRUCarry",
    "LSTMCarry",
    "Layer",
    "Parameter",
    "__version__",
    "bidirectional",
    "checkify",
    "decode",
    "elman",
    "explain",
    "gate_cell",
    "gru",
    "highway",
    "input_dropout",
    "interop",
    "keras",
    "labels",
    "linen",
    "lstm",
    "lstm_1997",
    "nnx",
    "recurrent_dropout",
    "residual",
    "reverse",
    "scan",
    "scan_carries",
    "scan_truncated",
    "stack",
    "weight_drop",
    "zoneout",
]
