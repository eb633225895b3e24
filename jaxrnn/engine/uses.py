"""What the equations of a step make of its products and of its carry; traced to find out, never assumed by name.

In most cells the input's and the recurrent part of a gate are only ever added to each other, `x.i + h.i`. Their sum is
all that the equations see of such twins: one array is kept for the backward pass in place of two, and one cotangent
serves both products.

Most states are read through their products alone, as h of an LSTM is. Where products are known, such a state follows
from the rest of its step, for all steps at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
from jax.extend.core import Jaxpr, JaxprEqn, Var

from jaxrnn.base.typing import Carry
from jaxrnn.core.cell import Cell
from jaxrnn.core.step import Rows, Step, advance
from jaxrnn.engine.products import Given, Recorder, Separate
from jaxrnn.forms.kernel import Kernel


class Twin(NamedTuple):
    """Two parts of one gate: where the input's projection has it, and where a recurrent product has it."""

    gate: int
    call: int  # of `recur`, in the order of the equations
    position: int  # within the result


class Uses(NamedTuple):
    """The findings."""

    twins: tuple[Twin, ...]
    read: tuple[int, ...]  # leaves of the carry that a step reads beside its products


def find_uses(cell: Cell, kernels: dict[str, Kernel], rows: Rows, carry: Carry, step: Step) -> Uses:
    """The findings of a step, given the shapes of its arguments; `step.x` is one array a gate."""

    def results(kernels: Any, rows: Rows, carry: Carry, step: Step) -> Any:
        recorder = Recorder(kernels, Separate(kernels))
        advance(cell, recorder, rows, carry, step)
        return recorder.values

    values = jax.eval_shape(results, kernels, rows, carry, step)

    def equations(carry: Carry, x: Any, values: Any, kernels: Any, rows: Rows, step: Step) -> Any:
        return advance(cell, Given(kernels, values), rows, carry, step._replace(x=x))

    def trace(step: Step) -> Jaxpr:
        return jax.make_jaxpr(equations)(carry, step.x, values, kernels, rows, step).jaxpr

    states = len(jax.tree.leaves(carry))
    bare = trace(step._replace(valid=None))
    needed = _needed(bare if step.valid is None else trace(step))
    # A mask stops the derivatives of both parts alike, hence of their sum.
    return Uses(_twins(bare, states, len(step.x), values), tuple(i for i in range(states) if i in needed))


def _twins(jaxpr: Jaxpr, states: int, gates: int, values: list[Any]) -> tuple[Twin, ...]:
    """Of equations whose arguments are states, gates and results of products, in this order, and others."""
    x = {v: g for g, v in enumerate(jaxpr.invars[states : states + gates])}
    places = [(call, i) for call, v in enumerate(values) for i in range(len(v) if isinstance(v, tuple) else 1)]
    uses = _by_variable(jaxpr)
    found = []
    for (call, position), part in zip(places, jaxpr.invars[states + gates :], strict=False):
        if not isinstance(values[call], tuple) or not _is_sum(uses[part]):
            continue
        for other in uses[part][0].invars:
            if isinstance(other, Var) and other in x and _is_sum(uses[other]):
                found.append(Twin(x[other], call, position))
    return tuple(found)


def _by_variable(jaxpr: Jaxpr) -> dict[Var, list[Any]]:
    uses: dict[Var, list[Any]] = {v: [] for v in jaxpr.invars}
    for eqn in (*jaxpr.eqns, jaxpr):
        for v in eqn.invars if isinstance(eqn, JaxprEqn) else jaxpr.outvars:
            if isinstance(v, Var):
                uses.setdefault(v, []).append(eqn)
    return uses


def _is_sum(uses: list[Any]) -> bool:
    return len(uses) == 1 and isinstance(uses[0], JaxprEqn) and uses[0].primitive.name == "add"


def _needed(jaxpr: Jaxpr) -> set[int]:
    """The positions of the arguments that a result depends on."""
    needed = {v for v in jaxpr.outvars if isinstance(v, Var)}
    for eqn in reversed(jaxpr.eqns):
        if not needed.isdisjoint(eqn.outvars):
            needed.update(v for v in eqn.invars if isinstance(v, Var))
    return {i for i, v in enumerate(jaxpr.invars) if v in needed}
