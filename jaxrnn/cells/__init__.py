"""The collection: one family of cells a file, each its equations and where they come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import gcd
from typing import Any

from jaxrnn.cells.antisymmetric import antisymmetric_rnn, gated_antisymmetric_rnn
from jaxrnn.cells.atr import atr
from jaxrnn.cells.brc import brc, nbrc
from jaxrnn.cells.cfn import cfn
from jaxrnn.cells.clockwork import clockwork_rnn
from jaxrnn.cells.control_gate_lstm import ControlGateCarry, control_gate_lstm
from jaxrnn.cells.cornn import OscillatorCarry, cornn
from jaxrnn.cells.elman import ElmanCarry, elman
from jaxrnn.cells.exp_rnn import exp_rnn
from jaxrnn.cells.fast_rnn import fast_grnn, fast_rnn
from jaxrnn.cells.gru import GRUCarry, gru
from jaxrnn.cells.gru_d import GRUDCarry, gru_d
from jaxrnn.cells.intersection_rnn import intersection_rnn, ugrnn
from jaxrnn.cells.lem import LEMCarry, lem
from jaxrnn.cells.light_ru import light_ru
from jaxrnn.cells.ligru import ligru
from jaxrnn.cells.lipschitz import lipschitz_rnn
from jaxrnn.cells.lstm import LSTMCarry, lstm, lstm_1997
from jaxrnn.cells.ltc import ltc
from jaxrnn.cells.mass_conserving import MassCarry, mass_conserving_lstm
from jaxrnn.cells.minimal_rnn import minimal_rnn
from jaxrnn.cells.mogrifier import mogrifier_lstm
from jaxrnn.cells.mut import mut1, mut2, mut3
from jaxrnn.cells.nas import nas
from jaxrnn.cells.on_lstm import on_lstm
from jaxrnn.cells.ran import ran
from jaxrnn.cells.res_lstm import res_lstm
from jaxrnn.cells.rhn import rhn
from jaxrnn.cells.scrn import SCRNCarry, scrn
from jaxrnn.cells.sgrn import sgrn
from jaxrnn.cells.star import star
from jaxrnn.cells.strongly_typed import TGRUCarry, TLSTMCarry, t_gru, t_lstm, t_rnn
from jaxrnn.cells.tau_gru import TauGRUCarry, tau_gru
from jaxrnn.cells.unicornn import unicornn
from jaxrnn.cells.working_memory import working_memory_lstm
from jaxrnn.core.cell import Cell


def in_groups(size: int, **options: Any) -> Cell:
    """A clockwork network of up to three groups, as many as divide the size."""
    groups = next(count for count in (3, 2, 1) if size % count == 0)
    return clockwork_rnn(size, periods=(1, 2, 4)[:groups], **options)


def in_chunks(size: int, **options: Any) -> Cell:
    """An ordered-neurons LSTM with chunks of two units, where these divide the size."""
    return on_lstm(size, chunk=gcd(size, 2), **options)


def with_context(size: int, **options: Any) -> Cell:
    """A structurally constrained network with a context half its size."""
    return scrn(size, context=max(size // 2, 1), **options)


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
    "antisymmetric_rnn": antisymmetric_rnn,
    "gated_antisymmetric_rnn": gated_antisymmetric_rnn,
    "atr": atr,
    "brc": brc,
    "nbrc": nbrc,
    "cfn": cfn,
    "cornn": cornn,
    "cornn, implicit": partial(cornn, implicit=True),
    "fast_rnn": fast_rnn,
    "fast_grnn": fast_grnn,
    "gru_d": partial(gru_d, inputs=3),
    "ugrnn": ugrnn,
    "intersection_rnn": intersection_rnn,
    "lem": lem,
    "light_ru": light_ru,
    "ligru": ligru,
    "minimal_rnn": minimal_rnn,
    "mogrifier_lstm": mogrifier_lstm,
    "mut1": mut1,
    "mut1, projected input": partial(mut1, project_input=True),
    "mut2": mut2,
    "mut2, projected input": partial(mut2, project_input=True),
    "mut3": mut3,
    "nas": nas,
    "ran": ran,
    "rhn, depth 3": partial(rhn, depth=3),
    "rhn, carry gate": partial(rhn, depth=2, coupled=False),
    "sgrn": sgrn,
    "star": star,
    "unicornn": unicornn,
    "clockwork_rnn": in_groups,
    "control_gate_lstm": control_gate_lstm,
    "exp_rnn": exp_rnn,
    "lipschitz_rnn": lipschitz_rnn,
    "ltc": ltc,
    "mass_conserving_lstm": partial(mass_conserving_lstm, masses=2),
    "on_lstm": in_chunks,
    "res_lstm": res_lstm,
    "scrn": with_context,
    "t_gru": t_gru,
    "t_lstm": t_lstm,
    "t_rnn": t_rnn,
    "tau_gru": partial(tau_gru, delay=2),
    "working_memory_lstm": working_memory_lstm,
}

__all__ = [
    "COLLECTION",
    "ControlGateCarry",
    "ElmanCarry",
    "GRUCarry",
    "GRUDCarry",
    "LEMCarry",
    "LSTMCarry",
    "MassCarry",
    "OscillatorCarry",
    "SCRNCarry",
    "TGRUCarry",
    "TLSTMCarry",
    "TauGRUCarry",
    "antisymmetric_rnn",
    "atr",
    "brc",
    "cfn",
    "clockwork_rnn",
    "control_gate_lstm",
    "cornn",
    "elman",
    "exp_rnn",
    "fast_grnn",
    "fast_rnn",
    "gated_antisymmetric_rnn",
    "gru",
    "gru_d",
    "intersection_rnn",
    "lem",
    "light_ru",
    "ligru",
    "lipschitz_rnn",
    "lstm",
    "lstm_1997",
    "ltc",
    "mass_conserving_lstm",
    "minimal_rnn",
    "mogrifier_lstm",
    "mut1",
    "mut2",
    "mut3",
    "nas",
    "nbrc",
    "on_lstm",
    "ran",
    "res_lstm",
    "rhn",
    "scrn",
    "sgrn",
    "star",
    "t_gru",
    "t_lstm",
    "t_rnn",
    "tau_gru",
    "ugrnn",
    "unicornn",
    "working_memory_lstm",
]


def __dir__() -> list[str]:
    return __all__
