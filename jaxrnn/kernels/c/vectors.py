"""Instructions on vectors as loops in C: what `jaxrnn.kernels.native.program` makes of graphs, one loop a segment."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jaxrnn.kernels.c.operations import BINARY, EXPRESSIONS, NAMES, NUMBERS, TERNARY
from jaxrnn.kernels.c.text import number
from jaxrnn.kernels.native.graph import Nodes
from jaxrnn.kernels.native.program import FIRST_OPERATION, LOAD, LOAD_SCALAR, STORE, Slot, Store, Tables
from jaxrnn.kernels.native.vectors import Graph

OPERATIONS = frozenset(EXPRESSIONS)


def new_graph() -> Graph:
    """A graph of the operations that C has here."""
    return Graph(OPERATIONS)


class Program:
    """Arrays that have names in C, and tables of instructions on them: one row, one step."""

    def __init__(self) -> None:
        self.tables = Tables(NUMBERS, panel=1, pairs=False, rows=1, block=1, parts=1)
        self.names: dict[int, str] = {}  # of slots
        self.labels: dict[int, str] = {}  # of those in working memory

    def array(self, name: Any, text: str) -> None:
        """An array that is reached in C as `text`."""
        self.names[self.tables.place(name, Slot(len(self.names)))] = text

    def local(self, name: Any, width: int, label: str) -> None:
        """Numbers of the step alone, which have a place in the model's working memory."""
        self.labels[self.tables.local(name, width, every_step=False)] = label

    def reach(self, name: Any, first: int = 0) -> str:
        """An array in C, from its number `first` on."""
        return self._reach(self.tables.numbers[name], first)

    def _reach(self, slot: int, first: int = 0) -> str:
        name = self._name(slot)
        return f"{name} + {first}" if first else name

    def _name(self, slot: int) -> str:
        return self.names.get(slot) or self.labels.setdefault(slot, f"kept_{slot}")

    def declarations(self, body: Sequence[str]) -> list[str]:
        """Pointers into working memory that statements use."""
        used = {word for text in body for word in re.findall(r"\w+", text)}
        places = {label: self.tables.slots[slot].offset for slot, label in self.labels.items() if label in used}
        return [f"float *const {n} = m->work{f' + {first}' if first else ''};" for n, first in places.items()]

    def stages(self, graph: Nodes, stages: Sequence[Sequence[Store]]) -> list[list[str]]:
        """For each stage the loops that compute its stores."""
        return [
            [self._loop(*self.tables.segments[action[1]]) for action in actions]
            for actions in self.tables.stages(graph, stages)
        ]

    # ---- one loop

    def _loop(self, begin: int, end: int, length: int) -> str:
        lines = list(_Statements(self, self.tables.code[begin:end], length))
        if length == 1:
            return "\n".join(["{", *(f"  {line}" for line in lines), "}"])
        return "\n".join([f"for (size_t j = 0; j < {length}; ++j) {{", *(f"  {line}" for line in lines), "}"])

    def element(self, slot: int, offset: int, *, whole: bool) -> str:
        """One number of an array: of the unit at hand, or the only one there is."""
        at = "j" if whole and not offset else f"{offset} + j" if whole else str(offset)
        return f"{self._name(slot)}[{at}]"

    def constant(self, register: int) -> str:
        (value,) = struct.unpack("d", self.tables.constants[~register])
        return number(value)


class _Statements:
    """The statements of a loop: each register is written once here, and read where it is used."""

    def __init__(self, program: Program, code: Sequence[Sequence[int]], length: int) -> None:
        self.program, self.code, self.length = program, code, length
        self.stored = _stored(code)
        self.texts: dict[int, str] = {}  # of registers as they are now
        self.count = 0

    def __iter__(self) -> Iterator[str]:
        for place, (op, register, *operands) in enumerate(self.code):
            if op == STORE:
                to = self.program.element(operands[0], operands[1], whole=self.length > 1)
                yield f"{to} = {self._text(register)};"
                continue
            if op in (LOAD, LOAD_SCALAR):
                whole = op == LOAD and self.length > 1
                text = self.program.element(operands[0], operands[1], whole=whole)
                if place not in self.stored:  # what is overwritten is so behind all operations
                    self.texts[register] = text
                    continue
            else:
                name = NAMES[op - FIRST_OPERATION]
                inputs = dict(zip("abc", map(self._text, operands[: _arity(name)]), strict=False))
                text = EXPRESSIONS[name].format_map(_bracketed(inputs, EXPRESSIONS[name]))
            self.texts[register] = f"t{self.count}"
            self.count += 1
            yield f"const float {self.texts[register]} = {text};"

    def _text(self, register: int) -> str:
        return self.program.constant(register) if register < 0 else self.texts[register]


def _arity(name: str) -> int:
    return 3 if name in TERNARY else 2 if name in BINARY else 1


def _bracketed(inputs: Mapping[str, str], expression: str) -> dict[str, str]:
    """Operands; negative numbers in brackets, for `-{a}` and `{a} - {b}`."""
    alone = {key for key in inputs if f"({{{key}}})" in expression}
    return {key: f"({t})" if t.startswith("-") and key not in alone else t for key, t in inputs.items()}


def _stored(code: Sequence[Sequence[int]]) -> set[int]:
    """The places of the instructions whose result is stored."""
    made: dict[int, int] = {}
    found = set()
    for place, (op, register, *_) in enumerate(code):
        if op == STORE:
            found.add(made.get(register, -1))
        else:
            made[register] = place
    return found
