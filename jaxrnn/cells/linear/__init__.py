"""Cells that are linear in the state, `h' = a h + b`, and so may run all steps at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jaxrnn.cells.linear.hgrn import hgrn
from jaxrnn.cells.linear.lin_oss import lin_oss
from jaxrnn.cells.linear.lru import ComplexCarry, lru
from jaxrnn.cells.linear.min_gru import LinearCarry, min_gru, min_lstm
from jaxrnn.cells.linear.rg_lru import rg_lru
from jaxrnn.cells.linear.s4d import s4d, s6
from jaxrnn.cells.linear.s5 import s5
from jaxrnn.cells.linear.sru import CellCarry, qrnn, sru
from jaxrnn.core.cell import Cell

CELLS: dict[str, Callable[[int], Cell]] = {
    "hgrn": partial(hgrn, lower_bound=0.3),
    "hgrn, rotating": partial(hgrn, lower_bound=0.3, rotating=True),
    "lin_oss": lin_oss,
    "lin_oss, implicit-explicit": partial(lin_oss, implicit=False),
    "lru": lru,
    "min_gru": min_gru,
    "min_lstm": min_lstm,
    "qrnn": qrnn,
    "qrnn, f": partial(qrnn, pooling="f"),
    "qrnn, ifo": partial(qrnn, pooling="ifo"),
    "rg_lru": rg_lru,
    "s4d": partial(s4d, states=3),
    "s5": s5,
    "s5, bilinear": partial(s5, discretization="bilinear"),
    "s6": partial(s6, states=3),
    "sru": sru,
}

__all__ = [
    "CELLS",
    "CellCarry",
    "ComplexCarry",
    "LinearCarry",
    "hgrn",
    "lin_oss",
    "lru",
    "min_gru",
    "min_lstm",
    "qrnn",
    "rg_lru",
    "s4d",
    "s5",
    "s6",
    "sru",
]
