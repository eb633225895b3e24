"""The operations of a case's products, counted in its traced equations: whatever the cell and its kernels' forms."""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np

from jaxrnn.bench.cases import APPLICATIONS, Case
from jaxrnn.bench.problem import make_layer, make_problem
from jaxrnn.engine.scan import scan

BACKWARD = 2  # for each product of the forward pass one for each of its factors


def count_flops(case: Case) -> dict[str, int]:
    """Multiplications and additions of a case's products, by kind of measurement; of valid steps alone.

    Products with matrices are counted, and convolutions; what goes number by number is not, nor products with a
    diagonal kernel, which are such.

    >>> count_flops(Case("lstm", 2, 10, 3, 5))  # 2 x 4 gates x 5 units x (3 inputs + 5 states), of 20 rows and steps
    {'forward': 6400, 'train': 19200}
    """
    if case.cell in APPLICATIONS:
        return {}
    problem, layer = make_problem(case), make_layer(case)

    def run(params: Any, xs: Any, per_step: Any) -> Any:
        return scan(layer, params, xs, per_step=per_step or None, projected=case.projected, backend="reference")[1]

    traced = jax.make_jaxpr(run)(problem.params, problem.xs, problem.per_step)
    share = 1.0 if problem.lengths is None else np.mean(problem.lengths) / case.T
    forward = round(share * _count(traced.jaxpr))
    return {"forward": forward, "train": (1 + BACKWARD) * forward}


def _count(jaxpr: Any) -> int:
    return sum(_of(equation) for equation in jaxpr.eqns)


def _of(equation: Any) -> int:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        depth = math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
        return 2 * math.prod(equation.outvars[0].aval.shape) * depth
    if name == "conv_general_dilated":
        kernel, features = equation.invars[1].aval.shape, params["dimension_numbers"].rhs_spec[0]
        return 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(kernel) // kernel[features]
    inner = sum(_count(getattr(p, "jaxpr", p)) for p in jax.tree.leaves(list(params.values())) if _is_jaxpr(p))
    return inner * params.get("length", 1)


def _is_jaxpr(value: Any) -> bool:
    return hasattr(getattr(value, "jaxpr", value), "eqns")
