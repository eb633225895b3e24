"""Interchange with other libraries: `load` their weights, `save` ours as theirs.

    layer, params = jaxrnn.interop.load(torch_lstm)                    # or a state dict, a Flax tree, a path, ...
    carry, ys = jaxrnn.scan(layer, params, xs)
    state_dict = jaxrnn.interop.save(layer, params, "torch")
    jaxrnn.interop.save(layer, params, "onnx", "model.onnx")           # or `to_onnx`, which has options

`inspect` says what is in a file and which prefix leads to it.

Libraries: torch, Keras, Flax (linen and NNX), haiku, equinox, TensorFlow 1, cuDNN, ONNX; torchrecurrent and ncps, whose
weights are read for a `layer` that is given or that a live module tells; UniRep's multiplicative LSTM; and our own
parameters in files.

A conversion is a row of data (`jaxrnn.interop.rows`), read in both directions.
"""

from jaxrnn.interop.activations import named as activation
from jaxrnn.interop.convert import convert
from jaxrnn.interop.inspection import Inspection, inspect
from jaxrnn.interop.load import Loaded, load
from jaxrnn.interop.onnx_graph import Node
from jaxrnn.interop.onnx_import import read_onnx
from jaxrnn.interop.onnx_write import to_onnx
from jaxrnn.interop.rows import LIBRARIES
from jaxrnn.interop.save import save
from jaxrnn.interop.scanned import scanned

__all__ = [
    "LIBRARIES",
    "Inspection",
    "Loaded",
    "Node",
    "activation",
    "convert",
    "inspect",
    "load",
    "read_onnx",
    "save",
    "scanned",
    "to_onnx",
]


def __dir__() -> list[str]:
    return __all__
