"""Gate equations as operations on vectors: a jaxpr of one batch row becomes a graph of whole vectors.

An array `[..., L]` of a row is a NumPy array of vectors of length L: slices, stacks and transposes along the leading
axes cost nothing. What mixes the units of a vector (a sum over them, say) has no place here and is declined by name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import Literal


class Declined(Exception):
    """The equations use something that the vector programs do not have; the text names it."""


class Node(NamedTuple):
    """One vector: loaded from memory, a constant, or an operation on others."""

    op: str  # "load", "load_scalar", "constant", or an operation's name
    inputs: tuple[int, ...] = ()
    array: Any = None  # of a load: which array
    offset: int = 0  # of a load: its first element within the row
    value: float = 0.0  # of a constant


class Value(NamedTuple):
    """An array of a row: one node a vector."""

    nodes: np.ndarray  # of int, the leading axes
    length: int | None  # of each vector; None for a scalar

    @property
    def shape(self) -> tuple[int, ...]:
        return self.nodes.shape if self.length is None else (*self.nodes.shape, self.length)


# Calls of a jaxpr that are that jaxpr; not loops and branches, which have one too.
INLINED = frozenset(
    {"jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "checkpoint", "ruled"}
)


@dataclass
class Graph:
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
        return self.add(Node("constant", value=float(value)))

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
        """An operation on vectors, or what it comes to where that is known now."""
        known = [self.nodes[i].value if self.nodes[i].op == "constant" else None for i in inputs]
        if op == "select_n":
            if inputs[1] == inputs[2]:
                return inputs[1]
            if known[0] is not None:
                return inputs[2] if known[0] else inputs[1]
        if op == "add" and 0.0 in known:
            return inputs[1 - known.index(0.0)]
        if op == "mul" and 1.0 in known:
            return inputs[1 - known.index(1.0)]
        if op == "sub" and known[1] == 0.0:
            return inputs[0]
        if op in ("add", "mul"):
            inputs = tuple(sorted(inputs))
        if op not in self.operations:
            raise Declined(f"the equations use `{op}`")
        return self.add(Node(op, inputs))

    # ---- a jaxpr

    def interpret(self, jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Value]) -> list[Value]:
        """The outputs of a jaxpr of one row."""
        env: dict[Any, Value] = {}

        def read(atom: Any) -> Value:
            if isinstance(atom, Literal):
                return self._literal(atom.val)
            return env[atom]

        env.update(zip(jaxpr.constvars, map(self._literal, constants), strict=True))
        env.update(zip(jaxpr.invars, arguments, strict=True))
        for eqn in jaxpr.eqns:
            outputs = self._equation(eqn, [read(v) for v in eqn.invars])
            env.update(zip(eqn.outvars, outputs, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def _literal(self, value: Any) -> Value:
        value = np.asarray(value)
        flat = value.reshape(-1)
        if value.size and not (flat == flat[0]).all():
            raise Declined("the equations hold an array of constants")
        return self.fill(value.shape, float(flat[0]) if value.size else 0.0)

    def _equation(self, eqn: Any, inputs: list[Value]) -> list[Value]:
        name, params = eqn.primitive.name, eqn.params
        inner = params.get("jaxpr") or params.get("call_jaxpr")
        if name in INLINED and hasattr(inner, "jaxpr"):
            return self.interpret(inner.jaxpr, inner.consts, inputs)
        if name == "optimization_barrier":
            return inputs
        if name == "split":
            return _split(inputs[0], params["sizes"], params["axis"])
        self._check_dtypes(eqn)
        if name in SHAPES:
            return [SHAPES[name](self, params, *inputs)]
        if name == "convert_element_type":
            return [self._converted(inputs[0], eqn.invars[0].aval.dtype, params["new_dtype"])]
        return [self._elementwise(name, params, inputs)]

    def _check_dtypes(self, eqn: Any) -> None:
        for v in (*eqn.invars, *eqn.outvars):
            kind = v.aval.dtype
            if not (jax.numpy.issubdtype(kind, jax.numpy.floating) or kind == np.bool_):
                raise Declined(f"the equations compute in {kind} (`{eqn.primitive.name}`)")

    def _converted(self, x: Value, old: Any, new: Any) -> Value:
        if new == old or old == np.bool_:
            return x
        if new == np.bool_:
            return self._elementwise("ne", {}, [x, self.fill((), 0.0)])
        if all(self.nodes[i].op == "constant" for i in x.nodes.flat):
            rounded = [self.constant(float(np.asarray(self.nodes[i].value).astype(new))) for i in x.nodes.flat]
            return x._replace(nodes=np.array(rounded, int).reshape(x.nodes.shape))
        raise Declined(f"the equations convert {old} to {new}")

    def _elementwise(self, name: str, params: dict[str, Any], inputs: list[Value]) -> Value:
        shapes = [v.shape for v in inputs if v.shape]
        shape = shapes[0] if shapes else ()
        if any(s != shape for s in shapes):
            raise Declined(f"`{name}` mixes shapes {shapes}")
        rows = np.broadcast_arrays(
            *(v.nodes if v.shape == shape else np.broadcast_to(v.nodes, shape[:-1]) for v in inputs)
        )
        one = lambda *nodes: _expand(self, name, params, *(int(n) for n in nodes))  # noqa: E731
        return Value(np.vectorize(one, otypes=[int])(*rows), shape[-1] if shape else None)


def _expand(graph: Graph, name: str, params: dict[str, Any], *nodes: int) -> int:
    """JAX's elementwise primitives in terms of the operations that there are."""
    if name in ("copy", "stop_gradient"):
        return nodes[0]
    if name == "add_any":
        return graph.apply("add", *nodes)
    if name == "clamp":
        low, x, high = nodes
        return graph.apply("min", graph.apply("max", x, low), high)
    if name == "one_minus_square":  # tanh's derivative, from JAX 0.11 on
        return graph.apply("sub", graph.constant(1.0), graph.apply("mul", nodes[0], nodes[0]))
    if name == "exp2":
        return graph.apply("exp", graph.apply("mul", nodes[0], graph.constant(float(np.log(2.0)))))
    if name == "integer_pow":
        power = params["y"]
        result = graph.constant(1.0)
        for _ in range(abs(power)):
            result = graph.apply("mul", result, nodes[0])
        return graph.apply("div", graph.constant(1.0), result) if power < 0 else result
    if name == "select_n" and len(nodes) != 3:
        raise Declined("`select_n` chooses among more than two")
    return graph.apply(name, *nodes)


# ---------------------------------------------------------------- shapes: bookkeeping along the leading axes


def _keeps_units(name: str, ok: bool) -> None:
    if not ok:
        raise Declined(f"`{name}` moves or cuts the units of a vector")


def _broadcast(graph: Graph, params: dict[str, Any], x: Value) -> Value:
    shape, dims = params["shape"], params["broadcast_dimensions"]
    if not shape:
        return x
    if x.length is None:
        return Value(np.broadcast_to(x.nodes, shape[:-1]), shape[-1])
    _keeps_units("broadcast_in_dim", dims[-1] == len(shape) - 1 and x.length in (1, shape[-1]))
    spread = [1] * (len(shape) - 1)
    for d, n in zip(dims[:-1], x.nodes.shape, strict=True):
        spread[d] = n
    return Value(np.broadcast_to(x.nodes.reshape(spread), shape[:-1]), shape[-1])


def _reshape(graph: Graph, params: dict[str, Any], x: Value) -> Value:
    shape = params["new_sizes"]
    if x.length is None or not shape:
        _keeps_units("reshape", int(np.prod(x.shape)) == 1 and set(shape) <= {1})
        return Value(x.nodes.reshape(shape[:-1]), 1) if shape else Value(x.nodes.reshape(()), None)
    _keeps_units("reshape", shape[-1] == x.length)
    return Value(x.nodes.reshape(shape[:-1]), x.length)


def _squeeze(graph: Graph, params: dict[str, Any], x: Value) -> Value:
    dims = params["dimensions"]
    _keeps_units("squeeze", len(x.shape) - 1 not in dims)
    return Value(np.squeeze(x.nodes, tuple(dims)), x.length)


def _slice(graph: Graph, params: dict[str, Any], x: Value) -> Value:
    start, stop = params["start_indices"], params["limit_indices"]
    strides = params["strides"] or (1,) * len(start)
    _keeps_units("slice", start[-1] == 0 and stop[-1] == x.length and strides[-1] == 1)
    return Value(x.nodes[tuple(map(slice, start[:-1], stop[:-1], strides[:-1]))], x.length)


def _pad(graph: Graph, params: dict[str, Any], x: Value, filling: Value) -> Value:
    config = [tuple(map(int, c)) for c in params["padding_config"]]
    _keeps_units("pad", config[-1] == (0, 0, 0) and all(lo >= 0 and hi >= 0 and inner == 0 for lo, hi, inner in config))
    widths = [(lo, hi) for lo, hi, _ in config[:-1]]
    return Value(np.pad(x.nodes, widths, constant_values=int(filling.nodes)), x.length)


def _concatenate(graph: Graph, params: dict[str, Any], *xs: Value) -> Value:
    _keeps_units("concatenate", params["dimension"] < len(xs[0].shape) - 1)
    return Value(np.concatenate([x.nodes for x in xs], axis=params["dimension"]), xs[0].length)


def _transpose(graph: Graph, params: dict[str, Any], x: Value) -> Value:
    order = params["permutation"]
    _keeps_units("transpose", not order or order[-1] == len(order) - 1)
    return Value(x.nodes.transpose(order[:-1]), x.length) if order else x


def _split(x: Value, sizes: Sequence[int], axis: int) -> list[Value]:
    _keeps_units("split", axis < len(x.shape) - 1)
    ends = list(itertools.accumulate(sizes))
    return [Value(part, x.length) for part in np.split(x.nodes, ends[:-1], axis)]


SHAPES: dict[str, Callable[..., Value]] = {
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "expand_dims": _reshape,
    "slice": _slice,
    "pad": _pad,
    "concatenate": _concatenate,
    "transpose": _transpose,
}
