"""Right calls of compositions."""

from __future__ import annotations

import os
import tempfile

import numpy as np

import jaxrnn
from tests.wrong_calls.calls import Call
from tests.wrong_calls.core import BOTH, COMMON, GRU, KEY, LSTM, STACK, XS, B, D, T, methods, params_of

HEADS = dict(size=("heads",))  # which divide it
C_FILE = f"{tempfile.gettempdir()}/{os.getpid()}.c"
OF_SLSTM = COMMON | dict(forget="str")
CALLS = {
    "stack": Call(jaxrnn.stack, lambda: dict(layers=[GRU, LSTM]), dict(layers="list | tuple")),
    "bidirectional": Call(jaxrnn.bidirectional, lambda: dict(forward=GRU), dict(merge="str | function | None")),
    "reverse": Call(jaxrnn.reverse, lambda: dict(layer=GRU)),
    "residual": Call(jaxrnn.residual, lambda: dict(layer=GRU)),
    "highway": Call(jaxrnn.highway, lambda: dict(layer=GRU)),
    "zoneout": Call(jaxrnn.zoneout, lambda: dict(cell=GRU, h=0.5), more=dict(h="float")),
    "recurrent_dropout": Call(jaxrnn.recurrent_dropout, lambda: dict(cell=GRU, rate=0.5)),
    "input_dropout": Call(jaxrnn.input_dropout, lambda: dict(layer=GRU, rate=0.5)),
    "windowed": Call(jaxrnn.windowed, lambda: dict(layer=GRU, window=2, inputs=D)),
    "slstm_layer": Call(jaxrnn.slstm_layer, lambda: dict(size=8), OF_SLSTM, known_as=HEADS),
    "slstm_block": Call(jaxrnn.slstm_block, lambda: dict(size=8), OF_SLSTM, known_as=HEADS),
    "quantize": Call(jaxrnn.quantize, lambda: dict(cell=GRU, params=params_of(GRU)), dict(params="dict")),
    "export_c": Call(
        jaxrnn.export_c,
        lambda: dict(cell=GRU, params=params_of(GRU), path=C_FILE),
        dict(params="dict", path="str | Path", name="str | None"),
        known_as=dict(symbols=("symbols",)),
    ),
    "weight_drop": Call(
        jaxrnn.weight_drop, lambda: dict(params=params_of(STACK), rng=KEY, rate=0.5), dict(params="dict", rng="key")
    ),
}
TARGETS = np.ones((T, B, 2), np.float32)
FITTED = dict(params="dict", xs="array", targets="array", carry="array | tuple | list | None")


def read_out() -> dict[str, object]:
    return scanned_as_layer(GRU) | dict(targets=TARGETS)


def scanned_as_layer(layer: jaxrnn.Layer) -> dict[str, object]:
    return dict(layer=layer, params=params_of(layer), xs=XS)


MOMENTS = jaxrnn.readout_moments(**read_out())[1]  # type: ignore[arg-type]
CALLS |= {
    "fit_readout": Call(jaxrnn.fit_readout, read_out, FITTED),
    "readout_moments": Call(
        jaxrnn.readout_moments, read_out, FITTED | dict(before="Moments | None", per_step="dict | None")
    ),
    "solve_readout": Call(
        jaxrnn.solve_readout, lambda: dict(moments=MOMENTS, outputs=GRU.output_size), dict(moments="Moments")
    ),
}
CALLS |= methods(STACK, "Stack") | methods(jaxrnn.residual(jaxrnn.gru(D)), "Residual")
CALLS |= methods(jaxrnn.highway(jaxrnn.gru(D)), "Highway") | methods(BOTH, "Bidirectional")
del CALLS["Bidirectional.step"]  # it has none
