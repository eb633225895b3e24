"""jaxrnn layers as ONNX's LSTM, GRU and RNN nodes of opset 22, one for each layer of a stack."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Params
from jaxrnn.compose import Bidirectional, Reverse, Stack
from jaxrnn.core.layer import Layer, check_params
from jaxrnn.interop.activations import FUNCTIONS, Named, name_of
from jaxrnn.interop.express import options_of
from jaxrnn.interop.onnx_node import FUNCTION_NAMES, KINDS
from jaxrnn.interop.places import Place, cells_of
from jaxrnn.interop.theirs import cell_arrays, row_of

OPSET = 22
OP_TYPES = {kind: op for op, kind in KINDS.items()}
REDUCTIONS = {"sum": "ReduceSum", "mul": "ReduceProd", "ave": "ReduceMean"}


def export(layer: Layer, params: Params) -> Any:
    """An `onnx.ModelProto`. Inputs: X [T, B, D], sequence_lens [B], and for each layer initial_h_N (and initial_c_N)
    [directions, B, H]. Outputs: Y [T, B, features], and for each layer Y_h_N (and Y_c_N)."""
    import onnx
    from onnx import helper

    cells = cells_of(layer)
    layers = layer.layers if isinstance(layer, Stack) else (layer,)
    plans = [_attributes(layer, i, part) for i, part in enumerate(layers)]  # every refusal comes before any array
    check_params(layer, params)
    dtype = helper.np_dtype_to_tensor_dtype(np.asarray(_first(params)).dtype)
    inputs = [_value("X", dtype, ["T", "B", layer.input_size(params)]), _value("sequence_lens", 6, ["B"])]
    nodes, weights, states = [], [], []
    below = "X"
    for i, (part, (op, attributes)) in enumerate(zip(layers, plans, strict=True)):
        arrays = _weights(layer, params, i, part)
        weights += [onnx.numpy_helper.from_array(a, f"{name}_{i}") for name, a in arrays.items()]
        cell = cells[Place(i)]
        ways = 1 + isinstance(part, Bidirectional)
        kept = ("h", "c") if op == "LSTM" else ("h",)
        inputs += [_value(f"initial_{s}_{i}", dtype, [ways, "B", cell.size]) for s in kept]
        states += [_value(f"Y_{s}_{i}", dtype, [ways, "B", cell.size]) for s in kept]
        names = [below, f"W_{i}", f"R_{i}", f"B_{i}" if "B" in arrays else "", "sequence_lens"]
        names += [f"initial_{s}_{i}" for s in kept] + ([f"P_{i}"] if "P" in arrays else [])
        puts_out = [f"Y_ways_{i}", *(f"Y_{s}_{i}" for s in kept)]
        nodes.append(helper.make_node(op, names, puts_out, name=f"layer_{i}", **attributes))
        above = "Y" if i + 1 == len(layers) else f"Y_{i}"
        more, constants = _merge(part, f"Y_ways_{i}", above, ways)
        nodes += more
        weights += [c for c in constants if c.name not in {w.name for w in weights}]
        below = above
    outputs = [_value("Y", dtype, ["T", "B", layer.output_size]), *states]
    graph = helper.make_graph(nodes, "jaxrnn", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="jaxrnn")
    model.ir_version = 10  # of onnx 1.16, which brought opset 22's neighbours; runtimes lag behind newer ones
    onnx.checker.check_model(model)
    return model


def content(model: Any) -> bytes:
    """The file of a model. Protobuf ends at two GiB."""
    if model.ByteSize() >= 2**31:
        fail("params", "of less than two GiB for one ONNX file", Said(f"{model.ByteSize()} bytes"))
    return model.SerializeToString()


def _first(params: Any) -> Any:
    return _first(next(iter(params.values()))) if isinstance(params, dict) else params


def _value(name: str, dtype: int, shape: list[Any]) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, dtype, shape)


def _weights(layer: Layer, params: Params, i: int, part: Layer) -> dict[str, Any]:
    """W, R, B, P of one layer, directions on the first axis."""
    ways = (False, True) if isinstance(part, Bidirectional) else (False,)
    found = []
    for backward in ways:
        place = Place(i, backward)
        cell = cells_of(layer)[place]
        found.append(cell_arrays(layer, params, place, cell, row_of(cell, "onnx", None, single=False)))
    stacked = {name: np.stack([f[name] for f in found]) for name in found[0]}
    if "B" in stacked:
        stacked["B"] = stacked["B"].reshape(len(found), -1)
    return stacked


def _attributes(layer: Layer, i: int, part: Layer) -> tuple[str, dict[str, Any]]:
    """A node's type and attributes; refuses what ONNX cannot express."""
    both = isinstance(part, Bidirectional)
    cells = [cells_of(layer)[Place(i, b)] for b in ((False, True)[: 1 + both])]
    for cell in cells:
        row_of(cell, "onnx", None, single=False)
    first = cells[0]
    op = OP_TYPES[first.name]
    settings = [options_of(cell) for cell in cells]
    functions = FUNCTION_NAMES[op]
    plain = [{k: v for k, v in s.items() if k not in functions} for s in settings]
    if any((c.name, c.size, p) != (first.name, first.size, plain[0]) for c, p in zip(cells, plain, strict=True)):
        fail("layer", "of two directions with the same cell but for activations, for onnx", Said("two that differ"))
    direction = "bidirectional" if both else "reverse" if isinstance(part, Reverse) else "forward"
    attributes: dict[str, Any] = {"hidden_size": first.size, "direction": direction}
    if first.name == "gru":
        attributes["linear_before_reset"] = int(settings[0]["reset_after"])
    if first.name == "lstm":
        attributes["input_forget"] = int(settings[0]["coupled"])
    named = [_named(s[f], f) for s in settings for f in functions]
    bounds = [
        n.clip if f != "output_activation" else n.clip or named[0].clip
        for n, f in zip(named, functions * 2, strict=False)
    ]
    if len(set(bounds)) > 1 or (op == "LSTM" and any(n.clip is not None for n in named[2::3])):
        fail(
            "activation", "functions with one clip between them, for the gates alone, for onnx", [n.clip for n in named]
        )
    if named[0].clip is not None:
        attributes["clip"] = float(named[0].clip)
    attributes["activations"] = [n.name for n in named]
    for k, key in ((1, "alpha"), (2, "beta")):
        numbers = [getattr(n, key) for n in named if FUNCTIONS[n.name][k] is not None]
        if numbers:
            attributes[f"activation_{key}"] = [float(number) for number in numbers]
    if isinstance(part, Bidirectional) and part.merge not in ("concat", *REDUCTIONS):
        fail("merge", f"one of {('concat', *REDUCTIONS)} for onnx", part.merge)
    return op, attributes


def _named(function: Any, argument: str) -> Named:
    found = name_of(function)
    if found is None:
        what = getattr(function, "__name__", repr(function))
        fail(argument, f"one of ONNX's {tuple(FUNCTIONS)}", what, "See `jaxrnn.interop.activation`.")
    return found


def _merge(part: Layer, ways: str, out: str, directions: int) -> tuple[list[Any], list[Any]]:
    """Nodes from [T, directions, B, H] to the layer's output [T, B, features], and their constants."""
    from onnx import helper, numpy_helper

    merge = part.merge if isinstance(part, Bidirectional) else "concat"
    if directions == 1 or merge in REDUCTIONS:
        axes = numpy_helper.from_array(np.array([1], np.int64), "axis_1")
        if directions == 1:
            return [helper.make_node("Squeeze", [ways, "axis_1"], [out])], [axes]
        return [helper.make_node(REDUCTIONS[merge], [ways, "axis_1"], [out], keepdims=0)], [axes]
    shape = numpy_helper.from_array(np.array([0, 0, -1], np.int64), "shape_0_0_all")
    turned = f"{ways}_last"
    return [
        helper.make_node("Transpose", [ways], [turned], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", [turned, "shape_0_0_all"], [out]),
    ], [shape]
