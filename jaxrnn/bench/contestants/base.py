"""What a contestant is: a library, and the library at work on one case."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

from jaxrnn.bench.cases import Case
from jaxrnn.bench.problem import Problem

INSPECTED = ("trace", "compile", "instructions", "temporaries")  # seconds, seconds, a number, bytes


class Running(abc.ABC):
    """A library at work on one case, with the problem's arrays on its device."""

    @abc.abstractmethod
    def answer(self) -> dict[str, Any]:
        """Outputs and gradients in our names and layout, as `problem.name_answer` has them."""

    @abc.abstractmethod
    def walk(self) -> Any:
        """The outputs `[T, B, H]` of T calls of the library's single step."""

    @abc.abstractmethod
    def call(self, kind: str) -> Callable[[], Any]:
        """What is timed for "forward", "train", "gradients", "update" or a "step": returns when the work is done."""

    def inspect(self) -> dict[str, list[float]]:
        """What `INSPECTED` names, of a training step; seconds once for each of several compilations."""
        raise NotImplementedError


class Base(abc.ABC):
    """A library: what it can express, and how to set it to work. One file here for each, with a class `Library`."""

    cells: tuple[str, ...] = ("lstm", "gru", "elman")
    # And "ragged", "peepholes", "chunk", "projected", "recurrent", "resets".
    can: frozenset[str] = frozenset({"bidirectional", "layers"})
    dtypes: tuple[str, ...] = ("float32", "tf32", "bfloat16", "float16")
    lacks: tuple[str, ...] = ()  # kinds of measurement

    def form(self, case: Case) -> Case:
        """The case in the form that this library gives the cell."""
        return case

    def note(self, case: Case) -> str:
        """What a reader must know of how this library runs a case of its own form."""
        return f"computes its own form, {case.form}" if case.form else ""

    def declines(self, case: Case, kind: str) -> str | None:
        """Why this library takes no part in measuring `kind`, or None."""
        if case.cell not in self.cells:
            return f"has no {case.cell} of these equations"
        asked = dict(
            bidirectional=case.bidirectional,
            layers=case.layers > 1,
            ragged=case.ragged,
            peepholes=case.peepholes,
            chunk=case.chunk is not None,
            projected=case.projected,
            recurrent=bool(case.recurrent),
            resets=case.resets,
        )
        for word, needed in asked.items():
            if needed and word not in self.can:
                return f"has no {word}"
        if case.dtype not in self.dtypes:
            return f"has no {case.dtype}"
        return f"has no measure of {kind!r}" if kind in self.lacks else None

    @abc.abstractmethod
    def build(self, case: Case, problem: Problem) -> Running:
        """Set the library to work on a problem."""
