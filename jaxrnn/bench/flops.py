"""The operations of a case's products, counted in its traced equations: whatever the cell and its kernels' forms."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxrnn.bench.cases import APPLICATIONS, Case
from jaxrnn.bench.problem import make_layer, make_problem
from jaxrnn.engine.scan import scan
from jaxrnn.programs.flops import count_flops as products

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
    forward = round(share * products(traced.jaxpr))
    return {"forward": forward, "train": (1 + BACKWARD) * forward}
