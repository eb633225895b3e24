"""Jaxprs: run some of their equations at a time, and look into those that hold others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var


def evaluate(equations: Iterable[JaxprEqn], values: dict[Var, Any]) -> None:
    """Add to `values` what the equations make of those that are there."""
    for eqn in equations:
        arguments = [value_of(a, values) for a in eqn.invars]
        result = eqn.primitive.bind(*arguments, **eqn.primitive.get_bind_params(eqn.params))
        values.update(zip(eqn.outvars, result if eqn.primitive.multiple_results else [result], strict=True))


def value_of(atom: Any, values: dict[Var, Any]) -> Any:
    """The value of a variable or of a literal."""
    return atom.val if isinstance(atom, Literal) else values[atom]


def shape_of(atom: Any) -> tuple[int, ...]:
    """The shape of a variable or of a literal."""
    return atom.aval.shape


def inner(eqn: JaxprEqn) -> list[Jaxpr]:
    """The jaxprs among the parameters of an equation."""
    leaves: list[Any] = jax.tree.leaves(eqn.params, is_leaf=lambda p: isinstance(p, (Jaxpr, ClosedJaxpr)))
    return [p.jaxpr if isinstance(p, ClosedJaxpr) else p for p in leaves if isinstance(p, (Jaxpr, ClosedJaxpr))]
