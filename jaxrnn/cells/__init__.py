"""The collection: one family of cells a file, each its equations and where they come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import gcd
from typing import Any

from jaxrnn.cells.antisymmetric import antisymmetric_rnn, gated_antisymmetric_rnn
from jaxrnn.cells.atr import atr
from jaxrnn.cells.block_gru import block_gru
from jaxrnn.cells.brc import brc, nbrc
from jaxrnn.cells.cfc import CfCCarry, cfc
from jaxrnn.cells.cfn import cfn
from jaxrnn.cells.clockwork import clockwork_rnn
from jaxrnn.cells.control_gate_lstm import ControlGateCarry, control_gate_lstm
from jaxrnn.cells.cornn import OscillatorCarry, cornn
from jaxrnn.cells.elman import ElmanCarry, elman
from jaxrnn.cells.esn import esn
from jaxrnn.cells.exp_rnn import exp_rnn
from jaxrnn.cells.fast_rnn import fast_grnn, fast_rnn
from jaxrnn.cells.gru import GRUCarry, gru
from jaxrnn.cells.gru_d import GRUDCarry, gru_d
from jaxrnn.cells.ind_rnn import ind_rnn
from jaxrnn.cells.intersection_rnn import intersection_rnn, ugrnn
from jaxrnn.cells.janet import JANETCarry, janet
from jaxrnn.cells.lem import LEMCarry, lem
from jaxrnn.cells.light_ru import light_ru
from jaxrnn.cells.ligru import ligru
from jaxrnn.cells.lipschitz import lipschitz_rnn
from jaxrnn.cells.lmu import LMUCarry, lmu
from jaxrnn.cells.lstm import LSTMCarry, lstm, lstm_1997
from jaxrnn.cells.ltc import ltc
from jaxrnn.cells.m2rnn import M2RNNCarry, m2rnn
from jaxrnn.cells.mass_conserving import MassCarry, mass_conserving_lstm
from jaxrnn.cells.mgu import mgu
from jaxrnn.cells.minimal_rnn import minimal_rnn
from jaxrnn.cells.mogrifier import mogrifier_lstm
from jaxrnn.cells.multiplicative_lstm import multiplicative_lstm
from jaxrnn.cells.mut import mut1, mut2, mut3
from jaxrnn.cells.nas import nas
from jaxrnn.cells.on_lstm import on_lstm
from jaxrnn.cells.para import para_gru, para_lstm
from jaxrnn.cells.phased_lstm import phased_lstm
from jaxrnn.cells.ran import ran
from jaxrnn.cells.res_lstm import res_lstm
from jaxrnn.cells.rhn import rhn
from jaxrnn.cells.scrn import SCRNCarry, scrn
from jaxrnn.cells.sgrn import sgrn
from jaxrnn.cells.slstm import SLSTMCarry, slstm
from jaxrnn.cells.star import star
from jaxrnn.cells.strongly_typed import TGRUCarry, TLSTMCarry, t_gru, t_lstm, t_rnn
from jaxrnn.cells.tau_gru import TauGRUCarry, tau_gru
from jaxrnn.cells.time_lstm import time_lstm
from jaxrnn.cells.unicornn import unicornn
from jaxrnn.cells.working_memory import working_memory_lstm
from jaxrnn.core.cell import Cell
from jaxrnn.forms.heads import heads


def in_heads(factory: Callable[..., Cell], most: int, size: int, **options: Any) -> Cell:
    """A cell that lives by heads, at any size: in as many as divide it, up to its own number."""
    return factory(size, recurrent=heads(gcd(size, most)), **options)


def with_backbone(size: int, **options: Any) -> Cell:
    """A closed-form network behind a backbone of two layers, a little wider than itself."""
    return cfc(size, backbone=size + 2, backbone_layers=2, **options)


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
    "slstm": partial(in_heads, slstm, 4),
    "slstm, exponential forget gate": partial(in_heads, partial(slstm, forget="exp"), 4),
    "block_gru": partial(in_heads, block_gru, 8),
    "ind_rnn": ind_rnn,
    "multiplicative_lstm": multiplicative_lstm,
    "mgu": mgu,
    "mgu, without reset": partial(mgu, reset=False),
    "janet": janet,
    "para_gru": para_gru,
    "para_lstm": para_lstm,
    "m2rnn": partial(in_heads, partial(m2rnn, keys=3), 2),
    "m2rnn, exponential decay": partial(in_heads, partial(m2rnn, keys=2, decay="exponential"), 2),
    "cfc": cfc,
    "cfc, no gate": partial(cfc, mode="no_gate"),
    "cfc, pure": partial(cfc, mode="pure"),
    "cfc, backbone": with_backbone,
    "phased_lstm": phased_lstm,
    "time_lstm": time_lstm,
    "gru_d": gru_d,
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
    "lmu": partial(lmu, order=4, theta=7.0),
    "esn": partial(esn, leak=0.3),
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
    "CfCCarry",
    "ControlGateCarry",
    "ElmanCarry",
    "GRUCarry",
    "GRUDCarry",
    "JANETCarry",
    "LEMCarry",
    "LMUCarry",
    "LSTMCarry",
    "M2RNNCarry",
    "MassCarry",
    "OscillatorCarry",
    "SCRNCarry",
    "SLSTMCarry",
    "TGRUCarry",
    "TLSTMCarry",
    "TauGRUCarry",
    "antisymmetric_rnn",
    "atr",
    "block_gru",
    "brc",
    "cfc",
    "cfn",
    "clockwork_rnn",
    "control_gate_lstm",
    "cornn",
    "elman",
    "esn",
    "exp_rnn",
    "fast_grnn",
    "fast_rnn",
    "gated_antisymmetric_rnn",
    "gru",
    "gru_d",
    "ind_rnn",
    "intersection_rnn",
    "janet",
    "lem",
    "light_ru",
    "ligru",
    "lipschitz_rnn",
    "lmu",
    "lstm",
    "lstm_1997",
    "ltc",
    "m2rnn",
    "mass_conserving_lstm",
    "mgu",
    "minimal_rnn",
    "mogrifier_lstm",
    "multiplicative_lstm",
    "mut1",
    "mut2",
    "mut3",
    "nas",
    "nbrc",
    "on_lstm",
    "para_gru",
    "para_lstm",
    "phased_lstm",
    "ran",
    "res_lstm",
    "rhn",
    "scrn",
    "sgrn",
    "slstm",
    "star",
    "t_gru",
    "t_lstm",
    "t_rnn",
    "tau_gru",
    "time_lstm",
    "ugrnn",
    "unicornn",
    "working_memory_lstm",
]


def __dir__() -> list[str]:
    return __all__
