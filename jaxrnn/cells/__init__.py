"""The collection: one family of cells a file, each its equations and where they come from.

Elman's network, the LSTM and the GRU stand here; the rooms hold their relatives, by what a step carries on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jaxrnn.cells.dynamics import CELLS as DYNAMICS
from jaxrnn.cells.dynamics import (
    LEMCarry,
    OscillatorCarry,
    antisymmetric_rnn,
    cornn,
    gated_antisymmetric_rnn,
    lem,
    lipschitz_rnn,
    unicornn,
)
from jaxrnn.cells.elman import ElmanCarry, elman
from jaxrnn.cells.fixed import CELLS as FIXED
from jaxrnn.cells.fixed import LMUCarry, esn, lmu
from jaxrnn.cells.gated import CELLS as GATED
from jaxrnn.cells.gated import (
    TauGRUCarry,
    TGRUCarry,
    TLSTMCarry,
    atr,
    block_gru,
    brc,
    cfn,
    intersection_rnn,
    light_ru,
    ligru,
    mgu,
    minimal_rnn,
    mut1,
    mut2,
    mut3,
    nbrc,
    para_gru,
    para_lstm,
    ran,
    sgrn,
    star,
    t_gru,
    t_lstm,
    t_rnn,
    tau_gru,
    ugrnn,
)
from jaxrnn.cells.gru import GRUCarry, gru
from jaxrnn.cells.linear import CELLS as LINEAR
from jaxrnn.cells.linear import (
    CellCarry,
    ComplexCarry,
    LinearCarry,
    hgrn,
    lin_oss,
    lru,
    min_gru,
    min_lstm,
    qrnn,
    rg_lru,
    s4d,
    s5,
    s6,
    sru,
)
from jaxrnn.cells.lstm import LSTMCarry, lstm, lstm_1997
from jaxrnn.cells.memory import CELLS as MEMORY
from jaxrnn.cells.memory import (
    ControlGateCarry,
    JANETCarry,
    MassCarry,
    SLSTMCarry,
    control_gate_lstm,
    janet,
    mass_conserving_lstm,
    mogrifier_lstm,
    multiplicative_lstm,
    nas,
    on_lstm,
    res_lstm,
    slstm,
    working_memory_lstm,
)
from jaxrnn.cells.simple import CELLS as SIMPLE
from jaxrnn.cells.simple import M2RNNCarry, SCRNCarry, exp_rnn, fast_grnn, fast_rnn, ind_rnn, m2rnn, rhn, scrn
from jaxrnn.cells.timed import CELLS as TIMED
from jaxrnn.cells.timed import CfCCarry, GRUDCarry, cfc, clockwork_rnn, gru_d, ltc, phased_lstm, time_lstm
from jaxrnn.core.cell import Cell

FIRST: dict[str, Callable[[int], Cell]] = {
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
}

# What `jaxrnn cells` lists and the law suite runs: family -> name -> factory(size).
FAMILIES: dict[str, dict[str, Callable[[int], Cell]]] = {
    "Elman's network, the LSTM, the GRU": FIRST,
    "one state, no gate": SIMPLE,
    "one state, gates": GATED,
    "a memory beside the output": MEMORY,
    "steps of differential equations": DYNAMICS,
    "linear in the state: all steps at once": LINEAR,
    "time is an input": TIMED,
    "a memory or a reservoir that is not trained": FIXED,
}
COLLECTION = {name: factory for family in FAMILIES.values() for name, factory in family.items()}

__all__ = [
    "COLLECTION",
    "FAMILIES",
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
    "LinearCarry",
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
    "hgrn",
    "ind_rnn",
    "intersection_rnn",
    "janet",
    "lem",
    "light_ru",
    "ligru",
    "lin_oss",
    "lipschitz_rnn",
    "lmu",
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
    "on_lstm",
    "para_gru",
    "para_lstm",
    "phased_lstm",
    "qrnn",
    "ran",
    "res_lstm",
    "rg_lru",
    "rhn",
    "s4d",
    "s5",
    "s6",
    "scrn",
    "sgrn",
    "slstm",
    "sru",
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
