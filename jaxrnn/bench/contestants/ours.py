"""jaxrnn itself, on one of its backends."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxrnn.bench.cases import ALONE, APPLICATIONS, Case
from jaxrnn.bench.contestants.base import Running
from jaxrnn.bench.contestants.on_jax import OnJax
from jaxrnn.bench.problem import Problem, cells_of, make_layer
from jaxrnn.bench.recurrence import solve
from jaxrnn.cells import COLLECTION
from jaxrnn.core.cell import Cell
from jaxrnn.engine.recurrence.algorithms import Solve
from jaxrnn.engine.registry import BACKENDS, choose
from jaxrnn.engine.scan import scan


class Library(OnJax):
    """`jaxrnn.scan` and `cell.step`."""

    cells = (*COLLECTION, *APPLICATIONS, ALONE)
    can = frozenset({"bidirectional", "layers", "ragged", "peepholes", "chunk", "projected", "recurrent", "resets"})

    def __init__(self, backend: str) -> None:
        self.backend = backend

    def declines(self, case: Case, kind: str) -> str | None:
        reason = super().declines(case, kind)
        if case.cell in APPLICATIONS:
            return reason or (None if self.backend == "auto" else "trains by what 'auto' chooses")
        if case.cell == ALONE:
            return reason or (None if self.algorithm() else "has no linear recurrence of all steps")
        if reason is None and self.backend != "auto":
            reasons = (BACKENDS[self.backend].declines(*asked) for asked in _asked(case))
            reason = next(filter(None, reasons), None)
        if reason is None and self.backend in ("scheduled", "reference") and kind.startswith("step"):
            return "takes its steps as 'auto' does"
        if reason is None and self.backend == "reference" and case.chunk:
            return "has no blocks of time"
        return reason

    def note(self, case: Case) -> str:
        if self.backend != "auto" or case.cell in (*APPLICATIONS, ALONE):
            return ""
        chosen = dict.fromkeys(choose(cell, "auto", *dtypes).name for cell, *dtypes in _asked(case))
        return f"runs on {', '.join(map(repr, chosen))}"

    def build(self, case: Case, problem: Problem) -> Running:
        if case.cell in APPLICATIONS:
            from jaxrnn.bench.contestants.updates import Update

            return Update(case, problem)
        return super().build(case, problem)

    def theirs(self, case: Case, params: dict[str, Any]) -> dict[str, Any]:
        return params

    def ours(self, case: Case, gradients: dict[str, Any]) -> dict[str, Any]:
        return gradients

    def apply(self, case: Case, weights: dict[str, Any], xs: Any, lengths: Any, **per_step: Any) -> Any:
        if case.cell == ALONE:
            return solve(self.algorithm(), xs)  # type: ignore[arg-type]
        if case.resets:
            return self._scanned(case, weights, self.carry(case).h, xs, per_step["resets"])[1]
        options = dict(
            lengths=lengths, per_step=per_step or None, chunk=case.chunk, projected=case.projected, backend=self.backend
        )
        return scan(make_layer(case), weights, xs, **options)[1]

    def algorithm(self) -> Solve | None:
        """For linear recurrences, of this backend, or with "auto" of the first that has one."""
        names = BACKENDS if self.backend == "auto" else (self.backend,)
        found = next(filter(None, (BACKENDS[name].recurrence for name in names)), None)
        return None if found is None else found()

    def carry(self, case: Case) -> Any:
        return make_layer(case).initial_carry((case.B,))

    def step(self, case: Case, weights: dict[str, Any], carry: Any, x: Any) -> tuple[Any, Any]:
        if case.resets:
            x, resets = x
            carry, ys = self._scanned(case, weights, getattr(carry, "h", carry), x[None], resets[None])
            return carry, ys[0]
        return make_layer(case).step(weights, carry, x)

    def _scanned(self, case: Case, weights: dict[str, Any], carry: Any, xs: Any, resets: Any) -> tuple[Any, Any]:
        """The linen module, which agents' code runs for one step too."""
        from jaxrnn.linen import ScannedRNN

        return ScannedRNN(backend=self.backend).apply({"params": {"GRUCell_0": weights}}, carry, (xs, resets))


def _asked(case: Case) -> list[tuple[Cell, Any, Any]]:
    """The cells of a case, with the dtypes of their products and carries."""
    dtype = jnp.dtype("float32" if case.dtype == "tf32" else case.dtype)
    return [(cell, dtype, cell.carry_dtype_for(dtype)) for cell in cells_of(make_layer(case))]
