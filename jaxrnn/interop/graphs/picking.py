"""Numbers picked out of arrays, and positions in them: what JAX's primitives for that are in ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn
from jax.lax import GatherScatterMode

from jaxrnn.interop.graphs.axes import expanded, reshaped, sizes_of, transposed
from jaxrnn.interop.graphs.written import Graph, chosen, element_of, ints
from jaxrnn.programs.jaxprs import shape_of

INT32, INT64, BOOL = 6, 7, 9


def _gather(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> Any:
    """Whole slices at some positions of some axes, as embeddings and `take_along_axis` read them: GatherND."""
    p = equation.params
    d, shape = p["dimension_numbers"], shape_of(equation.invars[0])
    along, indexed = tuple(d.operand_batching_dims), tuple(d.start_index_map)
    if len(shape_of(equation.invars[1])) == 1 and not along:
        return _piece(graph, equation, inputs)
    rest = [axis for axis in range(len(shape)) if axis not in (*along, *indexed)]
    if sorted(indexed) != sorted(d.collapsed_slice_dims) or any(p["slice_sizes"][axis] != shape[axis] for axis in rest):
        return None
    where, loops = inputs[1], range(len(shape_of(equation.invars[1])) - 1)
    matched = tuple(d.start_indices_batching_dims)
    others = tuple(axis for axis in loops if axis not in matched)
    data = transposed(graph, inputs[0], (*along, *indexed, *rest))
    where = transposed(graph, where, (*matched, *others, len(loops)))
    where, outside = _bounded(graph, equation, where, (1,) * len(indexed))
    found = graph.add("GatherND", data, where, batch_dims=len(along))
    found = _filled(graph, equation, found, outside, range(len(loops), len(loops) + len(rest)))
    # It has the axes of `where` first, then the slices'; JAX says which places those have.
    places = [n for n in range(len(loops) + len(rest)) if n not in d.offset_dims]
    now = [places[axis] for axis in (*matched, *others)] + list(d.offset_dims)
    return transposed(graph, found, np.argsort(now).tolist())


def _bounded(graph: Graph, equation: JaxprEqn, where: Any, sizes: Sequence[Any]) -> tuple[Any, Any]:
    """Positions [..., axes] of pieces of these sizes, all inside, and whether each was not [...]: None where a mode
    asks for none."""
    p, shape = equation.params, shape_of(equation.invars[0])
    known, mode = not isinstance(where, str), p["mode"]
    where = np.asarray(where, np.int64) if known else graph.add("Cast", where, to=INT64)
    if mode == GatherScatterMode.PROMISE_IN_BOUNDS:
        return where, None
    of = [shape[axis] for axis in p["dimension_numbers"].start_index_map]
    last = _last(graph, of, sizes)
    if known and not isinstance(last, str) and (where >= 0).all() and (where <= last).all():
        return where, None
    within = _moved(graph, where, last)
    if mode == GatherScatterMode.CLIP:
        return within, None
    outside = graph.add("Cast", graph.add("Not", graph.add("Equal", where, within)), to=INT32)
    return within, graph.add("Cast", graph.add("ReduceMax", outside, ints(-1), keepdims=0), to=BOOL)


def _filled(graph: Graph, equation: JaxprEqn, found: str, outside: Any, axes: Sequence[int]) -> str:
    """Pieces, of which those that lie outside have one value all over; `axes` are a piece's own."""
    if outside is None:
        return found
    kind: Any = equation.outvars[0].aval
    if axes:
        outside = graph.add("Unsqueeze", outside, ints(*axes))
    return chosen(graph, outside, np.asarray(equation.params["fill_value"], kind.dtype), found, kind.dtype)


def _piece(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    """One piece of an array, as `xs[1:]` of a length that is not known."""
    p = equation.params
    axes, gone = p["dimension_numbers"].start_index_map, p["dimension_numbers"].collapsed_slice_dims
    sizes = [p["slice_sizes"][axis] for axis in axes]
    start, outside = _bounded(graph, equation, inputs[1], sizes)
    found = _cut(graph, inputs[0], start, sizes, axes)
    found = graph.add("Squeeze", found, ints(*gone)) if gone else found
    return _filled(graph, equation, found, outside, range(len(shape_of(equation.outvars[0]))))


def _dynamic_slice(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    """One piece that begins anywhere; where it would reach beyond the end, it is moved there."""
    x, *starts = inputs
    start = graph.add("Concat", *(graph.add("Unsqueeze", each, ints(0)) for each in starts), axis=0)
    sizes, shape = equation.params["slice_sizes"], shape_of(equation.invars[0])
    start = _moved(graph, graph.add("Cast", start, to=INT64), _last(graph, shape, sizes))
    return _cut(graph, x, start, sizes, range(len(starts)))


def _last(graph: Graph, shape: Sequence[Any], sizes: Sequence[Any]) -> Any:
    """Where pieces of these sizes may begin at most [axes]."""
    whole, size = sizes_of(graph, shape), sizes_of(graph, sizes)
    return graph.add("Sub", whole, size) if isinstance(whole, str) or isinstance(size, str) else whole - size


def _moved(graph: Graph, where: Any, last: Any) -> str:
    """Positions [..., axes], each the nearest that is inside."""
    return graph.add("Min", graph.add("Max", where, ints(0)), last)


def _cut(graph: Graph, x: Any, start: Any, sizes: Sequence[Any], axes: Sequence[int]) -> str:
    """As many along some axes as `sizes` says, from a start [axes] on, which is inside."""
    end = graph.add("Add", start, sizes_of(graph, sizes))
    return graph.add("Slice", x, start, end, ints(*axes))


def _iota(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    """Numbers along one axis."""
    shape, axis = equation.params["shape"], equation.params["dimension"]
    count = graph.add("Squeeze", graph.size(shape[axis]), ints(0))
    numbers = graph.add("Range", np.array(0, np.int64), count, np.array(1, np.int64))
    numbers = graph.add("Cast", numbers, to=element_of(equation.params["dtype"], "program"))
    line = [n if k == axis else 1 for k, n in enumerate(shape)]
    return expanded(graph, reshaped(graph, numbers, shape[axis : axis + 1], line), line, shape)


def _size(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    """A size as a number."""
    kind: Any = equation.outvars[0].aval
    number = graph.add("Squeeze", graph.size(equation.params["dim"]), ints(0))
    return graph.add("Cast", number, to=element_of(kind.dtype, "program"))


def _position(operator: str) -> Any:
    def write(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str | None:
        if len(equation.params["axes"]) != 1:
            return None
        found = graph.add(operator, inputs[0], axis=equation.params["axes"][0], keepdims=0)
        return graph.add("Cast", found, to=element_of(equation.params["index_dtype"], "program"))

    return write


def _largest(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> Sequence[str] | None:
    """The largest of the last axis, and where they are."""
    values, where = graph.fresh(), graph.fresh()
    graph.add_many("TopK", [inputs[0], ints(equation.params["k"])], [values, where])
    kind: Any = equation.outvars[1].aval
    return [values, graph.add("Cast", where, to=element_of(kind.dtype, "program"))]


PICKING = {
    "argmax": _position("ArgMax"),
    "argmin": _position("ArgMin"),
    "dim_as_value": _size,
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
    "iota": _iota,
    "top_k": _largest,
}
