"""One state, and gates that say what of it stays: relatives of the gated recurrent unit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jaxrnn.cells.gated.atr import atr
from jaxrnn.cells.gated.block_gru import block_gru
from jaxrnn.cells.gated.brc import brc, nbrc
from jaxrnn.cells.gated.cfn import cfn
from jaxrnn.cells.gated.intersection_rnn import intersection_rnn, ugrnn
from jaxrnn.cells.gated.light_ru import light_ru
from jaxrnn.cells.gated.ligru import ligru
from jaxrnn.cells.gated.mgu import mgu
from jaxrnn.cells.gated.minimal_rnn import minimal_rnn
from jaxrnn.cells.gated.mut import mut1, mut2, mut3
from jaxrnn.cells.gated.para import para_gru, para_lstm
from jaxrnn.cells.gated.ran import ran
from jaxrnn.cells.gated.sgrn import sgrn
from jaxrnn.cells.gated.star import star
from jaxrnn.cells.gated.strongly_typed import TGRUCarry, TLSTMCarry, t_gru, t_lstm, t_rnn
from jaxrnn.cells.gated.tau_gru import TauGRUCarry, tau_gru
from jaxrnn.cells.sizes import in_heads
from jaxrnn.core.cell import Cell

CELLS: dict[str, Callable[[int], Cell]] = {
    "atr": atr,
    "brc": brc,
    "nbrc": nbrc,
    "cfn": cfn,
    "block_gru": partial(in_heads, block_gru, 8),
    "mgu": mgu,
    "mgu, without reset": partial(mgu, reset=False),
    "para_gru": para_gru,
    "para_lstm": para_lstm,
    "ugrnn": ugrnn,
    "intersection_rnn": intersection_rnn,
    "light_ru": light_ru,
    "ligru": ligru,
    "minimal_rnn": minimal_rnn,
    "mut1": mut1,
    "mut1, projected input": partial(mut1, project_input=True),
    "mut2": mut2,
    "mut2, projected input": partial(mut2, project_input=True),
    "mut3": mut3,
    "ran": ran,
    "sgrn": sgrn,
    "star": star,
    "t_gru": t_gru,
    "t_lstm": t_lstm,
    "t_rnn": t_rnn,
    "tau_gru": partial(tau_gru, delay=2),
}

__all__ = [
    "CELLS",
    "TGRUCarry",
    "TLSTMCarry",
    "TauGRUCarry",
    "atr",
    "block_gru",
    "brc",
    "cfn",
    "intersection_rnn",
    "light_ru",
    "ligru",
    "mgu",
    "minimal_rnn",
    "mut1",
    "mut2",
    "mut3",
    "nbrc",
    "para_gru",
    "para_lstm",
    "ran",
    "sgrn",
    "star",
    "t_gru",
    "t_lstm",
    "t_rnn",
    "tau_gru",
    "ugrnn",
]
