"""Whole vectors and operations on them, in topological order."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np


class Declined(Exception):
    """The equations use something that the vector programs do not have; the text names it."""


class Node(NamedTuple):
    """One vector: loaded from memory, a constant, or an operation on others."""

    op: str  # "load", "load_scalar", "constant", or an operation's name
    inputs: tuple[int, ...] = ()
    array: Any = None  # of a load: which array
    offset: int = 0  # of a load: its first element within the row
    bits: bytes = b""  # of a constant, as a float64: -0.0 is another than 0.0, and NaN the same as NaN


class Value(NamedTuple):
    """An array of a row: one node a vector."""

    nodes: np.ndarray  # of int, the leading axes
    length: int | None  # of each vector; None for a scalar

    @property
    def shape(self) -> tuple[int, ...]:
        return self.nodes.shape if self.length is None else (*self.nodes.shape, self.length)


class Bits(NamedTuple):
    """An array of a row, seen as whole numbers."""

    value: Value


ZERO, MINUS_ZERO, ONE = (struct.pack("d", x) for x in (0.0, -0.0, 1.0))


@dataclass
class Nodes:
    """Nodes in topological order; the same operation on the same inputs is one node."""

    operations: frozenset[str]
    nodes: list[Node] = field(default_factory=list)
    numbers: dict[Node, int] = field(default_factory=dict)

    def add(self, node: Node) -> int:
        """The number of a node, new or known."""
        if node not in self.numbers:
            self.numbers[node] = len(self.nodes)
            self.nodes.append(node)
        return self.numbers[node]

    def constant(self, value: float) -> int:
        return self.add(Node("constant", bits=struct.pack("d", value)))

    def number(self, node: int) -> float:
        """The value of a constant."""
        return float(struct.unpack("d", self.nodes[node].bits)[0])

    def load(self, array: Any, shape: tuple[int, ...]) -> Value:
        """An array in memory."""
        if not shape:
            return Value(np.array(self.add(Node("load_scalar", array=array))), None)
        kind = "load_scalar" if shape[-1] == 1 else "load"  # so that one number goes with vectors of any length
        offsets = np.arange(int(np.prod(shape[:-1], dtype=int))).reshape(shape[:-1]) * shape[-1]
        nodes = np.vectorize(lambda o: self.add(Node(kind, array=array, offset=int(o))), otypes=[int])(offsets)
        return Value(nodes, shape[-1])

    def fill(self, shape: tuple[int, ...], value: float) -> Value:
        """An array of one constant."""
        node = self.constant(value)
        return Value(np.full(shape[:-1], node), shape[-1]) if shape else Value(np.array(node), None)

    def apply(self, op: str, *inputs: int) -> int:
        """An operation on vectors, or what it comes to where that is known now, to the bit."""
        known = [self.nodes[i].bits if self.nodes[i].op == "constant" else None for i in inputs]
        if op == "select_n":
            if inputs[1] == inputs[2]:
                return inputs[1]
            if known[0] is not None:
                return inputs[1] if known[0] == ZERO else inputs[2]
        if op == "add" and MINUS_ZERO in known:  # and not 0.0: -0.0 + 0.0 is 0.0
            return inputs[1 - known.index(MINUS_ZERO)]
        if op == "mul" and ONE in known:
            return inputs[1 - known.index(ONE)]
        if op == "sub" and known[1] == ZERO:
            return inputs[0]
        if op in ("add", "mul"):
            inputs = tuple(sorted(inputs))
        if op not in self.operations:
            raise Declined(f"the equations use `{op}`")
        return self.add(Node(op, inputs))

    def apply_all(self, op: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """An operation on the vectors of two arrays."""
        pairs = zip(a.flat, b.flat, strict=True)
        return np.array([self.apply(op, int(i), int(j)) for i, j in pairs], int).reshape(a.shape)
