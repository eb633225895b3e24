"""Equations of a jaxpr, run some at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jax.extend.core import JaxprEqn, Literal, Var


def evaluate(equations: Iterable[JaxprEqn], values: dict[Var, Any]) -> None:
    """Add to `values` what the equations make of those that are there."""
    for eqn in equations:
        arguments = [value_of(a, values) for a in eqn.invars]
        result = eqn.primitive.bind(*arguments, **eqn.primitive.get_bind_params(eqn.params))
        values.update(zip(eqn.outvars, result if eqn.primitive.multiple_results else [result], strict=True))


def value_of(atom: Any, values: dict[Var, Any]) -> Any:
    """The value of a variable or of a literal."""
    return atom.val if isinstance(atom, Literal) else values[atom]
