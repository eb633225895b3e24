"""The two calls of the library, forward and backward, written down as tables.

Forward, a block of steps projects its inputs in one product, then goes step by step: vectors, product, vectors. What is
kept for the backward call is the carry before every step, and what came of its products where memory allows.

Backward, a block opens all its steps at once (projection, products), goes back step by step, and ends with one product
for each kernel's gradient. Rows of the batch go in groups, one a thread; nothing is exchanged between them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.cell import Cell
from jaxrnn.kernels.native import library, row
from jaxrnn.kernels.native.program import NONE, Encoded, Slot, Store, Tables
from jaxrnn.kernels.native.row import Product, Signature
from jaxrnn.kernels.native.vectors import Declined, Graph, Value

BLOCK_ROWS = 80  # rows of a block, steps times batch rows: large products, and a block's arrays stay in cache


class Operands(NamedTuple):
    """The arrays of a call, rows `[N]` for the batch axes. None where there is nothing."""

    xs: Any  # [T, N, D], or [T, N, G, H] projected
    kernel: Any  # [D, G, H]; None when projected
    bias: Any  # [G, H]
    kernels: dict[str, Any]  # the recurrent ones
    carry: Any  # [N, C] each
    theta: dict[str, Any]  # [N, ...]
    start: Any  # like carry
    floats: dict[str, Any]  # [T, N, ...]
    flags: dict[str, Any]
    valid: Any  # [T, N]
    reset: Any


class Roles(NamedTuple):
    """Where each field of `Operands` has its rows."""

    xs: str = "step"
    kernel: str = "shared"
    bias: str = "shared"
    kernels: str = "shared"
    carry: str = "row"
    theta: str = "row"
    start: str = "row"
    floats: str = "step"
    flags: str = "step"
    valid: str = "step"
    reset: str = "step"


class Spec(NamedTuple):
    """The static part of a call."""

    cell: Cell
    signature: Signature
    projected: bool
    reverse: bool
    block: int | None  # steps, where the caller settled it
    saved: bool  # keep the results of all products for the backward call, rather than multiply again


class Array(NamedTuple):
    """A result of a call: its name in the tables, shape, dtype and role."""

    name: Any
    shape: tuple[int, ...]
    role: str


class Prepared(NamedTuple):
    """A call ready to be lowered."""

    encoded: Encoded
    results: tuple[tuple[int, ...], ...]  # shapes


class Sizes(NamedTuple):
    """T steps, N rows in `groups`, `block` steps at a time."""

    T: int
    N: int
    groups: int
    block: int

    @property
    def rows(self) -> int:
        return -(-self.N // self.groups)


def sizes(spec: Spec, operands: Operands) -> Sizes:
    """How a call is cut. Little work is not worth a second thread."""
    T, N = operands.xs.shape[:2]
    work = 2 * T * N * sum(p.inputs * p.outputs for p in row.products(spec.cell, spec.signature))
    groups = max(1, min(library.threads(), N)) if work > 4e6 else 1
    block = spec.block or -(-BLOCK_ROWS // max(1, -(-N // groups)))
    return Sizes(T, N, groups, max(1, min(block, T)))


class Findings(NamedTuple):
    """What the equations of a step allow."""

    fused: bool  # projection and first product enter as their sum only: one array holds both
    shown: int | None  # the state that is the output as well: it is kept once


@lru_cache(maxsize=512)
def findings(cell: Cell, signature: Signature) -> Findings:
    """Read them off the forward graph."""
    graph = Graph(frozenset(library.OPERATIONS))
    given, values = _load_inputs(graph, row.inputs(cell, signature)), _load_values(graph, cell, signature)
    out = row.evaluate(graph, row.trace_forward(cell, signature), given, values)
    roots = {int(n) for v in jax.tree.leaves(out, is_leaf=_is_value) for n in v.nodes.reshape(-1)}
    shown = [i for i, v in enumerate(out["carry"]) if np.array_equal(v.nodes, out["y"].nodes)]
    fused = bool(values) and row.sums_only(graph, given.x, values[0], roots)
    return Findings(fused, shown[0] if shown else None)


def check(cell: Cell, signature: Signature) -> None:
    """Raise `Declined` where the equations have something that vector programs lack."""
    for product in row.products(cell, signature):
        _columns(cell, product)
    graph = Graph(frozenset(library.OPERATIONS))
    given, values = _load_inputs(graph, row.inputs(cell, signature)), _load_values(graph, cell, signature)
    row.evaluate(graph, row.trace_forward(cell, signature), given, values)
    row.evaluate(graph, row.trace_backward(cell, signature), given, values, _load_cotangents(graph, cell, signature))


# ---------------------------------------------------------------- forward


def forward_results(spec: Spec, operands: Operands, keep: bool) -> list[Array]:
    """What the forward call returns: the final carry, outputs, and what the backward call needs."""
    cell, (T, N) = spec.cell, operands.xs.shape[:2]
    results = [Array(("final", i), (N, *shape), "row") for i, shape in enumerate(spec.signature.carry)]
    results.append(Array(("y", 0), (T, N, cell.output_size), "step"))
    if spec.signature.carries:
        results += [Array(("carries", i), (T, N, *shape), "step") for i, shape in enumerate(spec.signature.carry)]
    return results + kept(spec, operands) if keep else results


def kept(spec: Spec, operands: Operands) -> list[Array]:
    """What the forward call returns for the backward call alone: carries before every step, results of products."""
    cell, (T, N) = spec.cell, operands.xs.shape[:2]
    shown = findings(cell, spec.signature).shown
    before = enumerate(spec.signature.carry)
    arrays = [Array(("before", i), (T, N, *shape), "step") for i, shape in before if i != shown]
    if spec.saved:
        products = enumerate(row.products(spec.cell, spec.signature))
        arrays += [Array(("saved", k), (T, N, *p.shape), "step") for k, p in products]
    return arrays


def prepare_forward(spec: Spec, operands: Operands, keep: bool) -> Prepared:
    """The tables of the forward call."""
    cell, signature, size = spec.cell, spec.signature, sizes(spec, operands)
    call = _Call(spec, size, operands, forward_results(spec, operands, keep))
    tables, graph = call.tables, call.graph
    for i, shape in enumerate(signature.carry):  # the state lives in the final carry
        tables.starts.append((tables.numbers["final", i], tables.numbers["carry", i], 0, shape[0]))
        tables.numbers["carry", i] = tables.numbers["final", i]
    tables.before += call.projection(at_once=False)
    given, values = call.inputs(), call.values()
    out = row.evaluate(graph, row.trace_forward(cell, signature), given, values)
    stages = [[*_stores(("multiplied", k), v)] for k, v in enumerate(out["multiplied"])]
    last = [s for i, v in enumerate(out["carry"]) for s in _stores(("final", i), v, last=True)]
    last += _stores(("y", 0), out["y"])
    if signature.carries:
        last += [s for i, v in enumerate(out["carries"]) for s in _stores(("carries", i), v)]
    if keep:
        shown = findings(cell, signature).shown
        last += [s for i, v in enumerate(given.carry) if i != shown for s in _stores(("before", i), v)]
        if spec.saved:
            saved = [given.x, *values[1:]] if call.fused else values
            last += [s for k, v in enumerate(saved) for s in _stores(("saved", k), v)]
    for k, actions in enumerate(tables.stages(graph, [*stages, last])):
        tables.step += actions
        if k < len(call.products):
            tables.step.append(call.product(k))
    return call.finish()


# ---------------------------------------------------------------- backward


def backward_results(spec: Spec, operands: Operands, live: frozenset[str]) -> dict[tuple[str, int], Array]:
    """Cotangents, by field of `Operands` and place in it. `live`: the fields asked for, where they cost a product."""
    signature = spec.signature
    T, N = operands.xs.shape[:2]
    real = lambda arrays: [i for i, (_, _, dtype) in enumerate(arrays) if dtype != "bool"]  # noqa: E731
    shapes: dict[tuple[str, int], tuple[int, ...]] = {}
    for i, shape in enumerate(signature.carry):
        shapes["carry", i] = (N, *shape)
        if signature.resets:
            shapes["start", i] = (N, *shape)
    for i in real(signature.theta):
        shapes["theta", i] = (N, *signature.theta[i][1])
    for place, i in enumerate(real(signature.per_step)):
        shapes["floats", place] = (T, N, *signature.per_step[i][1])
    for field in ("xs", "kernel", "bias", "kernels"):
        if field in live:
            shapes |= {(field, i): a.shape for i, a in enumerate(jax.tree.leaves(getattr(operands, field)))}
    roles = Roles()._asdict()
    return {key: Array((f"d{key[0]}", key[1]), shape, roles[key[0]]) for key, shape in shapes.items()}


def prepare_backward(spec: Spec, operands: Operands, live: frozenset[str]) -> Prepared:
    """The tables of the backward call: of operands, what the forward call kept, and cotangents of its results."""
    cell, signature, size = spec.cell, spec.signature, sizes(spec, operands)
    results = list(backward_results(spec, operands, live).values())
    call = _Call(spec, size, operands, results, back=True)
    tables, graph, numbers = call.tables, call.graph, call.tables.numbers
    shared = [a for a in results if a.role == "shared"]
    for a in shared:
        tables.starts.append((numbers[a.name], NONE, int(np.prod(a.shape[:-2], dtype=int)), int(np.prod(a.shape[-2:]))))
    for a in results:
        if a.role == "row":
            source = numbers["ct_final", a.name[1]] if a.name[0] == "dcarry" else NONE
            tables.starts.append((numbers[a.name], source, 0, int(np.prod(a.shape[1:]))))
    for i, _ in enumerate(signature.carry):
        numbers["carry", i] = numbers["before", i]
        numbers["ct_carry", i] = numbers["dcarry", i]
    if not (spec.saved and call.fused):
        tables.before += call.projection(at_once=True)
    elif "kernel" in live:
        tables.before += call.gather()

    given, values = call.inputs(), call.values()
    if not spec.saved:
        opened = row.evaluate(graph, row.trace_forward(cell, signature), given, values)["multiplied"]
        stages = [[*_stores(("multiplied", k), v)] for k, v in enumerate(opened)]
        for k, actions in enumerate(tables.stages(graph, stages)):
            tables.before += [*actions, call.product(k)]

    backward = Graph(frozenset(library.OPERATIONS))
    call.graph = backward
    given, values = call.inputs(), call.values()
    cotangents = _load_cotangents(backward, cell, signature)
    out = row.evaluate(backward, row.trace_backward(cell, signature), given, values, cotangents)
    needed = _reached(backward, [out[k] for k in ("carry", "x", "theta", "start", "floats", "values")])
    order = range(len(call.products) - 1, -1, -1)
    stages = [[*_stores(("dvalues", k), out["values"][k])] for k in order]
    last = [s for i, v in enumerate(out["carry"]) for s in _stores(("dcarry", i), v, last=True)]
    for i, v in enumerate(jax.tree.leaves(out["start"], is_leaf=_is_value)):
        last += _added(backward, ("dstart", i), v)
    for i, (name, _, dtype) in enumerate(signature.theta):
        last += _added(backward, ("dtheta", i), out["theta"][name]) if dtype != "bool" else []
    for i, v in enumerate(jax.tree.leaves(out["floats"], is_leaf=_is_value)):
        last += _stores(("dfloats", i), v)
    same = bool(call.products) and np.array_equal(out["x"].nodes, out["values"][0].nodes)
    if spec.projected:
        last += _stores(("dxs", 0), out["x"]) if "xs" in live else []
    elif same:
        numbers["dx", 0] = numbers["dvalues", 0]
    else:  # takes the place of x, which the step has read by then
        numbers["dx", 0] = numbers["x", 0] if not call.fused else tables.local(("dx", 0), call.width)
        last += _stores(("dx", 0), out["x"], last=True)
    if spec.saved and "kernels" in live:
        last += [s for k, v in enumerate(out["multiplied"]) for s in _stores(("multiplied", k), v)]
    for k, actions in zip([*order, NONE], tables.stages(backward, [*stages, last]), strict=True):
        tables.step += actions
        if k != NONE and int(cotangents["multiplied"][k].nodes) in needed:
            tables.step.append(call.product_transposed(k))
    tables.after += call.gradients(live)
    return call.finish()


# ---------------------------------------------------------------- what both share


class _Call:
    """A call's tables with the arrays that both directions have."""

    def __init__(
        self, spec: Spec, size: Sizes, operands: Operands, results: list[Array], *, back: bool = False
    ) -> None:
        self.spec, self.size, self.operands, self.results = spec, size, operands, results
        self.graph = Graph(frozenset(library.OPERATIONS))
        self.products = row.products(spec.cell, spec.signature)
        self.fused, self.shown = findings(spec.cell, spec.signature)
        self.width = len(spec.cell.gates) * spec.cell.size
        itemsize = np.dtype(spec.signature.dtype).itemsize
        self.tables = Tables(library.OPERATIONS, 256 // itemsize, size.rows, size.block)
        self.buffers = 0
        for field, tree in zip(Operands._fields, operands, strict=True):
            for i, leaf in enumerate(jax.tree.leaves(tree)):
                self._buffer(("xs" if field == "xs" else field, i), leaf.shape, getattr(Roles(), field), leaf.dtype)
        if spec.projected:
            self.tables.numbers["x", 0] = self.tables.numbers["xs", 0]
        if back:
            carry = spec.signature.carry
            T, N = operands.xs.shape[:2]
            for a in kept(spec, operands):
                self._buffer(a.name, a.shape, a.role)
            self._buffer(("ys", 0), (T, N, spec.cell.output_size), "step")
            if self.shown is not None:  # the output of the step before, or the carry that was passed
                slots, numbers = self.tables.slots, self.tables.numbers
                earlier, edge = (-1, T - 1) if spec.reverse else (1, 0)
                ys = slots[numbers["ys", 0]]._replace(earlier=earlier, edge=edge, origin=numbers["carry", self.shown])
                self.tables.place(("before", self.shown), ys)
            for i, shape in enumerate(carry):
                self._buffer(("ct_final", i), (N, *shape), "row")
            self._buffer(("ct_y", 0), (T, N, spec.cell.output_size), "step")
            if spec.signature.carries:
                for i, shape in enumerate(carry):
                    self._buffer(("ct_carries", i), (T, N, *shape), "step")
        for a in results:
            self._buffer(a.name, a.shape, "sum" if a.role == "shared" else a.role)
        for k, p in enumerate(self.products):
            self.tables.local(("multiplied", k), p.inputs, every_step=back)
            if back and spec.saved:
                self.tables.numbers["net" if k == 0 and self.fused else "values", k] = self.tables.numbers["saved", k]
            elif not (k == 0 and self.fused):
                self.tables.local(("values", k), p.outputs, every_step=back)
            if back:
                self.tables.local(("dvalues", k), p.outputs)
                self.tables.local(("ct_multiplied", k), p.inputs, every_step=False)
        if self.fused:
            if not (back and spec.saved):
                self.tables.local(("net", 0), self.width)
        elif not spec.projected:
            self.tables.local(("x", 0), self.width)
        if not spec.projected:
            self.tables.local(("inputs", 0), operands.xs.shape[-1])

    def _buffer(self, name: Any, shape: tuple[int, ...], role: str, dtype: Any = None) -> None:
        number, self.buffers = self.buffers, self.buffers + 1
        boolean = dtype == np.bool_
        if role == "sum":
            self.tables.sum(name, number, shape)
            return
        lead = {"step": 2, "row": 1, "shared": 0}[role]
        width = int(np.prod(shape[lead:], dtype=int))
        steps = shape[1] * width if role == "step" else 0
        self.tables.place(name, Slot(number, 0, 0, steps, 0 if role == "shared" else width, 0, boolean))

    def inputs(self) -> row.Inputs:
        """The inputs of a step; x is the sum with the first product where that is all the equations need."""
        given = _load_inputs(self.graph, row.inputs(self.spec.cell, self.spec.signature))
        shape = (len(self.spec.cell.gates), self.spec.cell.size)
        return given._replace(x=self.graph.load(("net", 0), shape)) if self.fused else given

    def values(self) -> list[Value]:
        values = _load_values(self.graph, self.spec.cell, self.spec.signature)
        return [self.graph.fill(self.products[0].shape, 0.0), *values[1:]] if self.fused else values

    def gather(self) -> list[tuple[int, ...]]:
        """Copy a block's inputs, so that its rows lie behind each other."""
        value = self.graph.load(("xs", 0), (self.operands.xs.shape[-1],))
        return self.tables.stages(self.graph, [_stores(("inputs", 0), value)])[0]

    def projection(self, *, at_once: bool) -> list[tuple[int, ...]]:
        """A block's inputs times the kernel, to `net` or x. Projected inputs are there already."""
        numbers, tables = self.tables.numbers, self.tables
        if self.spec.projected:
            if not (self.fused and at_once):
                return []
            value = self.graph.load(("x", 0), (len(self.spec.cell.gates), self.spec.cell.size))
            return tables.stages(self.graph, [_stores(("net", 0), value)])[0]
        D = self.operands.xs.shape[-1]
        pack = tables.pack(tables.slots[numbers["kernel", 0]].buffer, 0, self.width, D, self.width)
        bias = None if self.operands.bias is None else ("bias", 0)
        return [*self.gather(), tables.product(("inputs", 0), pack, ("net" if self.fused else "x", 0), bias)]

    def product(self, k: int) -> tuple[int, ...]:
        """The k-th product of a step, or of a block of steps."""
        first, pack = self._pack(k, transposed=False)
        if k or not self.fused:
            return self.tables.product(first, pack, ("values", k))
        start = ("x", 0) if self.spec.projected and not self._opens else ("net", 0)
        return self.tables.product(first, pack, ("net", 0), start)

    def product_transposed(self, k: int) -> tuple[int, ...]:
        _, pack = self._pack(k, transposed=True)
        return self.tables.product(("dvalues", k), pack, ("ct_multiplied", k))

    @property
    def _opens(self) -> bool:
        """Whether this is the backward call, which goes the other way through time."""
        return ("dcarry", 0) in self.tables.numbers

    def _pack(self, k: int, *, transposed: bool) -> tuple[Any, int]:
        p = self.products[k]
        number, first, stride = self._columns(k)
        shape = (p.outputs, p.inputs) if transposed else (p.inputs, p.outputs)
        pack = self.tables.pack(self.tables.slots[number].buffer, first, stride, *shape, transposed=transposed)
        return ("multiplied", k), pack

    def _columns(self, k: int) -> tuple[int, int, int]:
        """The slot of a product's kernel, its first column there, and the kernel's width."""
        p = self.products[k]
        names = sorted(self.operands.kernels)
        whole = self.operands.kernels[p.kernel].shape
        return (
            self.tables.numbers["kernels", names.index(p.kernel)],
            _columns(self.spec.cell, p),
            int(np.prod(whole[1:])),
        )

    def gradients(self, live: frozenset[str]) -> list[tuple[int, ...]]:
        """After a block: gradients of its inputs and of all kernels."""
        tables, spec, actions = self.tables, self.spec, []
        if not spec.projected:
            D = self.operands.xs.shape[-1]
            if "kernel" in live:
                actions.append(tables.accumulate(("inputs", 0), ("dx", 0), ("dkernel", 0), D, self.width))
            if "bias" in live:
                actions.append(tables.sum_rows(("dx", 0), ("dbias", 0), self.width))
            if "xs" in live:  # in the place of the inputs, which are of no more use
                buffer = tables.slots[tables.numbers["kernel", 0]].buffer
                pack = tables.pack(buffer, 0, self.width, self.width, D, transposed=True)
                actions.append(tables.product(("dx", 0), pack, ("inputs", 0)))
                value = self.graph.load(("inputs", 0), (D,))
                actions += tables.stages(self.graph, [_stores(("dxs", 0), value)])[0]
        if "kernels" in live:
            names = sorted(self.operands.kernels)
            for k, p in enumerate(self.products):
                _, first, stride = self._columns(k)
                whole = tables.slots[tables.numbers["dkernels", names.index(p.kernel)]]
                out = ("dkernels of", k)
                tables.place(out, whole._replace(offset=first, row_stride=stride))
                actions.append(tables.accumulate(("multiplied", k), ("dvalues", k), out, p.inputs, p.outputs))
        return actions

    def finish(self) -> Prepared:
        size, reverse = self.size, self.spec.reverse != self._opens
        encoded = self.tables.encode(size.T, size.groups, size.N, size.block, reverse, self.buffers)
        return Prepared(encoded, tuple(a.shape for a in self.results))


def _columns(cell: Cell, product: Product) -> int:
    """The first column of a product's gates within its kernel."""
    if product.picked is None:
        return 0
    if product.picked != tuple(range(product.picked[0], product.picked[0] + len(product.picked))):
        raise Declined(f"a product with gates {[cell.gates[i] for i in product.picked]}, which are no neighbours")
    return product.picked[0] * cell.size


def _stores(name: Any, value: Value, *, last: bool = False) -> list[Store]:
    length = value.length or 1
    return [Store(name, i * length, int(n), length, last) for i, n in enumerate(value.nodes.reshape(-1))]


def _added(graph: Graph, name: Any, value: Value) -> list[Store]:
    """Add a value to the sum in an array."""
    total = graph.load(name, value.shape)
    nodes = [graph.apply("add", int(a), int(b)) for a, b in zip(total.nodes.flat, value.nodes.flat, strict=True)]
    return _stores(name, Value(np.array(nodes).reshape(value.nodes.shape), value.length), last=True)


def _load_inputs(graph: Graph, shapes: row.Inputs) -> row.Inputs:
    return row.Inputs(*(row.loads(graph, name, tree) for name, tree in zip(shapes._fields, shapes, strict=True)))


def _load_values(graph: Graph, cell: Cell, signature: Signature) -> list[Value]:
    return [graph.load(("values", k), p.shape) for k, p in enumerate(row.products(cell, signature))]


def _load_cotangents(graph: Graph, cell: Cell, signature: Signature) -> dict[str, Any]:
    """Of the forward graph's results."""
    carry = cell.carry_type(*(jax.ShapeDtypeStruct(s, jnp.float32) for s in signature.carry))
    result = {
        "multiplied": [
            graph.load(("ct_multiplied", k), (p.inputs,)) for k, p in enumerate(row.products(cell, signature))
        ],
        "carry": row.loads(graph, "ct_carry", carry),
        "y": graph.load(("ct_y", 0), (cell.output_size,)),
    }
    return result | {"carries": row.loads(graph, "ct_carries", carry)} if signature.carries else result


def _reached(graph: Graph, tree: Any) -> set[int]:
    """All nodes that these values rest on."""
    todo = [int(n) for v in jax.tree.leaves(tree, is_leaf=_is_value) for n in v.nodes.reshape(-1)]
    seen: set[int] = set()
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo += graph.nodes[node].inputs
    return seen


def _is_value(node: Any) -> bool:
    return isinstance(node, Value)
