"""ONNX's graphs within graphs: bodies of If, Loop, Scan and of a model's own functions, each with the values it sees.

Nodes are named by path, "decoder/then_branch/rnn". Constants are folded where they are wanted (`onnx_folding`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from jaxrnn.base.errors import Said, fail
from jaxrnn.interop.onnx_folding import Folding
from jaxrnn.interop.source import check_once

KINDS = ("LSTM", "GRU", "RNN")
QUANTIZED = "DynamicQuantizeLSTM"
STANDARD = ("", "ai.onnx")
MOST_NODES = 1_000_000  # looked at in one model, whose functions may be called from functions
DEEPEST = 50


class Found(NamedTuple):
    """A recurrent node: its name by path, and the graph that it stands in."""

    name: str
    node: Any
    scope: Scope


class Scope:
    """The values of one graph, and of those around it; a function sees none but its arguments."""

    def __init__(
        self, graph: Any, above: Scope | None, folding: Folding, given: Mapping[str, tuple[str, Scope]]
    ) -> None:
        self.tensors = {t.name: t for t in getattr(graph, "initializer", ())}
        self.makers = {output: node for node in graph.node for output in node.output if output}
        self.inputs = {getattr(value, "name", value) for value in graph.input} - self.tensors.keys()
        self.above, self.folding, self.given = above, folding, given

    def constant(self, name: str) -> Any | None:
        """The array of this name, computed if need be; None where it is known only when the model runs."""
        return self.folding.value(self, name)

    def is_constant(self, name: str) -> bool:
        """Whether a value is the same in every run."""
        return bool(name) and self.constant(name) is not None

    def home(self, name: str) -> tuple[Scope | None, str]:
        """The graph in which a value of this name is made, and what it is called there."""
        scope: Scope | None = self
        for _ in range(2 * DEEPEST):
            if scope is None or not name or name in scope.tensors or name in scope.makers:
                return scope, name
            if name in scope.given:
                name, scope = scope.given[name]
            elif name in scope.inputs:
                return None, name
            else:
                scope = scope.above
        return None, name

    def maker(self, name: str) -> tuple[Any | None, Scope]:
        """The node that makes a value, and the graph that it stands in."""
        scope, name = self.home(name)
        return (None, self) if scope is None else (scope.makers.get(name), scope)

    def repeated(self, name: str) -> Iterator[Any]:
        """The constant that a value consists of, over and over."""
        node, scope = self.maker(name)
        if node is not None and node.op_type in ("Expand", "Tile", "ConstantOfShape") and not self.is_constant(name):
            value = scope.folding.fill(node) if node.op_type == "ConstantOfShape" else scope.constant(node.input[0])
            if value is not None:
                yield value


def found_in(model: Any, folder: Any) -> list[Found]:
    """Every recurrent node of a model, in the order of its graphs."""
    walk = _Walk(model, folder)
    found = list(walk.inside(model.graph, None, {}, "", 0))
    check_once((one.name for one in found), "graph", "node")
    return found


def operators(model: Any) -> list[str]:
    """What else a model is made of."""
    return sorted({node.op_type for node in model.graph.node})


class _Walk:
    def __init__(self, model: Any, folder: Any) -> None:
        self.functions = {(f.domain, f.name): f for f in model.functions}
        self.folding = Folding(model, folder)
        self.left = MOST_NODES

    def inside(
        self, graph: Any, above: Scope | None, given: Mapping[str, tuple[str, Scope]], path: str, depth: int
    ) -> Iterator[Found]:
        scope = Scope(graph, above, self.folding, given)
        self.left -= len(graph.node)
        if self.left < 0 or depth > DEEPEST:
            fail("graph", f"of at most {MOST_NODES} nodes, {DEEPEST} graphs deep", Said("more"))
        recurrent = 0
        for i, node in enumerate(graph.node):
            if is_recurrent(node):
                yield Found(path + (node.name or f"{node.op_type}_{recurrent}"), node, scope)
                recurrent += 1
                continue
            here = path + (node.name or f"{node.op_type}_{i}")
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    yield from self.inside(attribute.g, scope, {}, f"{here}/{attribute.name}/", depth + 1)
            function = self.functions.get((node.domain, node.op_type))
            if function is not None:
                arguments = zip(function.input, node.input, strict=False)
                yield from self.inside(function, None, {f: (a, scope) for f, a in arguments}, f"{here}/", depth + 1)


def is_recurrent(node: Any) -> bool:
    """Whether a node is one of ONNX's recurrent ones, or onnxruntime's of eight bits."""
    return (node.op_type in KINDS and node.domain in STANDARD) or is_quantized(node)


def is_quantized(node: Any) -> bool:
    """Whether a node is onnxruntime's LSTM with weights of eight bits."""
    return bool(node.op_type == QUANTIZED and node.domain == "com.microsoft")
