"""silero-vad: the recurrent node of an ONNX model, its input and outputs shown beside what the model puts out."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

folder = Path(importlib.util.find_spec("silero_vad").origin).parent / "data"
model = onnx.load(folder / "silero_vad_16k_sequence.onnx")
(node,) = (n for n in model.graph.node if n.op_type == "LSTM")
rng = np.random.default_rng(0)
xs = rng.standard_normal((20, 1, 128)).astype("f")
h, c = (rng.standard_normal((1, 1, 128)).astype("f") for _ in range(2))
# The layer by itself: the node with its own weights, fed from outside.
kept = onnx.helper.make_graph(
    [onnx.helper.make_node("LSTM", ["X", *node.input[1:4], "", "h", "c"], ["Y", "Yh", "Yc"], hidden_size=128)],
    "layer",
    [
        onnx.helper.make_tensor_value_info(n, 1, s)
        for n, s in (("X", [20, 1, 128]), ("h", [1, 1, 128]), ("c", [1, 1, 128]))
    ],
    [onnx.helper.make_tensor_value_info(n, 1, None) for n in ("Y", "Yh", "Yc")],
    list(model.graph.initializer),
)
layer = onnx.helper.make_model(kept, opset_imports=model.opset_import, ir_version=model.ir_version)
session = onnxruntime.InferenceSession(layer.SerializeToString(), providers=["CPUExecutionProvider"])
y, yh, yc = session.run(None, dict(X=xs, h=h, c=c))
np.savez(
    sys.argv[1],
    xs=xs,
    ys=y[:, 0],
    h=h[0],
    c=c[0],
    runtime=f"onnxruntime {onnxruntime.__version__}",
    source=str(folder / "silero_vad_16k_sequence.onnx"),
    attributes=str([a.name for a in node.attribute]),
)
