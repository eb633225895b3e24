"""From graphs of vectors to the tables that the library runs: slots, instructions, registers.

A step is a list of stages with a product between one and the next. A stage computes the vectors that its stores need;
what a later stage needs as well goes through memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from jaxrnn.kernels.native.graph import Nodes, Value

LOAD, LOAD_SCALAR, STORE, FIRST_OPERATION = range(4)
ELEMENTWISE, PRODUCT, ACCUMULATE, SUM_ROWS, TAKE_ROWS, ADD_ROWS, PRODUCT8, MEET = range(8)
COMPUTED, BOOLEAN, BFLOAT16, FLOAT16 = range(4)  # kinds of numbers; the first: as the loops compute
KINDS = {"bool": BOOLEAN, "bfloat16": BFLOAT16, "float16": FLOAT16}
HALVES = BFLOAT16, FLOAT16
LOCAL, SUM, NARROW_SUM, BY_TURNS = range(1, 5)  # arrays of a slot's `local`, 0 for those of the whole sequence
NONE = -1


class Slot(NamedTuple):
    """Where the rows of an array lie, in elements; the fields of the C++ struct of this name."""

    buffer: int
    offset: int = 0
    group_stride: int = 0
    step_stride: int = 0
    row_stride: int = 0
    local: int = 0
    kind: int = COMPUTED
    earlier: int = 0
    origin: int = 0


class Store(NamedTuple):
    """A vector that a stage leaves in memory."""

    array: Any
    offset: int
    node: int
    length: int
    last: bool = False  # overwrites what the stage may still load


def stores(name: Any, value: Value, *, last: bool = False) -> list[Store]:
    """All vectors of a value, one behind the other."""
    length = value.length or 1
    return [Store(name, i * length, int(n), length, last) for i, n in enumerate(value.nodes.reshape(-1))]


def added(graph: Nodes, name: Any, value: Value, lost: Any = None) -> list[Store]:
    """Add a value to the sum in an array. `lost`: the array of what rounding took from it, if there is one (Kahan)."""
    total = graph.load(name, value.shape)
    if lost is None:
        return stores(name, value._replace(nodes=graph.apply_all("add", total.nodes, value.nodes)), last=True)
    left = graph.load(lost, value.shape)
    value = value._replace(nodes=graph.apply_all("sub", value.nodes, left.nodes))
    new = graph.apply_all("add", total.nodes, value.nodes)
    moved = graph.apply_all("sub", new, total.nodes)
    left = left._replace(nodes=graph.apply_all("sub", moved, value.nodes))
    return stores(name, value._replace(nodes=new), last=True) + stores(lost, left, last=True)


@dataclass
class Tables:
    """The plan of a call as it grows, for groups of `rows` rows and blocks of `block` steps."""

    operations: dict[str, int]
    panel: int  # elements of 256 bytes
    pairs: bool  # what is multiplied is bfloat16, packed in pairs
    rows: int
    block: int
    parts: int  # of the columns of matrices that are read where they lie; 0 where matrices are packed
    team: int = 0  # how many threads share columns; 0 where they have rows of their own
    pieces: int = 1  # of a group's rows, one after the other
    slots: list[Slot] = field(default_factory=list)
    numbers: dict[Any, int] = field(default_factory=dict)
    scratch: int = 0
    matrices: list[tuple[int, ...]] = field(default_factory=list)
    matrices8: list[tuple[int, ...]] = field(default_factory=list)
    packed: int = 0
    code: list[list[int]] = field(default_factory=list)
    segments: list[tuple[int, int, int]] = field(default_factory=list)
    starts: list[tuple[int, ...]] = field(default_factory=list)
    before: list[tuple[int, ...]] = field(default_factory=list)
    step: list[tuple[int, ...]] = field(default_factory=list)
    after: list[tuple[int, ...]] = field(default_factory=list)
    sums: list[tuple[int, ...]] = field(default_factory=list)
    valid: int = NONE  # the slot of the steps that count, where rows begin late or end early
    idle: list[tuple[int, int]] = field(default_factory=list)
    registers: int = 1
    constants: list[bytes] = field(default_factory=list)  # of a float64 each

    # ---- memory

    def place(self, name: Any, slot: Slot) -> int:
        """Give a slot to an array."""
        self.numbers[name] = len(self.slots)
        self.slots.append(slot)
        return self.numbers[name]

    def part(self, name: Any, first: int) -> Any:
        """The columns of an array from `first` on."""
        if not first:
            return name
        whole = self.slots[self.numbers[name]]
        part = (name, "from", first)
        self.place(part, whole._replace(offset=whole.offset + first))
        return part

    def local(
        self, name: Any, width: int, *, every_step: bool = True, by_turns: bool = False, multiplied: bool = False
    ) -> int:
        """A scratch array `[rows, width]`, of every step of a block, of one step alone, or of two that take turns.

        Its rows are apart by whole panels and a cache line: no two share a set.
        """
        half = self.pairs and multiplied  # then two numbers take the place of one
        panel = self.panel * (1 + half)
        stride = -(-width // panel) * panel + panel // 4
        rows = self.rows * (2 if by_turns else self.block if every_step else 1)
        offset, self.scratch = self.scratch, self.scratch + rows * (stride // (1 + half))
        kind, local = BFLOAT16 if half else COMPUTED, BY_TURNS if by_turns else LOCAL
        return self.place(name, Slot(NONE, offset * (1 + half), 0, int(every_step), stride, local, kind))

    def sum(self, name: Any, buffer: int, shape: tuple[int, ...], kind: int) -> int:
        """An array that all rows add to, whole in `buffer` once the groups' shares are added."""
        count = int(np.prod(shape))
        self.sums.append((buffer, count, 0, kind))
        return self.place(name, Slot(buffer, 0, count, 0, int(np.prod(shape[-2:])), NARROW_SUM if kind else SUM))

    def matrix(
        self,
        array: Any,
        first: int,
        stride: int,
        K: int,
        N: int,
        *,
        transposed: bool = False,
        units: int | None = None,
    ) -> int:
        """A matrix `[K, N]`, `units` columns a gate: columns of an array (from `first` on), or their transpose."""
        slot, place = self.slots[self.numbers[array]], NONE if self.parts else self.packed
        units = units if units and N % units == 0 else N
        pairs = int(self.pairs and not self.parts)
        self.matrices.append((slot.buffer, first, stride, K, N, int(transposed), place, slot.kind, pairs, units))
        rows, strip = -(-K // 2) if pairs else K, self.panel // 4
        if not self.parts and self.team:
            self.packed += rows * (N // units) * -(-units // strip) * strip
        elif not self.parts:
            self.packed += rows * -(-N // self.panel) * self.panel
        return len(self.matrices) - 1

    def matrix8(
        self, buffer: int, first: int, stride: int, K: int, N: int, scales: tuple[int, int], read: int, inputs: int
    ) -> int:
        """A matrix of int8 numbers with `scales` (a buffer, and where in it), for those from `read` on of `inputs`."""
        offset = NONE if self.parts else self.packed
        self.matrices8.append((buffer, first, stride, K, N, offset, *scales, read, inputs))
        if not self.parts:  # panels of 64 columns, 256 bytes for four rows
            self.packed += -(-K // 4) * -(-N // 64) * self.panel
        return len(self.matrices8) - 1

    # ---- actions

    def product(self, a: Any, matrix: int, out: Any, start: Any = None) -> tuple[int, ...]:
        """out = a @ matrix, plus `start`."""
        first = NONE if start is None else self.numbers[start]
        return (PRODUCT, self.numbers[a], matrix, self.numbers[out], first, 0)

    def product8(self, a: Any, matrix: int, out: Any, start: Any = None, *, again: bool = False) -> tuple[int, ...]:
        """out = a @ matrix, plus `start`; `again`: of the same rows as the product before."""
        first = NONE if start is None else self.numbers[start]
        return (PRODUCT8, self.numbers[a], matrix, self.numbers[out], first, int(again))

    def accumulate(self, a: Any, b: Any, out: Any, K: int, N: int) -> tuple[int, ...]:
        """out [K, N] += a^T b."""
        return (ACCUMULATE, self.numbers[a], self.numbers[b], self.numbers[out], K, N)

    def sum_rows(self, a: Any, out: Any, N: int) -> tuple[int, ...]:
        """out [N] += the sum of a's rows."""
        return (SUM_ROWS, self.numbers[a], 0, self.numbers[out], 0, N)

    def take_rows(self, symbols: Any, table: Any, out: Any, start: Any, N: int) -> tuple[int, ...]:
        """out [N] = the row of `table` that each symbol picks, plus `start`."""
        first = NONE if start is None else self.numbers[start]
        return (TAKE_ROWS, self.numbers[symbols], self.numbers[table], self.numbers[out], first, N)

    def add_rows(self, symbols: Any, a: Any, out: Any, K: int, N: int) -> tuple[int, ...]:
        """To the row of `out` [K, N] that each symbol picks, the row of a [N]."""
        return (ADD_ROWS, self.numbers[symbols], self.numbers[a], self.numbers[out], K, N)

    # ---- instructions

    def stages(self, graph: Nodes, stages: Sequence[Sequence[Store]]) -> list[list[tuple[int, ...]]]:
        """For each stage the actions that compute its stores."""
        homes: dict[int, int] = {}  # the stage that computes a vector first
        crossing: dict[int, int] = {}  # vectors that a later stage needs again: their length
        lengths = _lengths(graph, stages)
        for s, stores in enumerate(stages):
            for node in _needed(graph, [t.node for t in stores], stop=homes):
                if node in homes and homes[node] < s:
                    crossing[node] = lengths[node]
                else:
                    homes[node] = s
        for node, length in crossing.items():
            self.local(("crossing", id(graph), node), length)
        result = []
        for s, stores in enumerate(stages):
            kept = [Store(("crossing", id(graph), n), 0, n, length) for n, length in crossing.items() if homes[n] == s]
            old = {n for n in crossing if homes[n] < s}
            result.append(list(self._segments(graph, [*stores, *kept], old)))
        return result

    def _segments(self, graph: Nodes, stores: Sequence[Store], old: set[int]) -> Iterable[tuple[int, ...]]:
        for length in dict.fromkeys(t.length for t in stores):
            begin = len(self.code)
            self._emit(graph, [t for t in stores if t.length == length], old)
            self.segments.append((begin, len(self.code), length))
            yield (ELEMENTWISE, len(self.segments) - 1, 0, 0, 0, 0)

    def _emit(self, graph: Nodes, stores: Sequence[Store], old: set[int]) -> None:
        uses: dict[int, int] = {}
        for node in _needed(graph, [t.node for t in stores], stop=old):
            for i in () if node in old else graph.nodes[node].inputs:
                uses[i] = uses.get(i, 0) + 1
        for t in stores:
            uses[t.node] = uses.get(t.node, 0) + 1
        emitter = _Emitter(self, graph, old, uses)
        loaded = [t for t in stores if graph.nodes[t.node].op == "load"]  # before anything can overwrite it
        rest = [t for t in stores if t not in loaded]
        for t in [*loaded, *rest]:
            emitter.compute(t.node)
            if not t.last:
                emitter.store(t)
        for t in [*loaded, *rest]:
            if t.last:
                emitter.store(t)
        self.registers = max(self.registers, emitter.count)

    def constant(self, value: bytes) -> int:
        """The register of a constant: negative until `encode` knows how many others there are."""
        if value not in self.constants:
            self.constants.append(value)
        return ~self.constants.index(value)

    def encode(self, steps: int, groups: int, rows: int, block: int, reverse: bool, buffers: int) -> Encoded:
        """The tables as the library reads them. Scratch memory and packed matrices, where any, are the next buffers."""
        origins, size = {}, groups * self.scratch
        for number, count, _, kind in self.sums:  # behind the groups' scratch memory
            origins[number], size = size, size + (groups if kind else groups - 1) * count
        apart = lambda s: self.scratch * (2 if s.kind else 1)  # noqa: E731
        slots = [s._replace(buffer=buffers, group_stride=apart(s)) if s.buffer == NONE else s for s in self.slots]
        slots = [s._replace(origin=origins[s.buffer]) if s.local in (SUM, NARROW_SUM) else s for s in slots]
        sums = [(number, count, origins[number], kind) for number, count, _, kind in self.sums if groups > 1 or kind]
        code = [[n if n >= 0 else self.registers + ~n for n in row] for row in self.code]
        numbers = [
            steps,
            rows,
            groups,
            block,
            int(reverse),
            buffers,
            buffers + bool(size),
            self.registers,
            max(1, self.parts),
            self.valid,
            self.team,
            self.pieces,
        ]
        actions = (self.before, self.step, self.after)
        ends = (sums, self.idle, self.matrices8)
        tables = (slots, self.matrices, code, self.segments, self.starts, *actions, *ends)
        for table in tables:
            numbers.append(len(table))
            for row in table:
                numbers += map(int, row)
        constants = np.frombuffer(b"".join(self.constants), np.float64)
        return Encoded(np.array(numbers, np.int64), constants, tuple((n,) for n in (size, self.packed) if n))


class Encoded(NamedTuple):
    """A plan as the library reads it, and the sizes of scratch memory and packed matrices, where any."""

    tables: np.ndarray
    constants: np.ndarray
    buffers: tuple[tuple[int], ...]


@dataclass
class _Emitter:
    """Instructions of one segment; a register is free again after the last use of its vector."""

    tables: Tables
    graph: Nodes
    old: set[int]
    uses: dict[int, int]
    registers: dict[int, int] = field(default_factory=dict)
    free: list[int] = field(default_factory=list)
    count: int = 0

    def compute(self, node: int) -> int:
        """The register that holds a vector."""
        if node in self.registers:
            return self.registers[node]
        what = self.graph.nodes[node]
        if what.op == "constant":
            return self.tables.constant(what.bits)
        if node in self.old:
            return self._put(node, LOAD, (self.tables.numbers["crossing", id(self.graph), node], 0))
        if what.op in ("load", "load_scalar"):
            kind = LOAD if what.op == "load" else LOAD_SCALAR
            return self._put(node, kind, (self.tables.numbers[what.array], what.offset))
        op, inputs = self._fused(node)
        operands = [self.compute(i) for i in inputs]
        for i in inputs:
            self._used(i)
        return self._put(node, FIRST_OPERATION + self.tables.operations[op], operands)

    def store(self, t: Store) -> None:
        source = self.compute(t.node)
        self.tables.code.append([STORE, source, self.tables.numbers[t.array], t.offset, 0])
        self._used(t.node)

    def _fused(self, node: int) -> tuple[str, tuple[int, ...]]:
        """a * b + c and c - a * b are one operation where nobody else needs the product."""
        op, inputs = self.graph.nodes[node][:2]
        if op in ("add", "sub"):
            for position in (1, 0) if op == "add" else (1,):
                factor = inputs[position]
                alone = self.uses[factor] == 1 and factor not in self.registers  # not computed for another before
                if self.graph.nodes[factor].op == "mul" and alone and factor not in self.old:
                    other = inputs[1 - position]
                    return ("fma" if op == "add" else "fnma"), (*self.graph.nodes[factor].inputs, other)
        return op, inputs

    def _put(self, node: int, op: int, operands: Sequence[int]) -> int:
        if not self.free:
            self.free.append(self.count)
            self.count += 1
        register = self.registers[node] = self.free.pop()
        self.tables.code.append([op, register, *operands, *[0] * (3 - len(operands))])
        return register

    def _used(self, node: int) -> None:
        self.uses[node] -= 1
        if self.uses[node] == 0 and node in self.registers:
            self.free.append(self.registers[node])


def _needed(graph: Nodes, roots: Iterable[int], stop: Any) -> list[int]:
    """The computed vectors that the roots rest on, down to those in `stop`, inputs before what uses them."""
    order: list[int] = []
    seen: set[int] = set()

    def visit(node: int) -> None:
        if node in seen:
            return
        seen.add(node)
        if node not in stop:
            for i in graph.nodes[node].inputs:
                visit(i)
        if graph.nodes[node].inputs:
            order.append(node)

    for root in roots:
        visit(root)
    return order


def _lengths(graph: Nodes, stages: Sequence[Sequence[Store]]) -> dict[int, int]:
    """The length of every vector that the stores rest on."""
    lengths: dict[int, int] = {}
    for store in (t for stores in stages for t in stores):
        for node in _needed(graph, [store.node], stop=()):
            lengths.setdefault(node, store.length)
    return lengths
