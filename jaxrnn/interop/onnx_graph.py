"""The recurrent nodes of an ONNX model, all attributes of opset 22, as jaxrnn layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Carry
from jaxrnn.compose import BidirectionalCarry, stack
from jaxrnn.core.layer import Layer
from jaxrnn.interop.converted import convert
from jaxrnn.interop.match import best_match
from jaxrnn.interop.onnx_integers import plain
from jaxrnn.interop.onnx_node import INPUTS, attributes_of, input_of, is_constant, layer_of
from jaxrnn.interop.onnx_scopes import Found, found_in, operators
from jaxrnn.interop.onnx_tensors import entry_of_tensor, files_beside
from jaxrnn.interop.places import cells_of
from jaxrnn.interop.source import Entry, Part, Source, check_once, entry_of
from jaxrnn.interop.untold import nonlinearity


class Node(NamedTuple):
    """One recurrent node. Its own inputs at run time are the caller's: `jaxrnn.scan(layer, params, xs, carry,
    lengths=lengths)` with what is constant in the model here."""

    name: str  # in the graph
    layer: Layer  # what it computes
    params: dict[str, Any]  # of the layer
    carry: Carry | None  # constant initial states
    lengths: Any | None  # constant sequence_lens
    batch_major: bool  # layout=1: inputs and states with the batch first
    inputs: tuple[str, ...]  # names in the graph
    outputs: tuple[str, ...]  # names in the graph: Y, Y_h, Y_c; "" where it has none


def nodes_of(model: Any, folder: Any = None) -> list[Node]:
    """Every recurrent node of a model, in the order of the graph; those of graphs within it by path."""
    _check_names(model)
    found = found_in(model, folder)
    if not found:
        fail("source", "a model with a node out of ('LSTM', 'GRU', 'RNN')", Said(f"one with {operators(model)}"))
    return [_node(one) for one in found]


def read_source(model: Any, folder: Any = None) -> Source:
    """A model's recurrent nodes as parts, the plain chain of all as what is meant by default; and its initializers,
    which are a state dict where an exporter took a cell apart and kept the names."""
    _check_names(model)
    found = found_in(model, folder)
    entries = plain(model.graph, [entry_of_tensor(tensor, folder) for tensor in model.graph.initializer])
    writer = f"{model.producer_name} {model.producer_version}".strip()
    beside = files_beside(model.graph.initializer, folder)
    whole = Source(entries, beside=beside, defaults=nonlinearity, writer=writer)
    if not found:
        if not entries:
            fail("source", "a model with a node out of ('LSTM', 'GRU', 'RNN')", Said(f"one with {operators(model)}"))
        _check_loops(model)
        return whole
    parts = [Part(one.name, partial(_source, [one]), follows=_follows(one, found)) for one in found]
    return whole._replace(parts=(Part("", partial(_chain, found, model)), *parts))


def _chain(found: Sequence[Found], model: Any) -> Source:
    """All nodes, where they are all of the layers."""
    _check_loops(model)
    return _source(found)


def _check_loops(model: Any) -> None:
    """Of what `to_onnx` wrote as a loop of other operators there are constants, no weights by name."""
    loops = [node.name for node in model.graph.node if node.op_type == "Scan"]
    if model.producer_name == "jaxrnn" and loops:
        hint = "Keep the parameters beside it, by `jaxrnn.interop.save` for 'jaxrnn' or 'torch'."
        fail("source", "of layers that ONNX has nodes for", Said(f"{loops}, which are loops over equations"), hint)


def _check_names(model: Any) -> None:
    """A value is made once, and the name of a recurrent node is one node's."""
    graph = model.graph
    inputs = [value.name for value in graph.input]
    weights = [tensor.name for tensor in graph.initializer]
    made = [name for node in graph.node for name in node.output if name]
    for name in (*inputs, *weights, *made):
        if not isinstance(name, str):  # bytes that are no text
            fail("graph", "with names that are text", name)
    check_once(inputs, "graph", "input")
    check_once([*weights, *made], "graph", "value")  # an initializer may be the default of an input
    check_once([name for name in made if name in set(inputs)] + inputs, "graph", "value")
    check_once([value.name for value in graph.output], "graph", "output")


# ---------------------------------------------------------------- nodes to layers


def _source(found: Sequence[Found]) -> Source:
    """Nodes that follow one another, as entries of their layers."""
    names = [one.name for one in found]
    for upper, lower in zip(found[1:], found, strict=False):
        if _follows(upper, found) != lower.name:
            fail("prefix", f"the name of one node, out of {names}, which are no plain chain", "")
    entries: list[Entry] = []
    layers = []
    for i, one in enumerate(found):
        layer, layout = layer_of(one.node, one.scope)
        if _is_something(_carry(one, layer, layout)) or _starts_elsewhere(one):
            _refuse("carry", one)
        if is_constant(one.node, one.scope, "sequence_lens"):
            _refuse("lengths", one)
        entries += _entries(one, f"layer_{i}/" if len(found) > 1 else "")
        layers.append(layer)
    return Source(tuple(entries), layers[0] if len(layers) == 1 else stack(layers), "onnx")


def _refuse(what: str, one: Found) -> None:
    hint = "`jaxrnn.interop.read_onnx` returns them."
    fail("source", f"nodes without constant {what}", Said(f"node {one.name!r}"), hint)


def _is_something(carry: Carry | None) -> bool:
    """Whether a constant carry is another one than the zeros that every layer starts from."""
    return any(bool(np.any(np.asarray(leaf))) for leaf in jax.tree.leaves(carry))


def _starts_elsewhere(one: Found) -> bool:
    """Whether a state is a constant other than zero, repeated for however many rows there are."""
    names = [
        one.node.input[INPUTS.index(n)] for n in ("initial_h", "initial_c") if INPUTS.index(n) < len(one.node.input)
    ]
    return any(bool(np.any(value)) for name in names if name for value in one.scope.repeated(name))


PASSING = ("Squeeze", "Transpose", "Reshape", "Dropout", "Identity", "Cast")


def _follows(one: Found, found: Sequence[Found]) -> str | None:
    """The node whose outputs of all steps a node takes, but for nodes that only arrange axes."""
    scope, name = one.scope, one.node.input[0] if one.node.input else ""
    for _ in range(MOST_PASSING):
        maker, scope = scope.maker(name)
        if maker is None:
            return None
        lower = next((other.name for other in found if other.node is maker and other.scope is scope), None)
        if lower is not None:
            return lower if list(maker.output).index(name) == 0 else None
        if maker.op_type not in PASSING or not maker.input:
            return None
        name = maker.input[0]
    return None


MOST_PASSING = 1000


def _node(one: Found) -> Node:
    layer, layout = layer_of(one.node, one.scope)
    match = best_match(Source(tuple(_entries(one, "")), layer, "onnx"), layer, "onnx")
    carry = _carry(one, layer, layout)
    lengths = (
        input_of(one.node, one.scope, "sequence_lens") if is_constant(one.node, one.scope, "sequence_lens") else None
    )
    node = one.node
    return Node(one.name, layer, convert(match), carry, lengths, bool(layout), tuple(node.input), tuple(node.output))


def _entries(one: Found, path: str) -> list[Entry]:
    """The weights of a node, one set a direction, with the two biases apart."""
    entries = []
    node = one.node
    for name in ("W", "R", "B", "P"):
        array = input_of(node, one.scope, name)
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


def _carry(one: Found, layer: Layer, layout: int) -> Carry | None:
    """Constant initial states as the layer's carry; zeros stand in for one of two that is absent."""
    node = one.node
    states: dict[str, Any] = {
        n: input_of(node, one.scope, n) for n in ("initial_h", "initial_c") if is_constant(node, one.scope, n)
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
