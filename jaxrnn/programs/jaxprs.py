"""Jaxprs: run some of their equations at a time, and look into those that hold others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

Bind = Callable[[JaxprEqn, list[Any]], Sequence[Any]]  # what comes of an equation, given the values that it reads


def bind(eqn: JaxprEqn, inputs: list[Any]) -> Sequence[Any]:
    """The results of an equation as it stands."""
    result = eqn.primitive.bind(*inputs, **eqn.primitive.get_bind_params(eqn.params))
    return result if eqn.primitive.multiple_results else [result]


def evaluate(equations: Iterable[JaxprEqn], values: dict[Var, Any], bind: Bind = bind) -> None:
    """Add to `values` what the equations make of those that are there."""
    for eqn in equations:
        results = bind(eqn, [value_of(a, values) for a in eqn.invars])
        values.update(zip(eqn.outvars, results, strict=True))


def run(jaxpr: Jaxpr, constants: Sequence[Any], arguments: Sequence[Any], bind: Bind = bind) -> list[Any]:
    """The results of a jaxpr."""
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*constants, *arguments), strict=True))
    evaluate(jaxpr.eqns, values, bind)
    return [value_of(v, values) for v in jaxpr.outvars]


def value_of(atom: Any, values: dict[Var, Any]) -> Any:
    """The value of a variable or of a literal."""
    return atom.val if isinstance(atom, Literal) else values[atom]


def shape_of(atom: Any) -> tuple[Any, ...]:
    """The shape of a variable or of a literal."""
    return atom.aval.shape


def inner(eqn: JaxprEqn) -> list[Jaxpr]:
    """The jaxprs among the parameters of an equation."""
    leaves: list[Any] = jax.tree.leaves(eqn.params, is_leaf=lambda p: isinstance(p, (Jaxpr, ClosedJaxpr)))
    return [p.jaxpr if isinstance(p, ClosedJaxpr) else p for p in leaves if isinstance(p, (Jaxpr, ClosedJaxpr))]
