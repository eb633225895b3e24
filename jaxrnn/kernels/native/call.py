"""A call's tables with the arrays that both directions have, and the actions made of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrnn.forms.quantized import Quantized
from jaxrnn.forms.tile import Tile
from jaxrnn.kernels.native import library, meetings, row
from jaxrnn.kernels.native.arrays import Array, Operands, Roles, Sizes, Spec, findings, keeps_projection, kept
from jaxrnn.kernels.native.graph import Value
from jaxrnn.kernels.native.program import COMPUTED, KINDS, Encoded, Slot, Store, Tables, stores
from jaxrnn.kernels.native.vectors import Graph


class Prepared(NamedTuple):
    """A call ready to be lowered."""

    encoded: Encoded
    results: tuple[Array, ...]
    order: Sequence[int]  # of the results as the primitive has them


class Call:
    """A call of the library as it is written down."""

    def __init__(
        self, spec: Spec, size: Sizes, operands: Operands, results: list[Array], *, back: bool = False
    ) -> None:
        self.spec, self.size, self.operands, self.results = spec, size, operands, results
        self.graph = Graph(frozenset(library.OPERATIONS))
        self.products = row.products(spec.cell, spec.signature)
        found = findings(spec.cell, spec.signature)
        self.fused, self.shown = found.fused, found.shown
        self.summed = found.partners if found.fused or (back and spec.saved) else (None,) * len(spec.cell.gates)
        self.width = len(spec.cell.gates) * spec.cell.size
        itemsize = np.dtype(spec.signature.dtype).itemsize
        self.pairs = spec.signature.stored == "bfloat16" and not spec.in_place
        panel = 256 // itemsize
        cuts = size.rows, size.block, size.parts, size.team, size.pieces
        self.tables = Tables(library.OPERATIONS, panel, self.pairs, *cuts)
        self.buffers = 0
        for field, tree in zip(Operands._fields, operands, strict=True):
            for i, leaf in enumerate(jax.tree.leaves(tree)):
                self._buffer((field, i), leaf.shape, getattr(Roles(), field), leaf.dtype)
        if spec.projected:
            self.tables.numbers["x", 0] = self.tables.numbers["xs", 0]
        if back:
            carry = spec.signature.carry
            T, N = operands.xs.shape[:2]
            for a in kept(spec, operands):
                self._buffer(a.name, a.shape, a.role, a.dtype)
            self._buffer(("ys", 0), (T, N, spec.cell.output_size), "step", spec.signature.stored)
            if self.shown is not None:  # the output of the valid step before, or the carry that was passed
                slots, numbers = self.tables.slots, self.tables.numbers
                earlier = -1 if spec.reverse else 1
                ys = slots[numbers["ys", 0]]._replace(earlier=earlier, origin=numbers["carry", self.shown])
                self.tables.place(("before", self.shown), ys)
            for i, shape in enumerate(carry):
                self._buffer(("ct_final", i), (N, *shape), "row")
            self._buffer(("ct_y", 0), (T, N, spec.cell.output_size), "step", spec.signature.stored)
            if spec.signature.carries:
                for i, shape in enumerate(carry):
                    self._buffer(("ct_carries", i), (T, N, *shape), "step")
        for a in results:
            self._buffer(a.name, a.shape, "sum" if a.role == "shared" else a.role, a.dtype)
        for k, p in enumerate(self.products):
            # Who shares columns writes the next step's while others still read this one's.
            how = dict(every_step=back, by_turns=bool(size.team) and not back, multiplied=True)
            self.tables.local(("multiplied", k), self._readable(p.inputs, p), **how)
            if p.between:
                self.tables.local(("between", k), self._readable(p.between, p), every_step=back, multiplied=True)
            if back and spec.saved:
                self.tables.numbers["values", k] = self.tables.numbers["saved", k]
            else:  # a sum with the projection is there for a whole block
                self.tables.local(("values", k), p.outputs, every_step=back or (k == 0 and self.fused))
            if back:
                self.tables.local(("dvalues", k), self._readable(p.outputs, p), multiplied=True)
                self.tables.local(("ct_multiplied", k), p.inputs, every_step=False)
                if p.between:
                    self.tables.local(("dbetween", k), self._readable(p.between, p), multiplied=True)
        self.opened = back and keeps_projection(spec, operands)  # x lies there
        if self.opened:
            self.tables.numbers["x", 0] = self.tables.numbers["projection", 0]
        elif None in self.summed and not spec.projected:
            self.tables.local(("x", 0), self.width)
        if not spec.projected and not operands.symbols:
            self.tables.local(("inputs", 0), operands.inputs, multiplied=True)

    def _readable(self, width: int, p: row.Product) -> int:
        """The width of a scratch array whose parts are read by whole panels."""
        return width if len(p.tiles) == 1 else width + self.tables.panel

    def _buffer(self, name: Any, shape: tuple[int, ...], role: str, dtype: Any = None) -> None:
        number, self.buffers = self.buffers, self.buffers + 1
        kind = COMPUTED if dtype is None else KINDS.get(np.dtype(dtype).name, COMPUTED)
        if role == "sum":
            self.tables.sum(name, number, shape, kind)
            return
        lead = {"step": 2, "row": 1, "shared": 0}[role]
        width = int(np.prod(shape[lead:], dtype=int))
        steps = shape[1] * width if role == "step" else 0
        self.tables.place(name, Slot(number, 0, 0, steps, 0 if role == "shared" else width, 0, kind))

    def inputs(self) -> tuple[row.Inputs, list[Value]]:
        """What a step reads, and what came of its products; where an array holds a sum of both, it is all in x."""
        graph, spec = self.graph, self.spec
        given = row.load_inputs(graph, row.inputs(spec.cell, spec.signature))
        values = row.load_values(graph, spec.cell, spec.signature)
        for gate, partner in enumerate(self.summed):
            if partner is not None:
                k, j = partner
                given.x.nodes[gate] = values[k].nodes.flat[j]  # flat: a kernel without gates gives one vector
                values[k].nodes.flat[j] = graph.constant(-0.0)  # which changes no sum, not even that of zeros
        return given, values

    def kept(self, given: row.Inputs, values: list[Value]) -> list[Value]:
        """What the backward call is to find of products, each added to its part of x where only the sum is used."""
        sums = [v._replace(nodes=v.nodes.copy()) for v in values]
        for gate, partner in enumerate(findings(self.spec.cell, self.spec.signature).partners):
            if partner is not None:
                k, j = partner
                both = int(given.x.nodes[gate]), int(values[k].nodes.flat[j])
                sums[k].nodes.flat[j] = self.graph.apply("add", *both)
        return sums

    def gather(self) -> list[tuple[int, ...]]:
        """Copy a block's inputs, so that its rows lie behind each other. Symbols are read where they lie."""
        if self.operands.symbols:
            return []
        value = self.graph.load(("xs", 0), (self.operands.inputs,))
        return self.tables.stages(self.graph, [stores(("inputs", 0), value)])[0]

    def projection(self, *, at_once: bool) -> list[tuple[int, ...]]:
        """A block's inputs times the kernel: to x, or where it is part of a sum. Projected inputs are there already."""
        cell, tables = self.spec.cell, self.tables
        if self.spec.projected:
            if not (self.fused and (at_once or self.spec.signature.half)):
                return []
            value = self.graph.load(("x", 0), (len(cell.gates), cell.size))
            return tables.stages(self.graph, [stores(("values", 0), value)])[0]
        if self.spec.in_place and self.size.T == 1 and not self.spec.signature.half:
            return [self._projection(0, len(cell.gates), ("xs", 0), again=False)]
        gates = [g for g, p in enumerate(self.summed) if p is None or self.fused]
        runs = [list(run) for _, run in groupby(gates, lambda g: g - gates.index(g))]  # of neighbours
        products = (self._projection(run[0], len(run), ("inputs", 0), again=run is not runs[0]) for run in runs)
        return [*self.gather(), *products]

    def _projection(self, first: int, count: int, inputs: Any, *, again: bool) -> tuple[int, ...]:
        """The product of inputs with the kernel of neighbouring gates."""
        tables, H = self.tables, self.spec.cell.size
        out = tables.part(("values" if self.fused else "x", 0), first * H)
        bias = None if self.operands.bias is None else tables.part(("bias", 0), first * H)
        if self.operands.symbols:
            kernel, rows = tables.slots[tables.numbers["kernel", 0]], ("rows from", first)
            tables.place(rows, kernel._replace(offset=first * H, row_stride=self.width))
            return tables.take_rows(("xs", 0), rows, out, bias, count * H)
        place = first * H, self.width, self.operands.inputs, count * H
        if isinstance(self.operands.kernel.form, Quantized):
            scales = self._buffer_of("kernel", 1), first * H
            matrix = tables.matrix8(self._buffer_of("kernel", 0), *place, scales, 0, self.operands.inputs)
            return tables.product8(inputs, matrix, out, bias, again=again)
        return tables.product(inputs, tables.matrix(("kernel", 0), *place, units=H), out, bias)

    def _buffer_of(self, name: str, place: int) -> int:
        return self.tables.slots[self.tables.numbers[name, place]].buffer

    def multiplied(self, k: int, value: Value) -> list[Store]:
        """A copy of the state that is multiplied, so that its rows lie apart. Few rows take a carry as it lies."""
        for i, shape in enumerate(self.spec.signature.carry if self.spec.in_place else ()):
            if np.array_equal(value.nodes, self.graph.load(("carry", i), shape).nodes):
                self.tables.numbers["multiplied", k] = self.tables.numbers["carry", i]
                return []
        return stores(("multiplied", k), value)

    def product(self, k: int) -> list[tuple[int, ...]]:
        """The k-th product of a step, or of a block of steps."""
        tiles = self.products[k].tiles
        return [self._tile(k, tile, tiles[i - 1] if i else None) for i, tile in enumerate(tiles)]

    def _tile(self, k: int, tile: Tile, before: Tile | None = None) -> tuple[int, ...]:
        source, target = self._ends(k, tile, "multiplied", "values", "between")
        start = None
        if not tile.writes_between and k == 0 and self.fused:
            there = self.spec.projected and not self._opens and not self.spec.signature.half
            whole = ("x", 0) if there else ("values", 0)
            start = self.tables.part(whole, tile.write)
        if self.products[k].scales:
            source = ("between" if tile.reads_between else "multiplied", k)
            again = before is not None and before.reads_between == tile.reads_between
            return self.tables.product8(source, self._matrix8(k, tile), target, start, again=again)
        return self.tables.product(source, self._matrix(k, tile), target, start)

    def product_transposed(self, k: int) -> list[tuple[int, ...]]:
        """From the cotangent of its result that of the state; tiles that read the same numbers add up."""
        actions, written = [], set()
        for tile in reversed(self.products[k].tiles):
            source, target = self._ends(k, tile, "ct_multiplied", "dvalues", "dbetween")
            matrix = self._matrix(k, tile, transposed=True)
            actions.append(self.tables.product(target, matrix, source, source if source in written else None))
            written.add(source)
        return actions

    def _ends(self, k: int, tile: Tile, state: str, result: str, between: str) -> tuple[Any, Any]:
        """Where a tile reads, and where it writes."""
        source, target = between if tile.reads_between else state, between if tile.writes_between else result
        return self.tables.part((source, k), tile.read), self.tables.part((target, k), tile.write)

    @property
    def _opens(self) -> bool:
        """Whether this is the backward call, which goes the other way through time."""
        return ("dcarry", 0) in self.tables.numbers

    def _matrix(self, k: int, tile: Tile, *, transposed: bool = False) -> int:
        shape = (tile.columns, tile.rows) if transposed else (tile.rows, tile.columns)
        array = ("kernels", self._array(k, tile))
        units = None if transposed else self.products[k].shape[-1]
        return self.tables.matrix(array, tile.first, tile.stride, *shape, transposed=transposed, units=units)

    def _matrix8(self, k: int, tile: Tile) -> int:
        """With all that its source holds, which is quantised as a whole."""
        p, place = self.products[k], self._array(k, tile)
        # The scales lie as the matrices do, without the axis of their rows.
        first = tile.first // (tile.rows * tile.stride) * tile.stride + tile.first % tile.stride
        scales = self._buffer_of("kernels", place + p.scales), first
        shape = tile.first, tile.stride, tile.rows, tile.columns
        inputs = p.between if tile.reads_between else p.inputs
        return self.tables.matrix8(self._buffer_of("kernels", place), *shape, scales, tile.read, inputs)

    def _array(self, k: int, tile: Tile) -> int:
        """The place of a tile's array among those of all kernels."""
        kernels, name = self.operands.kernels, self.products[k].kernel
        return sum(len(kernels[n].arrays) for n in sorted(kernels) if n < name) + tile.array

    def gradients(self, live: frozenset[str]) -> list[tuple[int, ...]]:
        """After a block: gradients of its inputs and of all kernels."""
        tables, spec, actions = self.tables, self.spec, []
        if not spec.projected:
            D = self.operands.inputs
            if "kernel" in live and self.operands.symbols:
                actions.append(tables.add_rows(("xs", 0), ("dx", 0), ("dkernel", 0), D, self.width))
            elif "kernel" in live:
                actions.append(tables.accumulate(("inputs", 0), ("dx", 0), ("dkernel", 0), D, self.width))
            if "bias" in live:
                actions.append(tables.sum_rows(("dx", 0), ("dbias", 0), self.width))
            if "xs" in live:  # in the place of the inputs, which are of no more use
                matrix = tables.matrix(("kernel", 0), 0, self.width, self.width, D, transposed=True)
                actions.append(tables.product(("dx", 0), matrix, ("inputs", 0)))
                value = self.graph.load(("inputs", 0), (D,))
                actions += tables.stages(self.graph, [stores(("dxs", 0), value)])[0]
        if "kernels" in live:
            for k, p in enumerate(self.products):
                actions += [self._tile(k, t) for t in p.tiles if t.writes_between]
                for place, tile in enumerate(p.tiles):
                    source = self._ends(k, tile, "multiplied", "dvalues", "between")[0]
                    target = self._ends(k, tile, "multiplied", "dvalues", "dbetween")[1]
                    whole = tables.slots[tables.numbers["dkernels", self._array(k, tile)]]
                    out = ("dkernels of", k, place)
                    tables.place(out, whole._replace(offset=tile.first, row_stride=tile.stride))
                    actions.append(tables.accumulate(source, target, out, tile.rows, tile.columns))
        return actions

    def leave_out(self) -> None:
        """Rows before their first valid step and after their last, whose results are zero there."""
        tables = self.tables
        if self.spec.signature.leaves_out:
            tables.valid = tables.numbers["valid", 0]
            steps = [a for a in self.results if a.role == "step"]
            tables.idle += [(tables.numbers[a.name], int(np.prod(a.shape[2:], dtype=int))) for a in steps]

    def finish(self) -> Prepared:
        self.leave_out()
        if self.size.team:
            meetings.insert(self.tables)
        size, reverse = self.size, self.spec.reverse != self._opens
        encoded = self.tables.encode(size.T, size.groups, size.N, size.block, reverse, self.buffers)
        return Prepared(encoded, tuple(self.results), range(len(self.results)))
