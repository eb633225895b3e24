"""What feeds a recurrent node, computed where it is constant: exporters arrange weights in the graph.

Only operators that arrange, cut, join and convert numbers; no more bytes come out than `GROWTH` times those of the
model's tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.interop.onnx_tensors import array_of, size_of

GROWTH = 8  # int4 to float32
LEAST = 2**16  # bytes that any model may fold
DEEPEST = 200  # operators one after the other
MISSING = object()


class Folding:
    """The constants of a model, each computed once."""

    def __init__(self, model: Any, folder: Any) -> None:
        self.folder = folder
        self.known: dict[tuple[Any, str], Any] = {}
        self.room = LEAST + GROWTH * _declared([model.graph, *model.functions])
        self.depth = 0

    def value(self, scope: Any, name: str) -> Any | None:
        """The array of this name as a graph sees it; None for one that is no constant."""
        home, name = scope.home(name)
        if home is None:
            return None
        key = home, name
        if key not in self.known:
            self.known[key] = None  # a value that is made of itself is none
            if name in home.tensors:
                self.known[key] = array_of(home.tensors[name], self.folder)
            elif self.depth < DEEPEST:
                self.depth += 1
                self.known[key] = self._made(home, name, home.makers[name])
                self.depth -= 1
        return self.known[key]

    def fill(self, node: Any) -> Any:
        """The number of a ConstantOfShape."""
        given = _attributes(node)
        return np.zeros(1, np.float32) if "value" not in given else array_of(given["value"], self.folder)

    def _made(self, scope: Any, name: str, node: Any) -> Any | None:
        if node.domain not in ("", "ai.onnx", "com.microsoft") or node.op_type not in OPERATORS:
            return None
        inputs = []
        for each in node.input:
            found = self.value(scope, each) if each else MISSING
            if found is None:
                return None
            inputs.append(None if found is MISSING else found)
        try:
            made = OPERATORS[node.op_type](self, _attributes(node), len(node.output), *inputs)
        except (TypeError, IndexError, KeyError, AttributeError, ValueError) as error:
            what = Said(f"{type(error).__name__}: {str(error)[:100]}")
            fail(name, f"what a {node.op_type} of ONNX makes of constants", what)
        outputs = made if isinstance(made, list) else [made]
        self.room -= sum(a.nbytes for a in outputs if a is not None)
        if self.room < 0:
            fail(name, f"of at most {GROWTH} times the bytes of the model's tensors", Said("more"))
        return outputs[list(node.output).index(name)]


def _declared(graphs: Iterable[Any]) -> int:
    """The bytes of all tensors, of the graphs in nodes too."""
    total = 0
    for graph in graphs:
        given = [a for node in graph.node for a in node.attribute]
        tensors = [*getattr(graph, "initializer", ()), *(a.t for a in given if a.HasField("t"))]
        total += sum(size_of(tensor) for tensor in tensors)
        total += _declared(inner for a in given for inner in (*([a.g] if a.HasField("g") else ()), *a.graphs))
    return total


def _attributes(node: Any) -> dict[str, Any]:
    from onnx import helper

    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


# ---------------------------------------------------------------- operators: (folding, attributes, outputs, *inputs)


def _constant(folding: Folding, given: dict[str, Any], outputs: int) -> Any:
    for name, dtype in (("value_float", "f4"), ("value_floats", "f4"), ("value_int", "i8"), ("value_ints", "i8")):
        if name in given:
            return np.asarray(given[name], dtype)
    return array_of(given["value"], folding.folder)


def _axes(given: dict[str, Any], axes: Any) -> tuple[int, ...]:
    """As an attribute before opset 13, as an input since."""
    return tuple(int(i) for i in (given.get("axes", ()) if axes is None else np.ravel(axes)))


def _squeeze(folding: Folding, given: dict[str, Any], outputs: int, data: Any, axes: Any = None) -> Any:
    return np.squeeze(data, _axes(given, axes) or None)


def _unsqueeze(folding: Folding, given: dict[str, Any], outputs: int, data: Any, axes: Any = None) -> Any:
    return np.expand_dims(data, _axes(given, axes))


def _slice(
    folding: Folding, given: dict[str, Any], outputs: int, data: Any, starts: Any = None, ends: Any = None,
    axes: Any = None, steps: Any = None,
) -> Any:  # fmt: skip
    starts = given["starts"] if starts is None else np.ravel(starts)
    ends = given["ends"] if ends is None else np.ravel(ends)
    axes = given.get("axes", range(len(starts))) if axes is None else np.ravel(axes)
    steps = [1] * len(starts) if steps is None else np.ravel(steps)
    cut = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        n = data.shape[axis]
        start, end, step = int(start), int(end), int(step)
        start, end = (start + n if start < 0 else start), (end + n if end < 0 else end)
        cut[axis] = slice(
            min(max(start, 0), n if step > 0 else n - 1), end if end >= 0 else None if step < 0 else 0, step
        )
    return data[tuple(cut)]


def _split(folding: Folding, given: dict[str, Any], outputs: int, data: Any, sizes: Any = None) -> list[Any]:
    axis = given.get("axis", 0)
    sizes = given.get("split") if sizes is None else np.ravel(sizes)
    if sizes is None:
        each = -(-data.shape[axis] // outputs)
        sizes = [each] * (outputs - 1) + [data.shape[axis] - each * (outputs - 1)]
    if sum(int(n) for n in sizes) != data.shape[axis] or any(n < 0 for n in sizes):
        raise ValueError(f"parts of {list(sizes)} of {data.shape[axis]}")
    return np.split(data, np.cumsum(sizes)[:-1], axis)


def _reshape(folding: Folding, given: dict[str, Any], outputs: int, data: Any, shape: Any) -> Any:
    sizes = [int(n) for n in np.ravel(shape)]
    if not given.get("allowzero", 0):
        sizes = [data.shape[i] if n == 0 else n for i, n in enumerate(sizes)]
    return data.reshape(sizes)


def _cast(folding: Folding, given: dict[str, Any], outputs: int, data: Any, like: Any = None) -> Any:
    from onnx import helper

    return data.astype(helper.tensor_dtype_to_np_dtype(given["to"]) if like is None else like.dtype)


def _dequantize(folding: Folding, given: dict[str, Any], outputs: int, data: Any, scale: Any, zero: Any = None) -> Any:
    """(q - zero) scale; a scale for all, for each place along an axis, or for each block of them."""
    axis, block = given.get("axis", 1), given.get("block_size", 0)

    def along(a: Any) -> Any:
        if block:
            whole = np.repeat(a, block, axis)
            return whole[(slice(None),) * (axis % data.ndim) + (slice(data.shape[axis]),)]
        if np.ndim(a) == 0 or np.size(a) == 1:
            return np.reshape(a, ())
        return np.reshape(a, [-1 if i == axis % data.ndim else 1 for i in range(data.ndim)])

    shifted = data.astype(np.float32) - (0 if zero is None else along(zero).astype(np.float32))
    return (shifted * along(scale).astype(np.float32)).astype(scale.dtype)


OPERATORS: dict[str, Callable[..., Any]] = {
    "Constant": _constant,
    "Identity": lambda f, given, n, data: data,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": lambda f, given, n, *parts: np.concatenate(parts, given["axis"]),
    "Slice": _slice,
    "Split": _split,
    "Transpose": lambda f, given, n, data: np.transpose(data, given.get("perm")),
    "Reshape": _reshape,
    "Flatten": lambda f, given, n, data: data.reshape(int(np.prod(data.shape[: given.get("axis", 1)])), -1),
    "Cast": _cast,
    "CastLike": _cast,
    "DequantizeLinear": _dequantize,
}
