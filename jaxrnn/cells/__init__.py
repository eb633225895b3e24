"""The collection: one family of cells a file, each its equations and where they come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jaxrnn.cells.elman import ElmanCarry, elman
from jaxrnn.cells.gru import GRUCarry, gru
from jaxrnn.cells.gru_d import GRUDCarry, gru_d
from jaxrnn.cells.lstm import LSTMCarry, lstm, lstm_1997
from jaxrnn.cells.mogrifier import mogrifier_lstm
from jaxrnn.core.cell import Cell

# What `jaxrnn cells` lists and the law suite runs: name -> factory(size).
COLLECTION: dict[str, Callable[[int], Cell]] = {
    "elman": elman,
    "elman, leaky": partial(elman, leak=0.5),
    "elman, residual": partial(elman, residual=True),
    "lstm 1997": lstm_1997,
    "lstm 1997, truncated gradient": partial(lstm_1997, truncated_gradient=True),
    "lstm": lstm,
    "lstm, peepholes": partial(lstm, peepholes=True),
    "lstm, coupled gates": partial(lstm, coupled=True),
    "lstm, projection": lambda size: lstm(size, projection=max(size // 2, 1)),
    "lstm, cell clip": partial(lstm, cell_clip=3.0),
    "lstm, layer norm": partial(lstm, layer_norm=True),
    "gru": gru,
    "gru, reset before": partial(gru, reset_after=False),
    "gru_d": partial(gru_d, inputs=3),
    "mogrifier_lstm": mogrifier_lstm,
}

__all__ = [
    "COLLECTION",
    "ElmanCarry",
    "GRUCarry",
    "GRUDCarry",
    "LSTMCarry",
    "elman",
    "gru",
    "gru_d",
    "lstm",
    "lstm_1997",
    "mogrifier_lstm",
]


def __dir__() -> list[str]:
    return __all__
