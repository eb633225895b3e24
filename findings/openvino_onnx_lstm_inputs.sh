#!/usr/bin/env bash
# OpenVINO 2026.4.1: of ONNX's LSTM, peepholes (P) and input_forget are passed over, and sequence_lens too where a size is open.
#
# The model loads, compiles and runs without a word, and its numbers are those of another cell. Lengths are kept where time and
# batch are fixed in the graph, and dropped as soon as either is a name; so the same weights are right in one file and wrong in
# the other. onnxruntime runs all of them as ONNX defines them.
#
# Output seen (Python 3.11, openvino 2026.4.1, onnxruntime 1.32.0, onnx 1.23.2, CPU), largest difference between the two:
#   plain: 0.0
#   peepholes: 0.3
#   input_forget: 0.1
#   lengths, fixed sizes: 0.0
#   lengths, open batch: 0.7
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2
"$work/env/bin/python" - <<'PY'
import numpy as np, onnxruntime, openvino
from onnx import helper, numpy_helper

T, B, D, H = 5, 3, 3, 4
rng = np.random.default_rng(0)
draw = lambda *shape: rng.normal(size=shape).astype("f")
weights = {"W": draw(1, 4 * H, D), "R": draw(1, 4 * H, H), "P": draw(1, 3 * H)}
xs, lens = draw(T, B, D), np.array([5, 1, 3], np.int32)


def difference(lengths=False, peepholes=False, batch=B, **options):
    names = ["X", "W", "R", "", "lens" if lengths else "", "", "", "P" if peepholes else ""]
    node = helper.make_node("LSTM", names, ["Y"], hidden_size=H, **options)
    inputs = [helper.make_tensor_value_info("X", 1, [T, batch, D])]
    inputs += [helper.make_tensor_value_info("lens", 6, [batch])] if lengths else []
    tensors = [numpy_helper.from_array(a, n) for n, a in weights.items() if n in names]
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("Y", 1, None)], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    given = {"X": xs} | ({"lens": lens} if lengths else {})
    right = onnxruntime.InferenceSession(model.SerializeToString()).run(None, given)[0]
    read = openvino.Core().read_model(model.SerializeToString())
    got = openvino.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(given)[0]
    return float(np.abs(got - right).max())


cases = {
    "plain": (dict(), False),
    "peepholes": (dict(peepholes=True), True),
    "input_forget": (dict(input_forget=1), True),
    "lengths, fixed sizes": (dict(lengths=True), False),
    "lengths, open batch": (dict(lengths=True, batch="B"), True),
}
for name, (options, wrong) in cases.items():
    seen = difference(**options)
    print(f"{name}: {seen:.1f}")
    assert (seen > 1e-2) == wrong, "other than before"
PY
