"""Gates whose input and recurrent parts are only ever added to each other: `x.i + h.i`, as in most cells.

Their sum is all that the equations see of such twins. So one array may be kept for the backward pass in place of two,
and one cotangent serves both products. The equations are traced to find out; nothing is assumed of a cell by name.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
from jax.extend.core import Jaxpr, JaxprEqn, Var

from jaxrnn.cell import Cell
from jaxrnn.engine.products import Given, Recorder
from jaxrnn.step import Rows, Step, advance
from jaxrnn.typing import Array, Carry


class Twin(NamedTuple):
    """Two parts of one gate: where the input's projection has it, and where a recurrent product has it."""

    gate: int
    call: int  # of `recur`, in the order of the equations
    position: int  # within the result


def find_twins(cell: Cell, kernels: dict[str, Array], rows: Rows, carry: Carry, step: Step) -> tuple[Twin, ...]:
    """The twins of a step, given the shapes of its arguments; `step.x` is one array a gate."""

    def results(kernels: Any, rows: Rows, carry: Carry, step: Step) -> Any:
        recorder = Recorder(kernels)
        advance(cell, recorder, rows, carry, step)
        return recorder.values

    arguments = kernels, rows, carry, step
    values = jax.eval_shape(results, *arguments)

    def equations(kernels: Any, rows: Rows, carry: Carry, step: Step, x: Any, values: Any) -> Any:
        return advance(cell, Given(kernels, values), rows, carry, step._replace(x=x))

    jaxpr = jax.make_jaxpr(equations)(*arguments, step.x, values).jaxpr
    places = [(call, i) for call, v in enumerate(values) for i in range(len(v) if isinstance(v, tuple) else 1)]
    at = len(jaxpr.invars) - len(places)
    gates = {v: g for g, v in enumerate(jaxpr.invars[at - len(step.x) : at])}
    uses = _uses(jaxpr)
    found = []
    for (call, position), part in zip(places, jaxpr.invars[at:], strict=True):
        if not isinstance(values[call], tuple) or not _is_sum(uses[part]):
            continue
        for other in uses[part][0].invars:
            if isinstance(other, Var) and other in gates and _is_sum(uses[other]):
                found.append(Twin(gates[other], call, position))
    return tuple(found)


def _uses(jaxpr: Jaxpr) -> dict[Var, list[Any]]:
    uses: dict[Var, list[Any]] = {v: [] for v in jaxpr.invars}
    for eqn in (*jaxpr.eqns, jaxpr):
        for v in eqn.invars if isinstance(eqn, JaxprEqn) else jaxpr.outvars:
            if isinstance(v, Var):
                uses.setdefault(v, []).append(eqn)
    return uses


def _is_sum(uses: list[Any]) -> bool:
    return len(uses) == 1 and isinstance(uses[0], JaxprEqn) and uses[0].primitive.name == "add"
