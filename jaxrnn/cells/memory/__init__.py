"""A memory beside the output: relatives of the LSTM."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import gcd
from typing import Any

from jaxrnn.cells.memory.control_gate_lstm import ControlGateCarry, control_gate_lstm
from jaxrnn.cells.memory.janet import JANETCarry, janet
from jaxrnn.cells.memory.mass_conserving import MassCarry, mass_conserving_lstm
from jaxrnn.cells.memory.mogrifier import mogrifier_lstm
from jaxrnn.cells.memory.multiplicative_lstm import multiplicative_lstm
from jaxrnn.cells.memory.nas import nas
from jaxrnn.cells.memory.on_lstm import on_lstm
from jaxrnn.cells.memory.res_lstm import res_lstm
from jaxrnn.cells.memory.slstm import SLSTMCarry, slstm
from jaxrnn.cells.memory.working_memory import working_memory_lstm
from jaxrnn.cells.sizes import in_heads
from jaxrnn.core.cell import Cell


def in_chunks(size: int, **options: Any) -> Cell:
    """An ordered-neurons LSTM with chunks of two units, where these divide the size."""
    return on_lstm(size, chunk=gcd(size, 2), **options)


CELLS: dict[str, Callable[[int], Cell]] = {
    "slstm": partial(in_heads, slstm, 4),
    "slstm, exponential forget gate": partial(in_heads, partial(slstm, forget="exp"), 4),
    "multiplicative_lstm": multiplicative_lstm,
    "janet": janet,
    "mogrifier_lstm": mogrifier_lstm,
    "nas": nas,
    "control_gate_lstm": control_gate_lstm,
    "mass_conserving_lstm": partial(mass_conserving_lstm, masses=2),
    "on_lstm": in_chunks,
    "res_lstm": res_lstm,
    "working_memory_lstm": working_memory_lstm,
}

__all__ = [
    "CELLS",
    "ControlGateCarry",
    "JANETCarry",
    "MassCarry",
    "SLSTMCarry",
    "control_gate_lstm",
    "janet",
    "mass_conserving_lstm",
    "mogrifier_lstm",
    "multiplicative_lstm",
    "nas",
    "on_lstm",
    "res_lstm",
    "slstm",
    "working_memory_lstm",
]
