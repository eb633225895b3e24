"""A graph of ONNX as it grows: nodes, constants, and names that are given once."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np

from jaxrnn.base.errors import Said, fail

SIZES = {
    "Neg": "Neg", "Add": "Add", "Sub": "Sub", "Mult": "Mul", "Pow": "Pow", "floordiv": "Div", "mod": "Mod",
    "max": "Max", "min": "Min",
}  # fmt: skip


WIDER = {"bool": "int32", "int16": "int32", "uint16": "int32", "uint64": "int64", "bfloat16": "float32"}


class Graph:
    """One graph. Its values are names; arrays that are known when it is written become its constants."""

    def __init__(self, start: str = "") -> None:
        self.start = start
        self.nodes: list[Any] = []
        self.tensors: dict[str, Any] = {}
        self.sizes: dict[str, str] = {}  # sizes that are not known yet, by symbol: the names of their values [1]
        self._named: dict[Any, str] = {}
        self._given = 0

    def fresh(self) -> str:
        """A name that nothing has."""
        self._given += 1
        return f"{self.start}v{self._given}"

    def add(self, operator: str, *inputs: Any, out: str | None = None, **attributes: Any) -> str:
        """A node with one output, whose name is returned; inputs are names or arrays."""
        return self.add_many(operator, inputs, (out or self.fresh(),), **attributes)[0]

    def add_many(
        self, operator: str, inputs: Sequence[Any], outputs: Sequence[str], **attributes: Any
    ) -> Sequence[str]:
        """A node with several outputs."""
        from onnx import helper

        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        self.nodes.append(helper.make_node(operator, names, list(outputs), **attributes))
        return outputs

    def constant(self, array: Any, name: str | None = None) -> str:
        """An array's name; equal ones have one between them."""
        from onnx import numpy_helper

        array = np.asarray(array)
        key = (array.dtype.name, array.shape, array.tobytes()) if name is None else name
        if key not in self._named:
            self._named[key] = name or f"{self.start}k{len(self.tensors)}"
            self.tensors[self._named[key]] = numpy_helper.from_array(array, self._named[key])
        return self._named[key]

    def size(self, n: Any) -> Any:
        """A size [1]: its number, or the name of its value, which is computed where JAX has an expression for it."""
        if isinstance(n, (int, np.integer)):
            return ints(int(n))
        found = self._computed(ast.parse(str(n).replace("^", "**"), mode="eval").body)
        if found is None:
            fail("program", f"of sizes that are computed of {', '.join(self.sizes)}, for onnx", Said(str(n)))
        return found

    def _computed(self, part: ast.expr) -> Any:
        """A part of a size, such as "B*T" or "floordiv(T, 2) + 1"; None where it is of anything else."""
        match part:
            case ast.Constant(value=int(number)):
                return ints(number)
            case ast.Name(id=symbol):
                return self.sizes.get(symbol)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                name, parts = "Neg", [inner]
            case ast.BinOp(left=left, op=operation, right=right):
                name, parts = type(operation).__name__, [left, right]
            case ast.Call(func=ast.Name(id=called), args=given):
                name, parts = called, given
            case _:
                return None
        values = [self._computed(each) for each in parts]
        if name not in SIZES or any(value is None for value in values):
            return None
        if name == "floordiv":  # ONNX's quotient of integers is cut off towards zero
            rest = self.add("Mod", *values)
            return self.add("Div", self.add("Sub", values[0], rest), values[1])
        return self.add(SIZES[name], *values)


def ints(*numbers: SupportsIndex) -> Any:
    """Axes and sizes, as operators take them."""
    return np.array(numbers, np.int64)


def chosen(graph: Graph, which: Any, yes: Any, no: Any, dtype: Any) -> str:
    """Where, through a wider dtype where onnxruntime has no kernel for this one."""
    dtype = np.dtype(dtype)
    if dtype.name not in WIDER:
        return graph.add("Where", which, yes, no)
    wide = element_of(np.dtype(WIDER[dtype.name]), "program")
    cases = [graph.add("Cast", each, to=wide) for each in (yes, no)]
    return graph.add("Cast", graph.add("Where", which, *cases), to=element_of(dtype, "program"))


def value(name: str, dtype: Any, shape: Sequence[Any]) -> Any:
    """An input or an output of a graph; axes of any size are named."""
    from onnx import helper

    return helper.make_tensor_value_info(name, element_of(dtype, name), list(shape))


def element_of(dtype: Any, name: str) -> int:
    """ONNX's number of a dtype."""
    from onnx import helper

    try:
        return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
    except (KeyError, ValueError):
        fail(name, "of a dtype that ONNX has", Said(str(dtype)))
