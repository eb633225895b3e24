"""Elman's network in other forms: one state, and no gate between it and the next."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from jaxrnn.cells.simple.exp_rnn import exp_rnn
from jaxrnn.cells.simple.fast_rnn import fast_grnn, fast_rnn
from jaxrnn.cells.simple.ind_rnn import ind_rnn
from jaxrnn.cells.simple.m2rnn import M2RNNCarry, m2rnn
from jaxrnn.cells.simple.rhn import rhn
from jaxrnn.cells.simple.scrn import SCRNCarry, scrn
from jaxrnn.cells.sizes import in_heads
from jaxrnn.core.cell import Cell


def with_context(size: int, **options: Any) -> Cell:
    """A structurally constrained network with a context half its size."""
    return scrn(size, context=max(size // 2, 1), **options)


CELLS: dict[str, Callable[[int], Cell]] = {
    "fast_rnn": fast_rnn,
    "fast_grnn": fast_grnn,
    "ind_rnn": ind_rnn,
    "m2rnn": partial(in_heads, partial(m2rnn, keys=3), 2),
    "m2rnn, exponential decay": partial(in_heads, partial(m2rnn, keys=2, decay="exponential"), 2),
    "rhn, depth 3": partial(rhn, depth=3),
    "rhn, carry gate": partial(rhn, depth=2, coupled=False),
    "exp_rnn": exp_rnn,
    "scrn": with_context,
}

__all__ = [
    "CELLS",
    "M2RNNCarry",
    "SCRNCarry",
    "exp_rnn",
    "fast_grnn",
    "fast_rnn",
    "ind_rnn",
    "m2rnn",
    "rhn",
    "scrn",
]
