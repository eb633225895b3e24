"""The recurrent nodes of an ONNX graph, all attributes of opset 22, as jaxrnn layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Carry
from jaxrnn.compose import BidirectionalCarry, stack
from jaxrnn.core.layer import Layer
from jaxrnn.interop.converted import convert
from jaxrnn.interop.match import best_match
from jaxrnn.interop.onnx_node import KINDS, attributes_of, input_of, is_constant, layer_of
from jaxrnn.interop.places import cells_of
from jaxrnn.interop.source import Entry, Source, check_once, entry_of


class Node(NamedTuple):
    """One recurrent node. Its own inputs at run time are the caller's: `jaxrnn.scan(layer, params, xs, carry,
    lengths=lengths)` with what is constant in the model here."""

    name: str
    layer: Layer
    params: dict[str, Any]
    carry: Carry | None  # constant initial states
    lengths: Any | None  # constant sequence_lens
    batch_major: bool  # layout=1: inputs and states with the batch first
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def nodes_of(model: Any) -> list[Node]:
    """Every recurrent node of a model, in the order of the graph."""
    _check_names(model.graph)
    constants = _constants(model)
    return [_node(proto, i, constants) for i, proto in enumerate(_protos(model))]


def read_source(model: Any, prefix: str) -> Source:
    """The one recurrent node, or the plain chain of them, as entries of its layers; `prefix` names one node."""
    constants = _constants(model)
    pairs = list(zip(nodes_of(model), _protos(model), strict=True))
    if prefix:
        names = [node.name for node, _ in pairs]
        pairs = [pair for pair in pairs if pair[0].name == prefix]
        if not pairs:
            fail("prefix", f"a node's name, out of {names}", prefix)
    nodes = [node for node, _ in pairs]
    for node in nodes:
        for what in ("carry", "lengths"):
            if getattr(node, what) is not None:
                hint = "`jaxrnn.interop.read_onnx` returns them."
                fail("source", f"nodes without constant {what}", Said(f"node {node.name!r}"), hint)
    for upper, lower in zip(nodes[1:], nodes, strict=False):
        if not _follows(model, upper.inputs[0], set(lower.outputs[:1])):
            names = [node.name for node in nodes]
            fail("prefix", f"the name of one node, out of {names}, which are no plain chain", prefix)
    entries: list[Entry] = []
    for i, (_, proto) in enumerate(pairs):
        entries += _entries(proto, constants, f"layer_{i}/" if len(pairs) > 1 else "")
    layers = [node.layer for node in nodes]
    return Source(tuple(entries), layers[0] if len(layers) == 1 else stack(layers), "onnx")


def _check_names(graph: Any) -> None:
    """A value is made once, and the name of a recurrent node is one node's."""
    inputs = [value.name for value in graph.input]
    weights = [tensor.name for tensor in graph.initializer]
    made = [name for node in graph.node for name in node.output if name]
    check_once(inputs, "graph", "input")
    check_once([*weights, *made], "graph", "value")  # an initializer may be the default of an input
    check_once([name for name in made if name in set(inputs)] + inputs, "graph", "value")
    check_once([value.name for value in graph.output], "graph", "output")
    check_once([_name(n, i) for i, n in enumerate(n for n in graph.node if _is_recurrent(n))], "graph", "node")


def _is_recurrent(node: Any) -> bool:
    return node.op_type in KINDS and node.domain in ("", "ai.onnx")


def _protos(model: Any) -> list[Any]:
    """The recurrent nodes of the graph."""
    found = [node for node in model.graph.node if _is_recurrent(node)]
    if not found:
        others = sorted({node.op_type for node in model.graph.node})
        fail("source", f"a model with a node out of {tuple(KINDS)}", Said(f"one with {others}"))
    return found


PASSING = ("Squeeze", "Transpose", "Reshape", "Dropout", "Identity", "Cast")


def _follows(model: Any, name: str, wanted: set[str]) -> bool:
    """Whether a value is one of `wanted`, but for nodes that only arrange axes."""
    makers = {output: node for node in model.graph.node for output in node.output}
    for _ in range(len(model.graph.node) + 1):
        if name in wanted:
            return True
        node = makers.get(name)
        if node is None or node.op_type not in PASSING:
            return False
        name = node.input[0]
    return False


def _constants(model: Any) -> dict[str, Any]:
    """Initializers and Constant nodes by name; a tensor that is kept in another file is refused."""
    tensors = {t.name: t for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            values = [a.t for a in node.attribute if a.name == "value"]
            tensors |= dict(zip(node.output, values, strict=False))
    for name, tensor in tensors.items():
        if tensor.data_location == 1 or tensor.external_data:
            fail(
                name,
                "in the model itself",
                Said("kept in another file"),
                "Load the model with its data and save it anew.",
            )
    return tensors


def _name(node: Any, index: int) -> str:
    return node.name or f"{node.op_type}_{index}"


def _node(node: Any, index: int, tensors: Mapping[str, Any]) -> Node:
    layer, layout = layer_of(node, tensors)
    match = best_match(Source(tuple(_entries(node, tensors, "")), layer, "onnx"), layer, "onnx")
    carry = _carry(node, tensors, layer, layout)
    lengths = input_of(node, tensors, "sequence_lens") if is_constant(node, tensors, "sequence_lens") else None
    return Node(
        _name(node, index), layer, convert(match), carry, lengths, bool(layout), tuple(node.input), tuple(node.output)
    )


def _entries(node: Any, tensors: Mapping[str, Any], path: str) -> list[Entry]:
    """The weights of a node, one set a direction, with the two biases apart."""
    entries = []
    for name in ("W", "R", "B", "P"):
        array = input_of(node, tensors, name)
        if array is None:
            continue
        directions = 2 if attributes_of(node).get("direction") == b"bidirectional" else 1
        if array.ndim < 2 or array.shape[0] != directions:
            fail(f"{name} of node {node.name!r}", f"of {directions} directions, its first axis", array)
        for k in range(directions):
            part = array[k]
            if name == "B":
                if part.shape[-1] % 2:
                    fail(f"B of node {node.name!r}", "two biases, one after the other", array)
                part = part.reshape(2, -1)
            entries.append(entry_of(f"{path}{('forward', 'backward')[k]}/{name}", part))
    return entries


def _carry(node: Any, tensors: Mapping[str, Any], layer: Layer, layout: int) -> Carry | None:
    """Constant initial states as the layer's carry; zeros stand in for one of two that is absent."""
    states: dict[str, Any] = {
        n: input_of(node, tensors, n) for n in ("initial_h", "initial_c") if is_constant(node, tensors, n)
    }
    if not states:
        return None
    states = {name: np.swapaxes(a, 0, 1) if layout else a for name, a in states.items()}
    cells = list(cells_of(layer).values())
    some = next(iter(states.values()))
    for name, array in states.items():
        if array.ndim != 3 or array.shape[0] != len(cells) or array.shape != some.shape:
            fail(f"{name} of node {node.name!r}", f"of shape [{len(cells)}, batch, {cells[0].size}]", array)
    zeros = np.zeros_like(some)
    h, c = states.get("initial_h", zeros), states.get("initial_c", zeros)
    carries = [
        cell.carry_type(*(jnp.asarray({"h": h, "c": c}[f][k]) for f in cell.carry_type._fields))  # type: ignore[attr-defined]
        for k, cell in enumerate(cells)
    ]
    return BidirectionalCarry(*carries) if len(carries) == 2 else carries[0]
