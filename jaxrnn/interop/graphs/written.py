"""A graph of ONNX as it grows: nodes, constants, and names that are given once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxrnn.base.errors import Said, fail


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
        """A size [1]: its number, or the name of its value; symbols may have a number added to them."""
        if isinstance(n, int):
            return ints(n)
        found = re.fullmatch(r"(\w+)(?: ([+-]) (\d+))?", str(n))
        if found is None or found[1] not in self.sizes:
            fail("program", f"of sizes that are numbers or one of {', '.join(self.sizes)}, for onnx", Said(str(n)))
        known = self.sizes[found[1]]
        return known if found[2] is None else self.add("Add", known, ints(int(found[2] + found[3])))


def ints(*numbers: int) -> Any:
    """Axes and sizes, as operators take them."""
    return np.array(numbers, np.int64)


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
