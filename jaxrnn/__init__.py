"""jaxrnn: recurrent networks in JAX. Pure cells, one engine, thin Flax modules."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from jaxrnn import forms as forms
from jaxrnn.base.memory import keep_memory as keep_memory
from jaxrnn.base.package import VERSION as __version__
from jaxrnn.base.reports import checkify as checkify
from jaxrnn.cells import CellCarry as CellCarry
from jaxrnn.cells import CfCCarry as CfCCarry
from jaxrnn.cells import ComplexCarry as ComplexCarry
from jaxrnn.cells import ControlGateCarry as ControlGateCarry
from jaxrnn.cells import ElmanCarry as ElmanCarry
from jaxrnn.cells import GRUCarry as GRUCarry
from jaxrnn.cells import GRUDCarry as GRUDCarry
from jaxrnn.cells import JANETCarry as JANETCarry
from jaxrnn.cells import LEMCarry as LEMCarry
from jaxrnn.cells import LinearCarry as LinearCarry
from jaxrnn.cells import LMUCarry as LMUCarry
from jaxrnn.cells import LSTMCarry as LSTMCarry
from jaxrnn.cells import M2RNNCarry as M2RNNCarry
from jaxrnn.cells import MassCarry as MassCarry
from jaxrnn.cells import OscillatorCarry as OscillatorCarry
from jaxrnn.cells import SCRNCarry as SCRNCarry
from jaxrnn.cells import SLSTMCarry as SLSTMCarry
from jaxrnn.cells import TauGRUCarry as TauGRUCarry
from jaxrnn.cells import TGRUCarry as TGRUCarry
from jaxrnn.cells import TLSTMCarry as TLSTMCarry
from jaxrnn.cells import antisymmetric_rnn as antisymmetric_rnn
from jaxrnn.cells import atr as atr
from jaxrnn.cells import block_gru as block_gru
from jaxrnn.cells import brc as brc
from jaxrnn.cells import cfc as cfc
from jaxrnn.cells import cfn as cfn
from jaxrnn.cells import clockwork_rnn as clockwork_rnn
from jaxrnn.cells import control_gate_lstm as control_gate_lstm
from jaxrnn.cells import cornn as cornn
from jaxrnn.cells import elman as elman
from jaxrnn.cells import esn as esn
from jaxrnn.cells import exp_rnn as exp_rnn
from jaxrnn.cells import fast_grnn as fast_grnn
from jaxrnn.cells import fast_rnn as fast_rnn
from jaxrnn.cells import gated_antisymmetric_rnn as gated_antisymmetric_rnn
from jaxrnn.cells import gru as gru
from jaxrnn.cells import gru_d as gru_d
from jaxrnn.cells import hgrn as hgrn
from jaxrnn.cells import ind_rnn as ind_rnn
from jaxrnn.cells import intersection_rnn as intersection_rnn
from jaxrnn.cells import janet as janet
from jaxrnn.cells import lem as lem
from jaxrnn.cells import light_ru as light_ru
from jaxrnn.cells import ligru as ligru
from jaxrnn.cells import lin_oss as lin_oss
from jaxrnn.cells import lipschitz_rnn as lipschitz_rnn
from jaxrnn.cells import lmu as lmu
from jaxrnn.cells import lru as lru
from jaxrnn.cells import lstm as lstm
from jaxrnn.cells import lstm_1997 as lstm_1997
from jaxrnn.cells import ltc as ltc
from jaxrnn.cells import m2rnn as m2rnn
from jaxrnn.cells import mass_conserving_lstm as mass_conserving_lstm
from jaxrnn.cells import mgu as mgu
from jaxrnn.cells import min_gru as min_gru
from jaxrnn.cells import min_lstm as min_lstm
from jaxrnn.cells import minimal_rnn as minimal_rnn
from jaxrnn.cells import mogrifier_lstm as mogrifier_lstm
from jaxrnn.cells import multiplicative_lstm as multiplicative_lstm
from jaxrnn.cells import mut1 as mut1
from jaxrnn.cells import mut2 as mut2
from jaxrnn.cells import mut3 as mut3
from jaxrnn.cells import nas as nas
from jaxrnn.cells import nbrc as nbrc
from jaxrnn.cells import on_lstm as on_lstm
from jaxrnn.cells import para_gru as para_gru
from jaxrnn.cells import para_lstm as para_lstm
from jaxrnn.cells import phased_lstm as phased_lstm
from jaxrnn.cells import qrnn as qrnn
from jaxrnn.cells import ran as ran
from jaxrnn.cells import res_lstm as res_lstm
from jaxrnn.cells import rg_lru as rg_lru
from jaxrnn.cells import rhn as rhn
from jaxrnn.cells import s4d as s4d
from jaxrnn.cells import s5 as s5
from jaxrnn.cells import s6 as s6
from jaxrnn.cells import scrn as scrn
from jaxrnn.cells import sgrn as sgrn
from jaxrnn.cells import slstm as slstm
from jaxrnn.cells import sru as sru
from jaxrnn.cells import star as star
from jaxrnn.cells import t_gru as t_gru
from jaxrnn.cells import t_lstm as t_lstm
from jaxrnn.cells import t_rnn as t_rnn
from jaxrnn.cells import tau_gru as tau_gru
from jaxrnn.cells import time_lstm as time_lstm
from jaxrnn.cells import ugrnn as ugrnn
from jaxrnn.cells import unicornn as unicornn
from jaxrnn.cells import working_memory_lstm as working_memory_lstm
from jaxrnn.compose import BidirectionalCarry as BidirectionalCarry
from jaxrnn.compose import SLSTMLayerCarry as SLSTMLayerCarry
from jaxrnn.compose import WindowedCarry as WindowedCarry
from jaxrnn.compose import bidirectional as bidirectional
from jaxrnn.compose import fit_readout as fit_readout
from jaxrnn.compose import highway as highway
from jaxrnn.compose import input_dropout as input_dropout
from jaxrnn.compose import quantize as quantize
from jaxrnn.compose import readout_moments as readout_moments
from jaxrnn.compose import recurrent_dropout as recurrent_dropout
from jaxrnn.compose import residual as residual
from jaxrnn.compose import reverse as reverse
from jaxrnn.compose import slstm_block as slstm_block
from jaxrnn.compose import slstm_layer as slstm_layer
from jaxrnn.compose import solve_readout as solve_readout
from jaxrnn.compose import stack as stack
from jaxrnn.compose import weight_drop as weight_drop
from jaxrnn.compose import windowed as windowed
from jaxrnn.compose import zoneout as zoneout
from jaxrnn.core.cell import Cell as Cell
from jaxrnn.core.gate_cell import gate_cell as gate_cell
from jaxrnn.core.layer import Layer as Layer
from jaxrnn.core.linear_cell import linear_cell as linear_cell
from jaxrnn.core.parameter import Parameter as Parameter
from jaxrnn.core.roles import labels as labels
from jaxrnn.core.shardings import shardings as shardings
from jaxrnn.engine.cuts import burn_in as burn_in
from jaxrnn.engine.cuts import counts_from as counts_from
from jaxrnn.engine.cuts import cut as cut
from jaxrnn.engine.cuts import states_before as states_before
from jaxrnn.engine.devices import scan_sharded as scan_sharded
from jaxrnn.engine.explain import explain as explain
from jaxrnn.engine.newton.public import newton_forecast as newton_forecast
from jaxrnn.engine.newton.public import scan_newton as scan_newton
from jaxrnn.engine.scan import scan as scan
from jaxrnn.engine.scan import scan_carries as scan_carries
from jaxrnn.engine.starts import starts_from as starts_from
from jaxrnn.engine.truncated import scan_truncated as scan_truncated
from jaxrnn.forms import convolution as convolution
from jaxrnn.forms import dense as dense
from jaxrnn.forms import diagonal as diagonal
from jaxrnn.forms import heads as heads
from jaxrnn.forms import low_rank as low_rank
from jaxrnn.forms import only as only
from jaxrnn.forms import shared as shared
from jaxrnn.functions import activations as activations
from jaxrnn.functions import constraints as constraints
from jaxrnn.functions import initializers as initializers
from jaxrnn.functions import regularizers as regularizers
from jaxrnn.kernels.c import export_c as export_c
from jaxrnn.kernels.table import backends as backends

if _TYPE_CHECKING:
    from jaxrnn import decode as decode
    from jaxrnn import dynamics as dynamics
    from jaxrnn import interop as interop
    from jaxrnn import keras as keras
    from jaxrnn import linen as linen
    from jaxrnn import nnx as nnx
    from jaxrnn import testing as testing
    from jaxrnn.tasks.runs import load_run as load_run

__all__ = [
    "BidirectionalCarry",
    "Cell",
    "CellCarry",
    "CfCCarry",
    "ComplexCarry",
    "ControlGateCarry",
    "ElmanCarry",
    "GRUCarry",
    "GRUDCarry",
    "JANETCarry",
    "LEMCarry",
    "LMUCarry",
    "LSTMCarry",
    "Layer",
    "LinearCarry",
    "M2RNNCarry",
    "MassCarry",
    "OscillatorCarry",
    "Parameter",
    "SCRNCarry",
    "SLSTMCarry",
    "SLSTMLayerCarry",
    "TGRUCarry",
    "TLSTMCarry",
    "TauGRUCarry",
    "WindowedCarry",
    "__version__",
    "activations",
    "antisymmetric_rnn",
    "atr",
    "backends",
    "bidirectional",
    "block_gru",
    "brc",
    "burn_in",
    "cfc",
    "cfn",
    "checkify",
    "clockwork_rnn",
    "constraints",
    "control_gate_lstm",
    "convolution",
    "cornn",
    "counts_from",
    "cut",
    "decode",
    "dense",
    "diagonal",
    "dynamics",
    "elman",
    "esn",
    "exp_rnn",
    "explain",
    "export_c",
    "fast_grnn",
    "fast_rnn",
    "fit_readout",
    "forms",
    "gate_cell",
    "gated_antisymmetric_rnn",
    "gru",
    "gru_d",
    "heads",
    "hgrn",
    "highway",
    "ind_rnn",
    "initializers",
    "input_dropout",
    "interop",
    "intersection_rnn",
    "janet",
    "keep_memory",
    "keras",
    "labels",
    "lem",
    "light_ru",
    "ligru",
    "lin_oss",
    "linear_cell",
    "linen",
    "lipschitz_rnn",
    "lmu",
    "load_run",
    "low_rank",
    "lru",
    "lstm",
    "lstm_1997",
    "ltc",
    "m2rnn",
    "mass_conserving_lstm",
    "mgu",
    "min_gru",
    "min_lstm",
    "minimal_rnn",
    "mogrifier_lstm",
    "multiplicative_lstm",
    "mut1",
    "mut2",
    "mut3",
    "nas",
    "nbrc",
    "newton_forecast",
    "nnx",
    "on_lstm",
    "only",
    "para_gru",
    "para_lstm",
    "phased_lstm",
    "qrnn",
    "quantize",
    "ran",
    "readout_moments",
    "recurrent_dropout",
    "regularizers",
    "res_lstm",
    "residual",
    "reverse",
    "rg_lru",
    "rhn",
    "s4d",
    "s5",
    "s6",
    "scan",
    "scan_carries",
    "scan_newton",
    "scan_sharded",
    "scan_truncated",
    "scrn",
    "sgrn",
    "shardings",
    "shared",
    "slstm",
    "slstm_block",
    "slstm_layer",
    "solve_readout",
    "sru",
    "stack",
    "star",
    "starts_from",
    "states_before",
    "t_gru",
    "t_lstm",
    "t_rnn",
    "tau_gru",
    "testing",
    "time_lstm",
    "ugrnn",
    "unicornn",
    "weight_drop",
    "windowed",
    "working_memory_lstm",
    "zoneout",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> _Any:
    """What stands on other libraries, Flax first of all, is imported when it is first used."""
    if name in ("decode", "dynamics", "interop", "keras", "linen", "nnx", "testing"):
        return _import_module(f"jaxrnn.{name}")
    if name == "load_run":
        return _import_module("jaxrnn.tasks.runs").load_run
    raise AttributeError(f"module 'jaxrnn' has no attribute {name!r}")
