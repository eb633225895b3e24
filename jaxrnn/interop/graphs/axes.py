"""Axes of values in a graph: what JAX's primitives that only arrange numbers are in ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from jaxrnn.interop.graphs.written import Graph, ints
from jaxrnn.programs.jaxprs import shape_of

END = 2**62


def reshaped(graph: Graph, x: Any, before: Sequence[Any], after: Sequence[Any]) -> Any:
    """The same numbers in other axes."""
    if tuple(before) == tuple(after):
        return x
    unknown = [axis for axis, n in enumerate(after) if not isinstance(n, int)]
    if len(unknown) > 1:
        return graph.add("Reshape", x, sizes_of(graph, [*after[: unknown[-1]], -1, *after[unknown[-1] + 1 :]]))
    sizes = [n if isinstance(n, int) else -1 for n in after]
    return graph.add("Reshape", x, ints(*sizes)) if isinstance(x, str) else np.reshape(x, sizes)


def sizes_of(graph: Graph, shape: Sequence[Any]) -> Any:
    """Sizes as one array: known, or a name."""
    if all(isinstance(n, (int, np.integer)) for n in shape):
        return ints(*shape)
    parts = [graph.size(n) for n in shape]
    return graph.add("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]


def _reshape(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str | None:
    if equation.params.get("dimensions") is not None:
        return None
    return reshaped(graph, inputs[0], shape_of(equation.invars[0]), shape_of(equation.outvars[0]))


def transposed(graph: Graph, x: Any, axes: Sequence[int]) -> Any:
    """The axes in another order."""
    if list(axes) == sorted(axes):
        return x
    return graph.add("Transpose", x, perm=list(axes)) if isinstance(x, str) else np.transpose(x, axes)


def _transpose(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> Any:
    return transposed(graph, inputs[0], equation.params["permutation"])


def _broadcast(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> Any:
    x, before, after = inputs[0], shape_of(equation.invars[0]), shape_of(equation.outvars[0])
    axes = equation.params["broadcast_dimensions"]
    between = [1] * len(after)
    for size, axis in zip(before, axes, strict=True):
        between[axis] = size
    return expanded(graph, reshaped(graph, x, before, between), between, after)


def expanded(graph: Graph, x: Any, before: Sequence[Any], after: Sequence[Any]) -> Any:
    """Axes of one repeated."""
    return x if list(before) == list(after) else graph.add("Expand", x, sizes_of(graph, after))


def _squeeze(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    return graph.add("Squeeze", inputs[0], ints(*equation.params["dimensions"]))


def _slice(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    shape, p = shape_of(equation.invars[0]), equation.params
    strides = p["strides"] or [1] * len(shape)
    cut = [
        (axis, start, stop, stride)
        for axis, (start, stop, stride, n) in enumerate(
            zip(p["start_indices"], p["limit_indices"], strides, shape, strict=True)
        )
        if (start, stop, stride) != (0, n, 1)
    ]
    if not cut:
        return inputs[0]
    axes, starts, stops, steps = zip(*cut, strict=True)
    return graph.add("Slice", inputs[0], ints(*starts), ints(*stops), ints(*axes), ints(*steps))


def _split(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> list[str]:
    """Pieces along one axis."""
    sizes, axis = equation.params["sizes"], equation.params["axis"]
    return [*graph.add_many("Split", (inputs[0], ints(*sizes)), [graph.fresh() for _ in sizes], axis=axis)]


def _pad(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str | None:
    """Numbers around those that are there, or fewer where the widths are negative; none between them."""
    before, after, between = zip(*equation.params["padding_config"], strict=True)
    return None if any(between) else graph.add("Pad", inputs[0], sizes_of(graph, (*before, *after)), inputs[1])


def _rev(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    axes = equation.params["dimensions"]
    ends = [ints(*[n] * len(axes)) for n in (-1, -END, 0, -1)]
    return graph.add("Slice", inputs[0], ends[0], ends[1], ints(*axes), ends[3])


def _concatenate(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    return graph.add("Concat", *inputs, axis=equation.params["dimension"])


def _stack(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    axis = equation.params["axis"]
    return graph.add("Concat", *(graph.add("Unsqueeze", each, ints(axis)) for each in inputs), axis=axis)


ARRANGING = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "pad": _pad,
    "reshape": _reshape,
    "rev": _rev,
    "slice": _slice,
    "split": _split,
    "squeeze": _squeeze,
    "stack": _stack,
    "transpose": _transpose,
}
