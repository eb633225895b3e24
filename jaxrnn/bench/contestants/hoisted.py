"""A plain `jax.lax.scan` with the input product of all steps before it: what a careful user writes by hand."""

from __future__ import annotations

from typing import Any

from jaxrnn.bench.cases import ALONE, CELLS, Case
from jaxrnn.bench.contestants import ours
from jaxrnn.bench.problem import make_layer
from jaxrnn.bench.recurrence import loop
from jaxrnn.core.cell import Cell
from jaxrnn.engine.recurrence.algorithms import Solve
from jaxrnn.engine.scan import scan


class Library(ours.Library):
    """The reference backend on a projected input."""

    cells = (*CELLS, ALONE)
    can = frozenset({"ragged", "peepholes", "projected"})
    lacks = ("step", "step donated")

    def __init__(self) -> None:
        super().__init__("reference")

    def note(self, case: Case) -> str:
        return "" if case.cell == ALONE else "has the input product of all steps before its loop"

    def algorithm(self) -> Solve | None:
        return loop

    def apply(self, case: Case, weights: dict[str, Any], xs: Any, lengths: Any, **per_step: Any) -> Any:
        if case.cell == ALONE:
            return super().apply(case, weights, xs, lengths)
        cell = make_layer(case)
        assert isinstance(cell, Cell)
        xs = xs if case.projected else cell.project(weights, xs)
        return scan(cell, weights, xs, lengths=lengths, projected=True, backend="reference")[1]
