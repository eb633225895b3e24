"""Cells that a task of sequences may ask for by name, made as long memories want them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import jaxrnn

CELLS: dict[str, Callable[..., jaxrnn.Cell]] = {
    "lstm": jaxrnn.lstm,
    "gru": jaxrnn.gru,
    "min_gru": jaxrnn.min_gru,
    "min_lstm": jaxrnn.min_lstm,
    "lru": partial(jaxrnn.lru, smallest=0.9, largest=0.999),
    "rg_lru": jaxrnn.rg_lru,
    "s4d": partial(jaxrnn.s4d, states=16),
    "s5": jaxrnn.s5,
    "s6": partial(jaxrnn.s6, states=8),
    "hgrn": jaxrnn.hgrn,
    "lin_oss": jaxrnn.lin_oss,
    "sru": jaxrnn.sru,
    "qrnn": jaxrnn.qrnn,
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
