#!/usr/bin/env bash
# tract 0.23.9: of ONNX's LSTM, GRU and RNN, direction=reverse runs forward; activations, clip and input_forget are passed over.
#
# The model loads and runs without a word, and its numbers are those of another cell: an RNN with Relu is one with tanh. Both
# directions at once are right, and peepholes are; lengths are refused in so many words. onnxruntime runs all as defined.
#
# Output seen (Python 3.11, tract 0.23.9, onnxruntime 1.32.0, onnx 1.23.2, CPU), largest difference between the two:
#   forward: right
#   bidirectional: right
#   reverse: wrong
#   Relu: wrong
#   clip: wrong
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check tract==0.23.9 onnxruntime==1.32.0 onnx==1.23.2
cd "$work"
"$work/env/bin/python" - <<'PY'
import numpy as np, onnx, onnxruntime, tract
from onnx import helper, numpy_helper

T, B, D, H = 5, 3, 3, 4
rng = np.random.default_rng(0)
draw = lambda *shape: rng.normal(size=shape).astype("f")


def is_right(**options):
    ways = 1 + (options.get("direction") == "bidirectional")
    weights = {"W": draw(ways, H, D), "R": draw(ways, H, H)}
    given = {"X": draw(T, B, D), "h": draw(ways, B, H)}
    node = helper.make_node("RNN", ["X", "W", "R", "", "", "h"], ["Y"], hidden_size=H, **options)
    inputs = [helper.make_tensor_value_info(n, 1, a.shape) for n, a in given.items()]
    tensors = [numpy_helper.from_array(a, n) for n, a in weights.items()]
    outputs = [helper.make_tensor_value_info("Y", 1, [T, ways, B, H])]
    graph = helper.make_graph([node], "g", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    onnx.save(model, "m.onnx")
    right = onnxruntime.InferenceSession("m.onnx").run(None, given)[0]
    got = tract.onnx().load("m.onnx").into_model().into_runnable().run([given["X"], given["h"]])[0].to_numpy()
    return bool(np.abs(got - right).max() < 1e-5)


cases = {
    "forward": (dict(), True),
    "bidirectional": (dict(direction="bidirectional"), True),
    "reverse": (dict(direction="reverse"), False),
    "Relu": (dict(activations=["Relu"]), False),
    "clip": (dict(clip=0.3), False),
}
for name, (options, expected) in cases.items():
    seen = is_right(**options)
    print(f"{name}: {'right' if seen else 'wrong'}")
    assert seen == expected, "other than before"
PY
