"""Right calls of `jaxrnn.interop`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import jaxrnn
from jaxrnn import interop
from tests.wrong_calls.calls import Call
from tests.wrong_calls.core import LSTM, params_of
from tests.wrong_calls.judge import KEY

WEIGHTS = interop.save(LSTM, params_of(LSTM), "torch")
SCANNED = jaxrnn.gru(3, reset_after=True)
OF_HAIKU = interop.save(LSTM, params_of(LSTM), "haiku")


def file() -> Path:
    path = Path("weights.npz")
    np.savez(path, **WEIGHTS)
    return path


CALLS = {
    "load": Call(
        interop.load,
        lambda: dict(source=WEIGHTS),
        dict(source="dict", prefix="str | list | tuple"),
        known_as=dict(source=(KEY,)),
    ),
    "load, forget bias": Call(
        interop.load,
        lambda: dict(source=OF_HAIKU, library="haiku", layer=LSTM, forget_bias=1.0),
        dict(source="dict", prefix="str"),
        known_as=dict(source=(KEY,), prefix=("layer",)),  # several prefixes make a stack by themselves
    ),
    "save": Call(interop.save, lambda: dict(layer=LSTM, params=params_of(LSTM), library="torch"), dict(params="dict")),
    "save, to a file": Call(
        interop.save,
        lambda: dict(layer=LSTM, params=params_of(LSTM), library="torch", target="x.npz"),
        dict(params="dict"),
    ),
    "save, onnx": Call(
        interop.save, lambda: dict(layer=LSTM, params=params_of(LSTM), library="onnx"), dict(params="dict")
    ),
    "to_onnx": Call(
        interop.to_onnx,
        lambda: dict(layer=LSTM, params=params_of(LSTM), runtime="onnxruntime", steps=2, batch=2),
        dict(params="dict", embedding="array | None", head="dict | None"),
        made_by=lambda **given: str(interop.to_onnx(**given)),
    ),
    "scanned": Call(
        interop.scanned,
        lambda: dict(params={"GRUCell_0": interop.save(SCANNED, params_of(SCANNED), "flax.linen")}),
        dict(params="dict"),
    ),
    "convert": Call(
        interop.convert,
        lambda: dict(
            source=file(), target=Path("to.npz"), of=None, to=None, prefix="", layer=None, names=None, format=None
        ),
        dict(names="dict | None", graph="dict | None"),
    ),
    "read_onnx": Call(
        interop.read_onnx,
        lambda: dict(model=interop.save(LSTM, params_of(LSTM), "onnx")),
        dict(model="ModelProto | str"),
    ),
    "inspect": Call(lambda **given: str(interop.inspect(**given)), lambda: dict(file=file())),
    "activation": Call(interop.activation, lambda: dict(name="Elu")),
}
CALLS = {f"interop.{name}": call for name, call in CALLS.items()}
CALLS["load_run"] = Call(
    jaxrnn.load_run, lambda: dict(run="char_lm"), made_by=lambda **given: str(jaxrnn.load_run(**given))
)
