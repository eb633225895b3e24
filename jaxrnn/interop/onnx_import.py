"""ONNX's LSTM, GRU and RNN nodes, all attributes of opset 22, as jaxrnn layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxrnn.compose import BidirectionalCarry, bidirectional, reverse, stack
from jaxrnn.errors import fail
from jaxrnn.interop.activations import FUNCTIONS, named
from jaxrnn.interop.express import make_cell
from jaxrnn.interop.match import best_match, cells_of
from jaxrnn.interop.source import Entry, Source, entry_of
from jaxrnn.layer import Layer
from jaxrnn.typing import Carry

KINDS = {"LSTM": "lstm", "GRU": "gru", "RNN": "elman"}
INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
FUNCTION_NAMES = {
    "LSTM": ("gate_activation", "activation", "output_activation"),
    "GRU": ("gate_activation", "activation"),
    "RNN": ("activation",),
}
DEFAULT_FUNCTIONS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
KNOWN = {
    "activation_alpha",
    "activation_beta",
    "activations",
    "clip",
    "direction",
    "hidden_size",
    "input_forget",
    "layout",
    "linear_before_reset",
    "output_sequence",  # of opset 1; says only which outputs are wanted
}


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


def read_onnx(model: Any) -> list[Node]:
    """Every recurrent node of an ONNX model, in the order of the graph.

    Args:
        model: an `onnx.ModelProto`, or the path of one, with weights as initializers or Constant nodes.

    Returns:
        A list of `Node(name, layer, params, carry, lengths, batch_major, inputs, outputs)`. A node in one direction is
        a cell (in `jaxrnn.reverse` for "reverse"), one in both a `jaxrnn.bidirectional`.

    Raises:
        ValueError: the model has none, or a node has an attribute, an activation or a shape that does not fit.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.gru(4)
    >>> model = jaxrnn.interop.save(cell, cell.init(jax.random.key(0), inputs=3), "onnx")
    >>> [(node.name, node.layer == cell) for node in jaxrnn.interop.read_onnx(model)]
    [('layer_0', True)]
    """
    if not hasattr(model, "graph"):
        import onnx

        model = onnx.load(str(model), load_external_data=False)
    constants = _constants(model)
    return [_node(proto, i, constants) for i, proto in enumerate(_protos(model))]


def read_source(model: Any, prefix: str) -> Source:
    """The one recurrent node, or the plain chain of them, as entries of its layers; `prefix` names one node."""
    constants = _constants(model)
    pairs = list(zip(read_onnx(model), _protos(model), strict=True))
    if prefix:
        names = [node.name for node, _ in pairs]
        pairs = [pair for pair in pairs if pair[0].name == prefix]
        if not pairs:
            fail("prefix", f"a node's name, out of {names}", repr(prefix))
    nodes = [node for node, _ in pairs]
    for node in nodes:
        for what in ("carry", "lengths"):
            if getattr(node, what) is not None:
                hint = "`jaxrnn.interop.read_onnx` returns them."
                fail("source", f"nodes without constant {what}", f"node {node.name!r}", hint)
    for upper, lower in zip(nodes[1:], nodes, strict=False):
        if not _follows(model, upper.inputs[0], set(lower.outputs[:1])):
            names = [node.name for node in nodes]
            fail("prefix", f"the name of one node, out of {names}, which are no plain chain", repr(prefix))
    entries: list[Entry] = []
    for i, (_, proto) in enumerate(pairs):
        entries += _entries(proto, constants, f"layer_{i}/" if len(pairs) > 1 else "")
    layers = [node.layer for node in nodes]
    return Source(tuple(entries), layers[0] if len(layers) == 1 else stack(layers), "onnx")


def _protos(model: Any) -> list[Any]:
    """The recurrent nodes of the graph."""
    found = [node for node in model.graph.node if node.op_type in KINDS and node.domain in ("", "ai.onnx")]
    if not found:
        others = sorted({node.op_type for node in model.graph.node})
        fail("source", f"a model with a node out of {tuple(KINDS)}", f"one with {others}")
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
            fail(name, "in the model itself", "kept in another file", "Load the model with its data and save it anew.")
    return tensors


def _array(tensors: Mapping[str, Any], node: Any, name: str) -> Any | None:
    """A constant input of a node; None for an absent one."""
    index = INPUTS.index(name)
    if index >= len(node.input) or not node.input[index]:
        return None
    tensor = tensors.get(node.input[index])
    if tensor is None:
        fail(f"{name} of node {node.name!r}", "constant, an initializer", f"computed as {node.input[index]!r}")
    from onnx import numpy_helper

    array = numpy_helper.to_array(tensor)
    return array


def _name(node: Any, index: int) -> str:
    return node.name or f"{node.op_type}_{index}"


def _node(node: Any, index: int, tensors: Mapping[str, Any]) -> Node:
    layer, layout = _layer(node, tensors)
    match = best_match(Source(tuple(_entries(node, tensors, "")), layer, "onnx"), layer, "onnx")
    from jaxrnn.interop.load import convert

    carry = _carry(node, tensors, layer, layout)
    lengths = _array(tensors, node, "sequence_lens") if _constant(node, tensors, "sequence_lens") else None
    return Node(
        _name(node, index), layer, convert(match), carry, lengths, bool(layout), tuple(node.input), tuple(node.output)
    )


def _constant(node: Any, tensors: Mapping[str, Any], name: str) -> bool:
    """Whether an input that a caller may give is a constant of the model."""
    index = INPUTS.index(name)
    return index < len(node.input) and node.input[index] in tensors


def _entries(node: Any, tensors: Mapping[str, Any], path: str) -> list[Entry]:
    """The weights of a node, one set a direction, with the two biases apart."""
    entries = []
    for name in ("W", "R", "B", "P"):
        array = _array(tensors, node, name)
        if array is None:
            continue
        directions = 2 if _attributes(node).get("direction") == b"bidirectional" else 1
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


def _attributes(node: Any) -> dict[str, Any]:
    from onnx import helper

    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def _layer(node: Any, tensors: Mapping[str, Any]) -> tuple[Layer, int]:
    """The layer that a node's attributes describe, and its layout."""
    given = _attributes(node)
    for name in given:
        if name not in KNOWN:
            fail(f"node {node.name!r}", f"a {node.op_type} of opset 22", f"the attribute {name!r}")
    direction = given.get("direction", b"forward").decode()
    if direction not in ("forward", "reverse", "bidirectional"):
        fail("direction", "forward, reverse or bidirectional", repr(direction))
    if "R" not in INPUTS[: len(node.input)] or (recurrent := _array(tensors, node, "R")) is None:
        fail(f"node {node.name!r}", "with its inputs X, W and R", f"{list(node.input)}")
    size = given.get("hidden_size", recurrent.shape[-1])
    if recurrent.ndim != 3 or size < 1 or recurrent.shape[1:] != (GATES[node.op_type] * size, size):
        fail(
            f"R of node {node.name!r}", f"of shape [directions, {GATES[node.op_type]} H, H] with H = {size}", recurrent
        )
    options: dict[str, Any] = {"use_bias": _array(tensors, node, "B") is not None}
    if node.op_type == "LSTM":
        options["coupled"] = bool(given.get("input_forget", 0))
        options["peepholes"] = _array(tensors, node, "P") is not None
    if node.op_type == "GRU":
        options["reset_after"] = bool(given.get("linear_before_reset", 0))
    ways = 2 if direction == "bidirectional" else 1
    cells = [make_cell(KINDS[node.op_type], size, options | f) for f in _functions(node, given, ways)]
    layout = given.get("layout", 0)
    if layout not in (0, 1):
        fail("layout", "0 or 1", layout)
    if direction == "bidirectional":
        return bidirectional(*cells), layout
    return reverse(cells[0]) if direction == "reverse" else cells[0], layout


def _functions(node: Any, given: Mapping[str, Any], ways: int) -> list[dict[str, Any]]:
    """The activations of each direction. alpha and beta stand in the order of the functions that take one."""
    options = FUNCTION_NAMES[node.op_type]
    names = [n.decode() for n in given.get("activations", ())] or list(DEFAULT_FUNCTIONS[node.op_type]) * ways
    if len(names) != len(options) * ways:
        fail("activations", f"{len(options)} a direction", names)
    spelled = {name.lower(): name for name in FUNCTIONS}
    for name in names:
        if name.lower() not in spelled:
            fail("activations", f"out of {tuple(FUNCTIONS)}", repr(name))
    alphas, betas = list(given.get("activation_alpha", ())), list(given.get("activation_beta", ()))
    clip = given.get("clip")
    if clip is not None and not clip > 0:
        fail("clip", "a positive number", clip)
    functions = []
    for name, option in zip(names, options * ways, strict=True):
        name = spelled[name.lower()]
        alpha = alphas.pop(0) if FUNCTIONS[name][1] is not None and alphas else None
        beta = betas.pop(0) if FUNCTIONS[name][2] is not None and betas else None
        bound = None if option == "output_activation" else clip  # clip bounds the gates, not the cell on its way out
        functions.append(named(name, alpha, beta, bound))
    for name, left in (("activation_alpha", alphas), ("activation_beta", betas)):
        if left:
            fail(name, "one number for each activation that takes one", f"{len(left)} too many")
    return [dict(zip(options, functions[k * len(options) :], strict=False)) for k in range(ways)]


def _carry(node: Any, tensors: Mapping[str, Any], layer: Layer, layout: int) -> Carry | None:
    """Constant initial states as the layer's carry; zeros stand in for one of two that is absent."""
    states: dict[str, Any] = {
        n: _array(tensors, node, n) for n in ("initial_h", "initial_c") if _constant(node, tensors, n)
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
