"""A cell's step on one batch row, forward and backward, as graphs of vectors.

The products stand outside: what is multiplied is an output of the forward graph, and what came of it an input. So the
backward graph is plain `jax.vjp` of the forward one: the cotangents of the products come out, and what they make of the
multiplied states comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import use_abstract_mesh

from jaxrnn.base.dtypes import state_dtype
from jaxrnn.base.placement import NOWHERE
from jaxrnn.base.typing import Array
from jaxrnn.core.cell import Cell
from jaxrnn.core.linear import declared
from jaxrnn.core.step import Products, Rows, Step, advance
from jaxrnn.engine.one_row import traced_once
from jaxrnn.engine.products import Given, Recorder
from jaxrnn.forms.quantized import Quantized
from jaxrnn.forms.tile import Tile
from jaxrnn.kernels.native.graph import Declined, Value
from jaxrnn.kernels.native.vectors import Graph


class Product(NamedTuple):
    """One product of the step: a state of `inputs` numbers times columns of a kernel."""

    kernel: str
    inputs: int  # K
    shape: tuple[int, ...]  # of the result, [G, H] or [P]
    tiles: tuple[Tile, ...]
    between: int  # numbers between the state and the result
    scales: int = 0  # of int8 matrices: how many arrays before those that hold their columns' scales

    @property
    def outputs(self) -> int:
        return int(np.prod(self.shape))

    @property
    def numbers(self) -> int:
        """Of the matrices."""
        return sum(t.rows * t.columns for t in self.tiles)


class Signature(NamedTuple):
    """The arrays of one row that a step reads beside parameters: shapes and dtypes without batch axes."""

    carry: tuple[tuple[int, ...], ...]
    theta: tuple[tuple[str, tuple[int, ...], str], ...]  # name, shape, dtype
    per_step: tuple[tuple[str, tuple[int, ...], str], ...]
    masked: bool
    resets: bool
    carries: bool  # put out the carry at every step
    dtype: str  # in which equations compute: the carry's
    stored: str  # of inputs, projections and outputs, and what is multiplied

    @property
    def half(self) -> bool:
        """Whether what is stored has half the digits."""
        return self.stored != self.dtype

    @property
    def leaves_out(self) -> bool:
        """Whether a row is left out before its first valid step and after its last, where it puts out zeros."""
        return self.masked and not self.carries


@dataclass
class Shapes(Products):
    """Notes the products of a step; the results are zeros."""

    calls: list[Product] = field(default_factory=list)

    def multiply(self, h: Array, kernel: str, index: tuple[int, ...] | None) -> Array:
        w = self.kernels[kernel]
        if h.shape[-1] != w.inputs:
            raise TypeError(f"a state of {h.shape[-1]} numbers times a kernel for {w.inputs}")
        stored = 1 if w.columns is None else w.stored
        gates = range(stored) if index is None else index
        found = w.form.tiles(gates, w.inputs, stored, w.units)
        if found is None:
            raise Declined(f"a kernel of the form {w.form!r}, whose product is none with matrices")
        shape = (w.units,) if w.columns is None else (len(gates), w.units)
        scales = len(w.form.of.names) if isinstance(w.form, Quantized) else 0
        self.calls.append(Product(kernel, w.inputs, shape, *found, scales))
        return jnp.zeros(shape, h.dtype)


class Inputs(NamedTuple):
    """What a step reads, one row of it."""

    carry: Any
    x: Any
    theta: dict[str, Any]
    start: Any
    floats: dict[str, Any]  # per-step inputs that have a derivative
    flags: dict[str, Any]  # and those that have none
    valid: Any
    reset: Any


def inputs(cell: Cell, signature: Signature) -> Inputs:
    """Shapes and dtypes."""
    real = lambda shape: jax.ShapeDtypeStruct(shape, signature.dtype)  # noqa: E731
    flag = jax.ShapeDtypeStruct((), np.bool_)
    carry = cell.carry_type(*map(real, signature.carry))
    theta = {name: jax.ShapeDtypeStruct(shape, dtype) for name, shape, dtype in signature.theta}
    steps = {name: jax.ShapeDtypeStruct(shape, dtype) for name, shape, dtype in signature.per_step}
    floats = {n: a for n, a in steps.items() if jnp.issubdtype(a.dtype, jnp.floating)}
    flags = {n: a for n, a in steps.items() if n not in floats}
    return Inputs(
        carry,
        real((len(cell.gates), cell.size)),
        theta,
        carry if signature.resets else None,
        floats,
        flags,
        flag if signature.masked else None,
        flag if signature.resets else None,
    )


@lru_cache(maxsize=256)
def products(cell: Cell, signature: Signature) -> tuple[Product, ...]:
    """The products of a step, in their order."""
    recorder = Shapes(cell.kernel_shapes(signature.dtype))
    _shapes(lambda given: _advance(cell, recorder, given), inputs(cell, signature))
    return tuple(recorder.calls)


def projects_alone(cell: Cell, signature: Signature) -> bool:
    """Whether the projection is all that a cell multiplies, and its state is linear: half of its time, then."""
    return declared(cell) is not None and not products(cell, signature)


def trace_forward(cell: Cell, signature: Signature) -> Any:
    """(inputs, values) -> (multiplied states, carry, output) as a jaxpr, and the shapes of its results."""
    return _trace(_step, cell, signature, inputs(cell, signature), _values(cell, signature))


def trace_backward(cell: Cell, signature: Signature) -> Any:
    """(inputs, values, cotangents of the above) -> cotangents of carry, x, theta, start, per-step floats, values."""
    results = trace_forward(cell, signature)[1]
    return _trace(_step_back, cell, signature, inputs(cell, signature), _values(cell, signature), results)


def _trace(function: Callable[..., Any], cell: Cell, signature: Signature, *arguments: Any) -> Any:
    with use_abstract_mesh(NOWHERE):
        traced = _jitted(function, cell, signature).trace(*arguments)
    return traced.jaxpr, traced.out_info


def _shapes(function: Callable[..., Any], *arguments: Any) -> Any:
    with use_abstract_mesh(NOWHERE):
        return jax.eval_shape(function, *arguments)


@lru_cache(maxsize=512)
def _jitted(function: Callable[..., Any], cell: Cell, signature: Signature) -> Any:
    """A function of arrays, whose traces JAX keeps."""
    return jax.jit(partial(function, cell, signature))


def evaluate(graph: Graph, traced: Any, *arguments: Any) -> Any:
    """A traced function on values of the graph; trees of `Value` in and out."""
    closed, results = traced
    flat = jax.tree.leaves(arguments, is_leaf=is_value)
    return jax.tree.unflatten(jax.tree.structure(results), graph.interpret(closed.jaxpr, closed.consts, flat))


def loads(graph: Graph, name: str, tree: Any) -> Any:
    """A tree of arrays in memory, each known by `(name, its place in the tree)`."""
    leaves, treedef = jax.tree.flatten(tree)
    return jax.tree.unflatten(treedef, [graph.load((name, i), leaf.shape) for i, leaf in enumerate(leaves)])


def load_inputs(graph: Graph, shapes: Inputs) -> Inputs:
    """The inputs of a step, known by field and place."""
    return Inputs(*(loads(graph, name, tree) for name, tree in zip(shapes._fields, shapes, strict=True)))


def load_values(graph: Graph, cell: Cell, signature: Signature) -> list[Value]:
    """What came of the products."""
    return [graph.load(("values", k), p.shape) for k, p in enumerate(products(cell, signature))]


def load_cotangents(graph: Graph, cell: Cell, signature: Signature) -> dict[str, Any]:
    """The cotangents of the forward graph's results."""
    carry = cell.carry_type(*(jax.ShapeDtypeStruct(s, jnp.float32) for s in signature.carry))
    result = {
        "multiplied": [graph.load(("ct_multiplied", k), (p.inputs,)) for k, p in enumerate(products(cell, signature))],
        "carry": loads(graph, "ct_carry", carry),
        "y": graph.load(("ct_y", 0), (cell.output_size,)),
    }
    return result | {"carries": loads(graph, "ct_carries", carry)} if signature.carries else result


def reached(graph: Graph, tree: Any) -> set[int]:
    """All nodes that these values rest on."""
    return reached_from(graph, {int(n) for v in jax.tree.leaves(tree, is_leaf=is_value) for n in v.nodes.reshape(-1)})


def reached_from(graph: Graph, roots: Iterable[int]) -> set[int]:
    """The roots and all nodes that they rest on."""
    todo, seen = list(roots), set()
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo += graph.nodes[node].inputs
    return seen


def partners(graph: Graph, x: Value, values: list[Value], roots: set[int]) -> tuple[tuple[int, int] | None, ...]:
    """Of each gate the vector (product, place in its result) that x is added to, where the sum is all that is used."""
    uses: dict[int, list[int]] = {}
    for i in reached_from(graph, roots):
        for j in graph.nodes[i].inputs:
            uses.setdefault(j, []).append(i)
    alike = [(k, v) for k, v in enumerate(values) if v.length == x.length]
    places = {int(n): (k, j) for k, v in alike for j, n in enumerate(v.nodes.reshape(-1))}

    def once(node: int) -> int | None:
        """The only node that uses this one."""
        return uses[node][0] if node not in roots and len(uses.get(node, ())) == 1 else None

    def partner(a: int) -> tuple[int, int] | None:
        total = once(a)
        if total is None or graph.nodes[total].op != "add":
            return None
        (other,) = (i for i in graph.nodes[total].inputs if i != a)
        return places.get(other) if once(other) == total else None

    return tuple(partner(int(a)) for a in x.nodes.reshape(-1))


def _step(cell: Cell, signature: Signature, given: Inputs, values: list[Array]) -> dict[str, Any]:
    kernels = cell.kernel_shapes(signature.dtype)
    recorder = Recorder(kernels, Given(kernels, values))
    carry, y = _advance(cell, recorder, given)
    result = {"multiplied": recorder.inputs, "carry": carry, "y": y.astype(signature.dtype)}
    return result | {"carries": carry} if signature.carries else result


def _step_back(cell: Cell, signature: Signature, given: Inputs, values: list[Array], cotangents: Any) -> Any:
    theta = {n: a for n, a in given.theta.items() if jnp.issubdtype(a.dtype, jnp.floating)}

    def step(carry: Any, x: Any, theta: Any, start: Any, floats: Any, values: Any) -> Any:
        moved = given._replace(carry=carry, x=x, theta=given.theta | theta, start=start, floats=floats)
        return _step(cell, signature, moved, values)

    results, pull = jax.vjp(step, given.carry, given.x, theta, given.start, given.floats, values)
    return dict(
        zip(("carry", "x", "theta", "start", "floats", "values"), pull(cotangents), strict=True),
        multiplied=results["multiplied"],
    )


def _advance(cell: Cell, recorder: Products, given: Inputs) -> Any:
    step = Step(given.x, given.valid, given.reset, given.floats | given.flags)
    cell = replace(cell, update=traced_once(cell, state_dtype(given.carry).name))
    return advance(cell, recorder, Rows(given.theta, given.start), given.carry, step)


def _values(cell: Cell, signature: Signature) -> list[Any]:
    return [jax.ShapeDtypeStruct(p.shape, signature.dtype) for p in products(cell, signature)]


def is_value(node: Any) -> bool:
    return isinstance(node, Value)


def check_rows(cell: Cell, signature: Signature) -> None:
    """Raise where the equations do not run on rows of a batch: without that axis some things broadcast by mistake."""
    _shapes(*_on_rows(cell, signature))


@lru_cache(maxsize=256)
def residuals(cell: Cell, signature: Signature) -> int:
    """The numbers that autodiff keeps of a step as it stands, for one row of the batch."""
    step, kernels, given = _on_rows(cell, signature)

    def pull(kernels: Any, given: Inputs) -> Any:
        def moved(kernels: Any, carry: Any, x: Any, floats: Any) -> Any:
            return step(kernels, given._replace(carry=carry, x=x, floats=floats))

        return jax.vjp(moved, kernels, given.carry, given.x, given.floats)[1]

    rows = jax.tree.leaves(given)[0].shape[0]
    kept = jax.tree.leaves(_shapes(pull, kernels, given))
    return sum(a.size // rows for a in kept if rows in a.shape)


def _on_rows(cell: Cell, signature: Signature) -> tuple[Callable[..., Any], dict[str, Any], Inputs]:
    """A step, and the shapes of its arguments on as many rows as no other axis is long."""
    kernels, row = cell.kernel_shapes(signature.dtype), inputs(cell, signature)
    count = 1 + max(n for a in jax.tree.leaves((kernels, row)) for n in a.shape)
    rows = jax.tree.map(lambda a: jax.ShapeDtypeStruct((count, *a.shape), a.dtype), row)
    return lambda kernels, given: _advance(cell, Products(kernels), given), kernels, rows
