"""Cells that a task of sequences may ask for by name, made as long memories want them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from jaxrnn.cells import gru, hgrn, lin_oss, lru, lstm, min_gru, min_lstm, qrnn, rg_lru, s4d, s5, s6, sru
from jaxrnn.core.cell import Cell

CELLS: dict[str, Callable[..., Cell]] = {
    "lstm": lstm,
    "gru": gru,
    "min_gru": min_gru,
    "min_lstm": min_lstm,
    "lru": partial(lru, smallest=0.9, largest=0.999),
    "rg_lru": rg_lru,
    "s4d": partial(s4d, states=16),
    "s5": s5,
    "s6": partial(s6, states=8),
    "hgrn": hgrn,
    "lin_oss": lin_oss,
    "sru": sru,
    "qrnn": qrnn,
}
CellName = Literal[
    "lstm",
    "gru",
    "min_gru",
    "min_lstm",
    "lru",
    "rg_lru",
    "s4d",
    "s5",
    "s6",
    "hgrn",
    "lin_oss",
    "sru",
    "qrnn",
]
