"""What JAX makes of a layer's step, as nodes of ONNX. What depends on parameters alone is computed at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from jaxrnn.base.errors import Said, fail
from jaxrnn.interop.graphs.operators import OPERATORS
from jaxrnn.interop.graphs.written import Graph
from jaxrnn.programs import jaxprs

Calls = Mapping[str, Callable[[Graph, JaxprEqn, list[Any]], Sequence[Any]]]
INSIDE = ("jaxpr", "call_jaxpr")  # where an equation that calls a function keeps it
CALLS = ("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "ruled", "remat", "checkpoint")


def write(
    graph: Graph, closed: ClosedJaxpr, arguments: Sequence[Any], what: Any, calls: Calls | None = None
) -> list[Any]:
    """The results of a program: names of values, or arrays where they are known; so are the arguments.

    `calls` write the functions inside that have these names; all others are written by what is in them.
    """
    return _run(graph, closed.jaxpr, closed.consts, arguments, what, calls or {})


def _run(
    graph: Graph, jaxpr: Jaxpr, constants: Sequence[Any], arguments: Sequence[Any], what: Any, calls: Calls
) -> list[Any]:
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*constants, *arguments), strict=True))

    def read(atom: Any) -> Any:
        if isinstance(atom, Literal):
            kind: Any = atom.aval
            return np.asarray(atom.val, kind.dtype)
        return values[atom]

    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        values.update(zip(equation.outvars, _results(graph, equation, inputs, what, calls), strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _results(graph: Graph, equation: JaxprEqn, inputs: list[Any], what: Any, calls: Calls) -> Sequence[Any]:
    name = equation.primitive.name
    if _is_known(equation, inputs):
        return [np.asarray(a) for a in jaxprs.bind(equation, inputs)]
    if (called := equation.params.get("name")) is not None and called in calls:
        return calls[called](graph, equation, inputs)
    if name in CALLS:
        inner: Any = next(equation.params[key] for key in INSIDE if key in equation.params)
        closed = inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())
        return _run(graph, closed.jaxpr, closed.consts, inputs, what, calls)
    made = OPERATORS[name](graph, equation, inputs) if name in OPERATORS else None
    if made is None:
        fail("layer", "of operations that ONNX has", Said(f"{name!r} in {what!r}"))
    return made if isinstance(made, list) else [made]


def _is_known(equation: Any, inputs: list[Any]) -> bool:
    """Whether all that an equation reads is known, and its results have sizes."""
    sizes = [n for var in equation.outvars for n in var.aval.shape]
    unknown = any(isinstance(each, str) for each in inputs) or equation.primitive.name == "dim_as_value"
    return not unknown and all(isinstance(n, int) for n in sizes)


def traced(function: Any, *shapes: Any) -> tuple[ClosedJaxpr, Any]:
    """A function's program for arguments of these shapes, and the structure of its results."""
    closed, results = jax.make_jaxpr(function, return_shape=True)(*shapes)
    return closed, results
