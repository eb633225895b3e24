"""The network of the small tasks: one layer of a cell given by name, and a linear readout of every output.

h = cell over x,    o[t] = h[t] W + b
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import jax

from jaxrnn.cells import elman, gru, lstm, lstm_1997
from jaxrnn.core.cell import Cell
from jaxrnn.tasks.shared.dense import dense_init
from jaxrnn.train.options import check
from jaxrnn.train.task import Params

GATED: dict[str, Callable[..., Cell]] = {
    "lstm": lstm,
    "lstm_peepholes": partial(lstm, peepholes=True),
    "gru": gru,
}
CELLS: dict[str, Callable[..., Cell]] = {"elman": elman, "lstm_1997": lstm_1997, **GATED}


@dataclass(frozen=True)
class Network:
    """The network.

    Args:
        cell: Its kind: the networks that came one after the other, each to mend what the one before could not do.
        hidden: H, its units.
        chrono: Where a gate decides what is kept: it starts as if memories of up to so many steps were needed (Tallec &
            Ollivier 2018). 0 for the usual start, which forgets within a few steps.
    """

    cell: Literal["elman", "lstm_1997", "lstm", "lstm_peepholes", "gru"] = "lstm"
    hidden: int = 32
    chrono: float = 0.0

    def __post_init__(self) -> None:
        check(self.cell in CELLS, "model.cell", f"one of {', '.join(CELLS)}", self.cell)
        check(self.hidden >= 1, "model.hidden", "1 or more", self.hidden)
        check(self.chrono == 0 or self.chrono > 2, "model.chrono", "0, or more than 2 steps", self.chrono)
        check(self.chrono == 0 or self.cell in GATED, "model.chrono", f"0 for all but {', '.join(GATED)}", self.chrono)

    @cached_property
    def layer(self) -> Cell:
        """The recurrent part."""
        return CELLS[self.cell](self.hidden, **({"chrono": self.chrono} if self.chrono else {}))

    def init(self, key: jax.Array, inputs: int, outputs: int) -> Params:
        """Parameters {"rnn": ..., "readout": {"kernel": [H, O], "bias": [O]}}."""
        rnn, readout = jax.random.split(key)
        return {"rnn": self.layer.init(rnn, inputs=inputs), "readout": dense_init(readout, self.hidden, outputs)}
