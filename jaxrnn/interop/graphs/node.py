"""A layer as one of ONNX's recurrent nodes: LSTM, GRU or RNN, of opset 22."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Params
from jaxrnn.compose import Bidirectional, Reverse
from jaxrnn.core.layer import Layer
from jaxrnn.interop.activations import FUNCTIONS, Named, name_of
from jaxrnn.interop.express import options_of
from jaxrnn.interop.graphs.written import Graph, ints
from jaxrnn.interop.onnx_node import FUNCTION_NAMES, KINDS
from jaxrnn.interop.places import cells_of
from jaxrnn.interop.theirs import cell_arrays, row_of

OP_TYPES = {kind: op for op, kind in KINDS.items()}
REDUCTIONS = {"sum": "ReduceSum", "mul": "ReduceProd", "ave": "ReduceMean"}


def states_of_node(operator: str) -> tuple[str, ...]:
    """The states of a node, in the order of its inputs."""
    return ("h", "c") if operator == "LSTM" else ("h",)


def weights_of(part: Layer, params: Params) -> dict[str, Any]:
    """W, R, B, P of one layer, directions on the first axis."""
    found = [
        cell_arrays(part, params, place, cell, row_of(cell, "onnx", None, single=False))
        for place, cell in cells_of(part).items()
    ]
    stacked = {name: np.stack([f[name] for f in found]) for name in found[0]}
    if "B" in stacked:
        stacked["B"] = stacked["B"].reshape(len(found), -1)
    return stacked


def attributes_of(part: Layer) -> tuple[str, dict[str, Any]]:
    """A node's operator and attributes; refuses what ONNX cannot express."""
    cells = list(cells_of(part).values())
    for cell in cells:
        row_of(cell, "onnx", None, single=False)
    first = cells[0]
    op = OP_TYPES[first.name]
    settings = [options_of(cell) for cell in cells]
    functions = FUNCTION_NAMES[op]
    plain = [{k: v for k, v in s.items() if k not in functions} for s in settings]
    if any((c.name, c.size, p) != (first.name, first.size, plain[0]) for c, p in zip(cells, plain, strict=True)):
        fail("layer", "of two directions with the same cell but for activations, for onnx", Said("two that differ"))
    both = isinstance(part, Bidirectional)
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


def write_node(
    graph: Graph,
    name: str,
    part: Layer,
    params: Params,
    plan: tuple[str, dict[str, Any]],
    x: str,
    states: Mapping[str, str],
    lengths: str,
) -> tuple[str, dict[str, str]]:
    """The outputs [T, B, features], and the final states [directions, B, H] by name."""
    operator, attributes = plan
    arrays = {
        key: graph.constant(array, f"{key}_{name.removeprefix('layer_')}")
        for key, array in weights_of(part, params).items()
    }
    inputs = [x, arrays["W"], arrays["R"], arrays.get("B", ""), lengths]
    inputs += [states.get(key, "") for key in states_of_node(operator)] + [arrays[key] for key in arrays if key == "P"]
    while not inputs[-1]:
        inputs.pop()
    finals = {key: f"{name}_final_{key}" for key in states_of_node(operator)}
    graph.add_many(operator, inputs, [f"{name}_ways", *finals.values()], name=name, **attributes)
    return _merged(graph, part, f"{name}_ways"), finals


def _merged(graph: Graph, part: Layer, ways: str) -> str:
    """[T, directions, B, H] as the layer's outputs [T, B, features]."""
    if not isinstance(part, Bidirectional):
        return graph.add("Squeeze", ways, ints(1))
    if part.merge in REDUCTIONS:
        return graph.add(REDUCTIONS[part.merge], ways, ints(1), keepdims=0)
    return graph.add("Reshape", graph.add("Transpose", ways, perm=[0, 2, 1, 3]), ints(0, 0, -1))
