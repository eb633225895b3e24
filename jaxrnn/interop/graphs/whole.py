"""A whole model as one graph of ONNX: symbols, their vectors, layers, a readout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxrnn.base.dtypes import is_float, promote
from jaxrnn.base.typing import Params
from jaxrnn.compose import Stack
from jaxrnn.core.layer import Layer
from jaxrnn.interop.graphs.loop import ROWS, STEPS, Run, start_of, write_loop
from jaxrnn.interop.graphs.node import write_node
from jaxrnn.interop.graphs.plan import MERGES, Asked, Part, check_dtype, directions, planned
from jaxrnn.interop.graphs.written import Graph, element_of, ints, value

OPSET = 22
IR_VERSION = 10  # of onnx 1.16, which brought opset 22's neighbours; runtimes lag behind newer ones


def export(layer: Layer, params: Params, asked: Asked) -> Any:
    """An `onnx.ModelProto`."""
    dtype = promote(*(a.dtype for a in jax.tree.leaves(params) if is_float(a.dtype)))
    named = parts_of(layer, params)
    parts = {name: planned(part, below, asked, dtype) for name, (part, below) in named.items()}
    check_dtype(parts, dtype, asked.runtime)
    graph, features = Graph(), layer.input_size(params)
    inputs, x, features = _read(graph, asked, dtype, features)
    lengths = "sequence_lens" if asked.lengths else ""
    inputs += [value(lengths, np.int32, [asked.batch or ROWS])] if lengths else []
    outputs = []
    for i, part in enumerate(parts.values()):
        shapes = {key: [len(a), asked.batch or ROWS, *a.shape[1:]] for key, a in part.starts.items()}
        states = {}
        if asked.carry:
            states = {key: f"initial_{key}_{i}" for key in shapes}
            inputs += [value(states[key], dtype, shape) for key, shape in shapes.items()]
        x, finals = write_part(graph, f"layer_{i}", part, x, features, states, lengths, asked, dtype)
        features = part.layer.output_size
        for key, final in finals.items():
            graph.add("Identity", final, out=f"Y_{key}_{i}")
            outputs.append(value(f"Y_{key}_{i}", dtype, shapes[key]))
    x, features = _head(graph, asked.head, dtype, x, features)
    graph.add("Identity", x, out="Y")
    outputs.insert(0, value("Y", dtype, [asked.steps or STEPS, asked.batch or ROWS, features]))
    return model_of(graph, inputs, outputs)


def model_of(graph: Graph, inputs: list[Any], outputs: list[Any]) -> Any:
    """A graph as a checked `onnx.ModelProto`."""
    import onnx
    from onnx import helper

    made = helper.make_graph(graph.nodes, "jaxrnn", inputs, outputs, list(graph.tensors.values()))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="jaxrnn")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model


def parts_of(layer: Layer, params: Params) -> dict[str, tuple[Layer, Params]]:
    """The layers of a stack; anything else is one."""
    if isinstance(layer, Stack):
        return {f"layer_{i}": (part, params[f"layer_{i}"]) for i, part in enumerate(layer.layers)}
    return {"layer_0": (layer, params)}


def _read(graph: Graph, asked: Asked, dtype: Any, features: int) -> tuple[list[Any], str, int]:
    """The first input, and the vectors [T, B, D] that the first layer reads."""
    sizes = [asked.steps or STEPS, asked.batch or ROWS]
    if not asked.symbols:
        return [value("X", dtype, [*sizes, features])], "X", features
    inputs = [value("X", np.int64, sizes)]
    if asked.embedding is not None:
        return inputs, graph.add("Gather", np.asarray(asked.embedding, dtype), "X"), features
    vectors = graph.add(
        "OneHot", "X", ints(features), np.array([0, 1], np.float32)
    )  # of which onnxruntime has a kernel
    single = np.dtype(dtype) == np.float32
    return inputs, vectors if single else graph.add("Cast", vectors, to=element_of(dtype, "params")), features


def _head(graph: Graph, head: Mapping[str, Any] | None, dtype: Any, x: str, features: int) -> tuple[str, int]:
    """The readout of all outputs."""
    if head is None:
        return x, features
    kernel = np.asarray(head["kernel"], dtype)
    x = graph.add("MatMul", x, kernel)
    return graph.add("Add", x, np.asarray(head["bias"], dtype)) if "bias" in head else x, kernel.shape[1]


def write_part(
    graph: Graph,
    name: str,
    part: Part,
    x: str,
    features: int,
    states: Mapping[str, str],
    lengths: str,
    asked: Asked,
    dtype: Any,
) -> tuple[str, dict[str, str]]:
    """One layer: its outputs, and its final states [directions, B, ...] by name."""
    if part.plan is not None:
        y, finals = write_node(graph, name, part.layer, part.params, part.plan, x, states, lengths)
        if lengths and asked.carry:
            none = graph.add("Unsqueeze", graph.add("Equal", lengths, np.zeros((), np.int32)), ints(0, 2))
            finals = {key: graph.add("Where", none, states[key], final) for key, final in finals.items()}
        return y, finals
    ys, ends = [], []
    ways = directions(part.layer, part.params)
    for k, (inner, below, backward) in enumerate(ways):
        if states:
            own = [graph.add("Gather", state, np.array(k, np.int64), axis=0) for state in states.values()]
        else:
            own = [start_of(graph, a[k], x, asked.batch) for a in part.starts.values()]
        run = Run(x, features, dtype, own, lengths, asked.batch, asked.steps, backward)
        y, after = write_loop(graph, f"{name}_{k}" if len(ways) > 1 else name, inner, below, run)
        graph.nodes[-1].doc_string = f"a loop, since {part.why}"
        ys.append(y)
        ends.append([graph.add("Unsqueeze", each, ints(0)) for each in after])
    finals = {}
    for key, pair in zip(part.starts, zip(*ends, strict=True), strict=True):
        finals[key] = graph.add("Concat", *pair, axis=0) if len(pair) > 1 else pair[0]
    return _merged(graph, part.layer, ys), finals


def _merged(graph: Graph, layer: Any, ys: list[str]) -> str:
    if len(ys) == 1:
        return ys[0]
    if layer.merge == "concat":
        return graph.add("Concat", *ys, axis=-1)
    return graph.add(MERGES[layer.merge], *ys)
