"""Composed layers in C: each is a step where it has one, and else runs whole sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.compose.bidirectional import MERGES, Bidirectional
from jaxrnn.compose.reverse import Reverse
from jaxrnn.compose.stack import Stack
from jaxrnn.compose.wrappers import Highway, InputDropout, Residual
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import Layer
from jaxrnn.kernels.c.cell import CellStep
from jaxrnn.kernels.c.node import Node
from jaxrnn.kernels.c.text import File
from jaxrnn.kernels.c.vectors import Program, new_graph
from jaxrnn.kernels.native.graph import Declined
from jaxrnn.kernels.native.program import stores

KNOWN = "made of cells, stack, bidirectional, reverse, residual, highway and input_dropout"


class CellNode(Node):
    """A cell, whose step is its program."""

    def __init__(self, file: File, path: str, cell: Cell, params: Any, symbols: bool) -> None:
        made = CellStep(file, path, cell, params, symbols=symbols)
        super().__init__(file, path, made.inputs, made.outputs, symbols=symbols)
        self._sizes = made.sizes

    @property
    def given(self) -> dict[str, int]:
        return self._sizes


class StackNode(Node):
    """Layers on top of each other; between two of them are numbers of one step, or those of a sequence by turns."""

    def __init__(self, file: File, path: str, layer: Stack, params: Any, symbols: bool) -> None:
        stem = f"{path}_" if path else ""
        self.parts = [
            node(file, f"{stem}layer_{i}", part, params[f"layer_{i}"], symbols and i == 0)
            for i, part in enumerate(layer.layers)
        ]
        super().__init__(file, path, self.parts[0].inputs, self.parts[-1].outputs, symbols=symbols)
        self.stepwise = all(part.stepwise for part in self.parts)
        inner = self.parts[:-1]
        if self.stepwise:
            places = [file.member(f"{p.path}_out", p.outputs, f"outputs of {p.path}", state=False) for p in inner]
            calls = zip(self.parts, ["symbol" if symbols else "x", *places], [*places, "y"], strict=True)
            self.define_step([part.step(x, y) for part, x, y in calls], "One layer after the other.")
            return
        for part in self.parts:
            if part.stepwise:
                part.define_run_of_steps()
        turns = [max((p.outputs for p in inner[k::2]), default=0) for k in (0, 1)]
        self.sequence = sum(turns) + max(part.sequence for part in self.parts)
        places = ["work", f"work + T * {turns[0]}"]
        body, xs = [], "symbols" if symbols else "xs"
        for i, part in enumerate(self.parts):
            last = i + 1 == len(self.parts)
            ys, stride = ("ys", "stride") if last else (places[i % 2], str(part.outputs))
            body.append(part.run(xs, ys, stride, "backwards", f"work + T * {sum(turns)}"))
            xs = ys
        self.define_run(body, "One layer after the other, each over the whole sequence.")


class BidirectionalNode(Node):
    """One layer from each end, and what merges their outputs."""

    stepwise = False

    def __init__(self, file: File, path: str, layer: Bidirectional, params: Any, symbols: bool) -> None:
        if layer.merge is None:
            fail("cell", "a layer that puts out one array: merge='concat' has the numbers of both", layer)
        stem = f"{path}_" if path else ""
        of = (("forward", layer.forward), ("backward", layer.backward))
        self.parts = [node(file, f"{stem}{name}", part, params[name], symbols) for name, part in of]
        sizes = [part.outputs for part in self.parts]
        super().__init__(file, path, self.parts[0].inputs, layer.output_size, symbols=symbols)
        for part in self.parts:
            if part.stepwise:
                part.define_run_of_steps()
        inside = max(part.sequence for part in self.parts)
        xs = "symbols" if symbols else "xs"
        if layer.merge == "concat":
            self.sequence = inside
            body = [
                self.parts[0].run(xs, "ys", "stride", "backwards", "work"),
                self.parts[1].run(xs, f"ys + {sizes[0]}", "stride", "!backwards", "work"),
            ]
        else:
            self.sequence = sum(sizes) + inside
            places = ["work", f"work + T * {sizes[0]}"]
            more = f"work + T * {sum(sizes)}"
            body = [
                self.parts[0].run(xs, places[0], str(sizes[0]), "backwards", more),
                self.parts[1].run(xs, places[1], str(sizes[1]), "!backwards", more),
                "for (size_t t = 0; t < T; ++t) {",
                f"  const float *f = work + t * {sizes[0]}, *b = work + T * {sizes[0]} + t * {sizes[1]};",
                "  float *y = ys + t * stride;",
                *(f"  {line}" for line in _merged(layer, sizes)),
                "}",
            ]
        self.define_run(body, f"Both directions of {path or 'the model'}.")


def _merged(layer: Bidirectional, sizes: Sequence[int]) -> list[str]:
    """What a merge that is no concatenation makes of the outputs of both directions at one step."""
    merge = MERGES[layer.merge] if isinstance(layer.merge, str) else layer.merge
    program, graph = Program(), new_graph()
    for name in "fb":
        program.array((name, 0), name)
    program.array(("y", 0), "y")
    rows = [jax.ShapeDtypeStruct((n,), np.float32) for n in sizes]
    closed = jax.make_jaxpr(merge)(*rows)
    try:
        (value,) = graph.interpret(
            closed.jaxpr, closed.consts, [graph.load((n, 0), (size,)) for n, size in zip("fb", sizes, strict=True)]
        )
    except Declined as reason:
        fail("cell", "a layer whose merge works unit by unit", Said(f"{layer!r}: {reason}"))
    (loops,) = program.stages(graph, [stores(("y", 0), value)])
    return [line for loop in loops for line in loop.split("\n")]


class AroundNode(Node):
    """A layer with something behind it, or from the other end."""

    def __init__(self, file: File, path: str, layer: Any, params: Any, symbols: bool) -> None:
        if symbols and not isinstance(layer, (Reverse, InputDropout)):
            fail("symbols", "False where a connection touches the inputs", True)
        stem = f"{path}_" if path else ""
        self.parts = [node(file, f"{stem}inside", layer.layer, layer.inner_params(params), symbols)]
        (inside,) = self.parts
        super().__init__(file, path, inside.inputs, inside.outputs, symbols=symbols)
        self.stepwise = inside.stepwise and not isinstance(layer, Reverse)
        after = self._after(layer, params)
        x = "symbol" if symbols else "x"
        if self.stepwise:
            self.define_step([inside.step(x, "y"), *after], f"{type(layer).__name__} around a layer.")
            return
        if inside.stepwise:
            inside.define_run_of_steps()
        self.sequence = inside.sequence
        turned = "!backwards" if isinstance(layer, Reverse) else "backwards"
        body = [inside.run("symbols" if symbols else "xs", "ys", "stride", turned, "work")]
        if after:
            at = f"  const float *x = xs + t * {self.inputs};\n  float *y = ys + t * stride;"
            body += ["for (size_t t = 0; t < T; ++t) {", at, *(f"  {line}" for line in after), "}"]
        self.define_run(body, f"{type(layer).__name__} around a layer.")

    def _after(self, layer: Any, params: Any) -> list[str]:
        n = self.outputs
        if isinstance(layer, Residual):
            return [f"for (size_t j = 0; j < {n}; ++j) y[j] += x[j];"]
        if not isinstance(layer, Highway):
            return []
        kernel, bias = (
            self.file.constant(f"{self.stem}{name}", np.asarray(params[name], np.float32), f"{self.path}, {name}")
            for name in ("gate_kernel", "gate_bias")
        )
        self.file.work = max(self.file.work, n)
        return [
            f"@product({n}, {n}, x, {kernel}, {n}, {bias}, m->work);",
            f"for (size_t j = 0; j < {n}; ++j) {{",
            "  const float gate = @sigmoid(m->work[j]);",
            "  y[j] = gate * y[j] + (1.0f - gate) * x[j];",
            "}",
        ]


NODES = {Stack: StackNode, Bidirectional: BidirectionalNode}
AROUND = (Reverse, Residual, Highway, InputDropout)


def node(file: File, path: str, layer: Layer, params: Any, symbols: bool) -> Node:
    """What a layer is in C."""
    if isinstance(layer, Cell):
        return CellNode(file, path, layer, params, symbols)
    if type(layer) in AROUND:
        return AroundNode(file, path, layer, params, symbols)
    if type(layer) not in NODES:
        fail("cell", KNOWN, Said(f"{layer!r}, a layer with a loop of its own"))
    return NODES[type(layer)](file, path, layer, params, symbols)
