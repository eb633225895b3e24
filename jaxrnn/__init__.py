"""jaxrnn: recurrent networks in JAX. Pure cells, one engine, thin Flax modules."""

from jaxrnn.cells import ElmanCarry as ElmanCarry
from jaxrnn.cells import GRUCarry as GRUCarry
from jaxrnn.cells import LSTMCarry as LSTMCarry
from jaxrnn.cells import elman as elman
from jaxrnn.cells import gru as gru
from jaxrnn.cells import lstm as lstm
from jaxrnn.cells import lstm_1997 as lstm_1997
from jaxrnn.engine.scan import scan as scan
from jaxrnn.engine.scan import scan_carries as scan_carries
from jaxrnn.gate_cell import gate_cell as gate_cell

__version__ = "0.1.0"
