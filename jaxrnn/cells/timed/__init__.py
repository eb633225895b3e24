"""Time, or what was observed when, is an input."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from jaxrnn.cells.timed.cfc import CfCCarry, cfc
from jaxrnn.cells.timed.clockwork import clockwork_rnn
from jaxrnn.cells.timed.gru_d import GRUDCarry, gru_d
from jaxrnn.cells.timed.ltc import ltc
from jaxrnn.cells.timed.phased_lstm import phased_lstm
from jaxrnn.cells.timed.time_lstm import time_lstm
from jaxrnn.core.cell import Cell


def with_backbone(size: int, **options: Any) -> Cell:
    """A closed-form network behind a backbone of two layers, a little wider than itself."""
    return cfc(size, backbone=size + 2, backbone_layers=2, **options)


def in_groups(size: int, **options: Any) -> Cell:
    """A clockwork network of up to three groups, as many as divide the size."""
    groups = next(count for count in (3, 2, 1) if size % count == 0)
    return clockwork_rnn(size, periods=(1, 2, 4)[:groups], **options)


CELLS: dict[str, Callable[[int], Cell]] = {
    "cfc": cfc,
    "cfc, no gate": partial(cfc, mode="no_gate"),
    "cfc, pure": partial(cfc, mode="pure"),
    "cfc, backbone": with_backbone,
    "phased_lstm": phased_lstm,
    "time_lstm": time_lstm,
    "gru_d": gru_d,
    "clockwork_rnn": in_groups,
    "ltc": ltc,
}

__all__ = [
    "CELLS",
    "CfCCarry",
    "GRUDCarry",
    "cfc",
    "clockwork_rnn",
    "gru_d",
    "ltc",
    "phased_lstm",
    "time_lstm",
]
