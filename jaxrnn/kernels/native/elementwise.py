"""JAX's elementwise primitives in terms of the operations that the library has."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxrnn.kernels.native.graph import ZERO, Declined, Nodes


def expand(graph: Nodes, name: str, params: dict[str, Any], *nodes: int) -> int:
    """The node of a primitive's result."""
    if name in ("copy", "copy_p", "stop_gradient"):
        return nodes[0]
    if name == "add_any":  # of cotangents, whose zeros stand for nothing
        where = [i for i in (0, 1) if graph.nodes[nodes[i]].bits == ZERO]
        return nodes[1 - where[0]] if where else graph.apply("add", *nodes)
    if name == "clamp":
        low, x, high = nodes
        return graph.apply("min", graph.apply("max", low, x), high)
    if name == "one_minus_square":  # tanh's derivative, from JAX 0.11 on
        return graph.apply("sub", graph.constant(1.0), graph.apply("mul", nodes[0], nodes[0]))
    if name == "exp2":
        return graph.apply("exp", graph.apply("mul", nodes[0], graph.constant(float(np.log(2.0)))))
    if name == "integer_pow":
        return _power(graph, nodes[0], params["y"])
    if name == "polynomial":
        x, result, *lower = nodes[0], *nodes[:0:-1]
        for coefficient in lower:
            result = graph.apply("add", graph.apply("mul", result, x), coefficient)
        return result
    if name == "round":
        return graph.apply("round" if int(params["rounding_method"]) == 0 else "round_even", nodes[0])
    if name == "select_n" and len(nodes) != 3:
        raise Declined("`select_n` chooses among more than two")
    return graph.apply(name, *nodes)


def _power(graph: Nodes, x: int, power: int) -> int:
    """By squares, as JAX does."""
    result, rest = graph.constant(1.0), abs(power)
    while rest:
        if rest & 1:
            result = graph.apply("mul", result, x)
        rest >>= 1
        x = graph.apply("mul", x, x) if rest else x
    return graph.apply("div", graph.constant(1.0), result) if power < 0 else result
