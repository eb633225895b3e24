"""A layer as a loop over its own equations: ONNX's Scan, whose body is one step as JAX traces it.

It says what a node of ONNX cannot, or what a runtime would read otherwise: cells that ONNX lacks, kernels of eight
bits, clips, peepholes, activations, lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Params
from jaxrnn.core.layer import Layer
from jaxrnn.interop.graphs.program import traced, write
from jaxrnn.interop.graphs.written import Graph, ints, value

ROWS, STEPS = "B", "T"  # the axes of any size
BATCH = "batch"  # in a body: the size of the first


class Run(NamedTuple):
    """How one layer is run: its input, and what the graph around it has.

    x: the name of [T, B, D], of D features. dtype: of x, states and outputs. states: names of the initial ones.
    lengths: the name of [B], or "". batch, steps: sizes, or None for any.
    """

    x: str
    features: int
    dtype: Any
    states: Sequence[str]
    lengths: str
    batch: int | None
    steps: int | None
    backward: bool = False


def check_loop(layer: Layer) -> None:
    """Whether one step of a layer is all that there is to say of it."""
    if layer.stepless is not None:
        expected = "layers that have a step, stacked, in one direction or both, for onnx"
        fail("layer", expected, Said(f"{layer.stepless!r} inside {layer!r}"))
    if layer.asked:
        fail(
            "layer", "of cells that read nothing but inputs and states, for onnx", Said(f"one that asks {layer.asked}")
        )
    if layer.axes:
        fail("layer", "of cells without axes of positions, for onnx", layer)


def states_of(layer: Layer, params: Params, dtype: Any) -> dict[str, Any]:
    """One row's initial states by name, [*S]; zeros, or what was learned."""
    start = layer.initial_carry((), params, dtype)
    leaves = jax.tree_util.tree_leaves_with_path(start)
    for _, leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            fail("layer", "of states that are floating numbers, for onnx", Said(f"{leaf.dtype} in {layer!r}"))
    return {jax.tree_util.keystr(path, simple=True, separator="_"): np.asarray(leaf) for path, leaf in leaves}


def write_loop(graph: Graph, name: str, layer: Layer, params: Params, run: Run) -> tuple[str, list[str]]:
    """The outputs [T, B, features], and the final states."""
    check_loop(layer)
    (rows,) = export.symbolic_shape("b")  # whatever the batch: backends have programs of their own for known sizes
    start = layer.initial_carry((), params, run.dtype)
    leaves, structure = jax.tree.flatten(start)
    body = Graph(f"{name}_")
    body.sizes[str(rows)] = BATCH
    states = [f"{name}_state_{k}" for k in range(len(leaves))]
    x, step, length = f"{name}_x", f"{name}_t", f"{name}_length"

    def one(x: Any, *states: Any) -> Any:
        carry = jax.tree.unflatten(structure, states)
        after, y = layer.one_step(params, carry, x, None, jnp.int32(0), {})
        return y, *jax.tree.leaves(after)

    shapes = [jax.ShapeDtypeStruct((rows, *leaf.shape), leaf.dtype) for leaf in leaves]
    program, _ = traced(one, jax.ShapeDtypeStruct((rows, run.features), run.dtype), *shapes)
    y, *after = write(body, program, (x, *states), layer)
    shape = program.out_avals[0].shape[1:]
    if run.lengths:
        valid = body.add("Less", step, length)
        zero = body.constant(np.zeros((), run.dtype))
        y = _where(body, valid, y, zero, len(shape))
        after = [_where(body, valid, new, old, leaf.ndim) for new, old, leaf in zip(after, states, leaves, strict=True)]
    given = [*states, *([length] if run.lengths else []), x, *([step] if run.lengths else [])]
    results = [body.add("Identity", each) for each in (*after, *([length] if run.lengths else []), y)]
    axes: list[Any] = [[run.batch or ROWS, *leaf.shape] for leaf in leaves]
    if run.lengths:
        axes.append([run.batch or ROWS])
    kinds = [*(leaf.dtype for leaf in leaves), *([np.int32] if run.lengths else [])]
    ins = [value(n, k, s) for n, k, s in zip(given, kinds, axes, strict=False)]
    ins.append(value(x, run.dtype, [run.batch or ROWS, run.features]))
    ins += [value(step, np.int32, [])] if run.lengths else []
    out = [value(n, k, s) for n, k, s in zip(results, kinds, axes, strict=False)]
    out.append(value(results[-1], run.dtype, [run.batch or ROWS, *shape]))
    return _scan(graph, name, body, ins, out, run)


def _where(body: Graph, valid: str, new: Any, old: Any, axes: int) -> str:
    """What is new at valid steps; `axes` are those of a row."""
    if axes:
        valid = body.add("Unsqueeze", valid, ints(*range(1, 1 + axes)))
    return body.add("Where", valid, new, old)


def _scan(graph: Graph, name: str, body: Graph, ins: list[Any], out: list[Any], run: Run) -> tuple[str, list[str]]:
    from onnx import helper

    if any(BATCH in node.input for node in body.nodes):
        body.nodes.insert(0, helper.make_node("Shape", [ins[0].name], [BATCH], start=0, end=1))
    inside = helper.make_graph(body.nodes, name, ins, out, list(body.tensors.values()))
    finals = [f"{name}_final_{k}" for k in range(len(run.states))]
    scanned = 1 + bool(run.lengths)
    given = [*run.states, *([run.lengths] if run.lengths else []), run.x]
    given += [_steps(graph, run)] if run.lengths else []
    ways = dict(scan_input_directions=[1] * scanned, scan_output_directions=[1]) if run.backward else {}
    outputs = [*finals, *([graph.fresh()] if run.lengths else []), f"{name}_outputs"]
    graph.add_many("Scan", given, outputs, name=name, body=inside, num_scan_inputs=scanned, **ways)
    return outputs[-1], finals


def _steps(graph: Graph, run: Run) -> str:
    """The numbers of all steps, [T]."""
    if run.steps is not None:
        return graph.constant(np.arange(run.steps, dtype=np.int32))
    count = graph.add("Squeeze", graph.add("Shape", run.x, start=0, end=1), ints(0))
    steps = graph.add("Range", np.array(0, np.int64), count, np.array(1, np.int64))
    return graph.add("Cast", steps, to=6)


def start_of(graph: Graph, state: Any, x: str, batch: int | None) -> str:
    """A row's initial state for all rows, [B, ...]."""
    if batch is not None:
        return graph.constant(np.ascontiguousarray(np.broadcast_to(state, (batch, *state.shape))))
    rows = graph.add("Shape", x, start=1, end=2)
    sizes = graph.add("Concat", rows, *(ints(n) for n in state.shape), axis=0) if state.ndim else rows
    return graph.add("Expand", state[None], sizes)
