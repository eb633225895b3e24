"""A linear function made short: what only scales one of its variables, step upon step, becomes one product.

`jax.linearize` keeps every factor of the chain rule by itself: for an LSTM's input gate `g * (i * (1 - i) * t)` takes
two products with two residuals, and tanh' two more. Folded, `(g * i * (1 - i)) * t` takes one, with a coefficient that
is known before the loop. Fewer arrays are kept, and the loop reads fewer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from jax.extend.core import Jaxpr, JaxprEqn, Literal, Var

from jaxrnn.base.typing import Array
from jaxrnn.programs.jaxprs import evaluate, value_of


class Scaled(NamedTuple):
    """A variable that is `coefficient * base`; a coefficient of None is one."""

    base: Var
    coefficient: Any


class Scale(NamedTuple):
    """The step that computes such a variable, with a coefficient by its position."""

    out: Var
    base: Var
    coefficient: int


class Folded(NamedTuple):
    """A linear function, given coefficients. It holds no jaxpr, since that may hold its constants."""

    arguments: list[Var]
    results: list[Any]
    constants: dict[Var, int]  # positions among the coefficients of those constants that are still read
    steps: list[JaxprEqn | Scale]

    def __call__(self, coefficients: list[Array], *arguments: Any) -> list[Any]:
        values: dict[Var, Any] = {v: coefficients[i] for v, i in self.constants.items()}
        values.update(zip(self.arguments, arguments, strict=True))
        for step in self.steps:
            if isinstance(step, Scale):
                values[step.out] = values[step.base] * coefficients[step.coefficient]
            else:
                evaluate([step], values)
        return [value_of(v, values) for v in self.results]


def fold(jaxpr: Jaxpr, constants: list[Array]) -> tuple[list[Array], Folded]:
    """The coefficients of a linear function of `jaxpr.invars`, and the function of them."""
    known: dict[Var, Any] = dict(zip(jaxpr.constvars, constants, strict=True))
    scaled: dict[Var, Scaled] = {}
    folded = Folded(jaxpr.invars, jaxpr.outvars, {}, [])
    coefficients: list[Array] = []

    def position(coefficient: Array) -> int:
        for i, c in enumerate(coefficients):
            if c is coefficient:
                return i
        coefficients.append(coefficient)
        return len(coefficients) - 1

    def need(v: Any) -> None:
        if isinstance(v, Literal):
            return
        if v in known:
            folded.constants[v] = position(known[v])
        elif v in scaled:
            base, coefficient = scaled.pop(v)
            folded.steps.append(Scale(v, base, position(coefficient)))

    for eqn in jaxpr.eqns:
        result = _scaled(eqn, known, scaled)
        if result is None:
            for v in eqn.invars:
                need(v)
            folded.steps.append(eqn)
        else:
            scaled[eqn.outvars[0]] = result
    for v in jaxpr.outvars:
        need(v)
    return coefficients, folded


def _scaled(eqn: JaxprEqn, known: dict[Var, Any], scaled: dict[Var, Scaled]) -> Scaled | None:
    """The result of an equation as a multiple of one variable; None where it is none."""
    constants = [
        a.val if isinstance(a, Literal) else known[a] for a in eqn.invars if isinstance(a, Literal) or a in known
    ]
    variables = [scaled.get(a, Scaled(a, None)) for a in eqn.invars if isinstance(a, Var) and a not in known]
    match eqn.primitive.name, variables:
        case "neg", [(base, c)] if c is not None:
            return Scaled(base, -c)
        case "mul", [(base, c)]:
            return Scaled(base, constants[0] if c is None else c * constants[0])
        case "add" | "add_any", [(base, c), (other, d)] if base is other and not (c is None and d is None):
            return Scaled(base, (1 if c is None else c) + (1 if d is None else d))
    return None
