"""A memory or a reservoir that is not trained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jaxrnn.cells.fixed.esn import esn
from jaxrnn.cells.fixed.lmu import LMUCarry, lmu
from jaxrnn.core.cell import Cell

CELLS: dict[str, Callable[[int], Cell]] = {
    "lmu": partial(lmu, order=4, theta=7.0),
    "esn": partial(esn, leak=0.3),
}

__all__ = [
    "CELLS",
    "LMUCarry",
    "esn",
    "lmu",
]
