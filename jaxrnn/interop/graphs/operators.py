"""JAX's primitives as nodes of ONNX: each a function of (graph, equation, inputs) -> a name, or None where it has none.

Sizes are numbers, or symbols that the graph knows by name, such as the batch. Inputs are names, or arrays where known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from jaxrnn.interop.graphs.axes import ARRANGING, reshaped, transposed
from jaxrnn.interop.graphs.picking import PICKING
from jaxrnn.interop.graphs.written import Graph, chosen, element_of, ints
from jaxrnn.programs.jaxprs import shape_of

Operator = Callable[[Graph, JaxprEqn, list[Any]], Any]


def _dtype(equation: Any) -> Any:
    """Of what an equation reads first."""
    return equation.invars[0].aval.dtype


def _plain(operator: str) -> Operator:
    return lambda graph, equation, inputs: graph.add(operator, *inputs)


def _not_equal(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    return graph.add("Not", graph.add("Equal", *inputs))


def _is_finite(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    """Zero is what a finite number has less than itself; others, NaN."""
    rest = graph.add("Sub", inputs[0], inputs[0])
    return graph.add("Equal", rest, np.zeros((), _dtype(equation)))


def _power(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    exponent = np.asarray(equation.params["y"], _dtype(equation))
    return graph.add("Pow", inputs[0], exponent)


def _log1p(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    return graph.add("Log", graph.add("Add", inputs[0], np.ones((), _dtype(equation))))


def _expm1(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    """e^x - 1 = tanh(x / 2) (e^x + 1): the difference itself has no digits left of a small x."""
    one, half = np.ones((), _dtype(equation)), np.full((), 0.5, _dtype(equation))
    return graph.add(
        "Mul", graph.add("Tanh", graph.add("Mul", inputs[0], half)), graph.add("Add", graph.add("Exp", inputs[0]), one)
    )


def _square(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    return graph.add("Mul", inputs[0], inputs[0])


def _rsqrt(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    return graph.add("Reciprocal", graph.add("Sqrt", inputs[0]))


def _round(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str | None:
    """ONNX's is to even."""
    return graph.add("Round", inputs[0]) if int(equation.params["rounding_method"]) == 1 else None


def _logic(operator: str) -> Operator:
    def write(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str | None:
        bits = _dtype(equation) != np.bool_
        return None if bits else graph.add(operator, *inputs)

    return write


def _select(graph: Graph, equation: Any, inputs: list[Any]) -> str | None:
    which, *cases = inputs
    if len(cases) != 2 or _dtype(equation) != np.bool_:
        return None
    return chosen(graph, which, cases[1], cases[0], equation.invars[1].aval.dtype)


def _clamp(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    low, x, high = inputs
    return graph.add("Min", graph.add("Max", x, low), high)


def _cast(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    return graph.add("Cast", inputs[0], to=element_of(equation.params["new_dtype"], "layer"))


# ---------------------------------------------------------------- sums and products


def _reduce(operator: str) -> Operator:
    def write(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
        return graph.add(operator, inputs[0], ints(*equation.params["axes"]), keepdims=0)

    return write


def _of_truths(operator: str) -> Operator:
    """Whether any, or all, are true: the greatest, or the least, of ones and zeros."""

    def write(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str | None:
        if _dtype(equation) != np.bool_:
            return None
        number = graph.add("Cast", inputs[0], to=element_of(np.int32, "layer"))
        found = graph.add(operator, number, ints(*equation.params["axes"]), keepdims=0)
        return graph.add("Cast", found, to=element_of(np.bool_, "layer"))

    return write


def _erfc(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    return graph.add("Sub", np.ones((), _dtype(equation)), graph.add("Erf", inputs[0]))


def _cumsum(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> str:
    axis = np.array(equation.params["axis"], np.int64)
    return graph.add("CumSum", inputs[0], axis, reverse=int(equation.params["reverse"]))


def _dot(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> Any:
    """A product over some axes, as one of matrices [*batch, M, K] and [*batch, K, N]."""
    (summed, also), (shared, alike) = equation.params["dimension_numbers"]
    shapes = [shape_of(atom) for atom in equation.invars]
    free = [
        [axis for axis in range(len(shape)) if axis not in (*over, *along)]
        for shape, over, along in zip(shapes, (summed, also), (shared, alike), strict=True)
    ]
    size = lambda k, axes: tuple(shapes[k][axis] for axis in axes)  # noqa: E731
    left = transposed(graph, inputs[0], (*shared, *free[0], *summed))
    right = transposed(graph, inputs[1], (*alike, *also, *free[1]))
    rows, columns, inner = (_product(s) for s in (size(0, free[0]), size(1, free[1]), size(0, summed)))
    batch = size(0, shared)
    left = reshaped(graph, left, (*batch, *size(0, free[0]), *size(0, summed)), (*batch, rows, inner))
    right = reshaped(graph, right, (*batch, *size(1, also), *size(1, free[1])), (*batch, inner, columns))
    whole = _dtype(equation) == np.int8
    out = graph.add("MatMulInteger" if whole else "MatMul", left, right)
    return reshaped(graph, out, (*batch, rows, columns), shape_of(equation.outvars[0]))


def _product(sizes: Sequence[Any]) -> Any:
    """How many numbers; with an unknown size it stays so."""
    return math.prod(sizes)


PLAIN = {
    "tanh": "Tanh", "logistic": "Sigmoid", "exp": "Exp", "log": "Log", "neg": "Neg", "abs": "Abs", "sign": "Sign",
    "floor": "Floor", "ceil": "Ceil", "sqrt": "Sqrt", "sin": "Sin", "cos": "Cos", "erf": "Erf", "add": "Add",
    "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min", "pow": "Pow", "eq": "Equal", "lt": "Less",
    "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual",
}  # fmt: skip
OPERATORS: dict[str, Operator] = (
    {name: _plain(operator) for name, operator in PLAIN.items()}
    | ARRANGING
    | PICKING
    | {
        "and": _logic("And"),
        "clamp": _clamp,
        "convert_element_type": _cast,
        "copy": lambda graph, equation, inputs: inputs[0],
        "cumsum": _cumsum,
        "dot_general": _dot,
        "erfc": _erfc,
        "expm1": _expm1,
        "integer_pow": _power,
        "is_finite": _is_finite,
        "log1p": _log1p,
        "ne": _not_equal,
        "not": _logic("Not"),
        "optimization_barrier": lambda graph, equation, inputs: inputs,
        "or": _logic("Or"),
        "reduce_and": _of_truths("ReduceMin"),
        "reduce_max": _reduce("ReduceMax"),
        "reduce_min": _reduce("ReduceMin"),
        "reduce_or": _of_truths("ReduceMax"),
        "reduce_sum": _reduce("ReduceSum"),
        "round": _round,
        "rsqrt": _rsqrt,
        "select_n": _select,
        "square": _square,
        "stop_gradient": lambda graph, equation, inputs: inputs[0],
    }
)
