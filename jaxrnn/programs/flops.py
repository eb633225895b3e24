"""The operations of a program's products, counted in its equations."""

from __future__ import annotations

import math
from typing import Any

import jax


def count_flops(jaxpr: Any) -> int:
    """Multiplications and additions of products with matrices, and of convolutions, loops as often as they run.

    What goes number by number is not counted, nor are products with a diagonal kernel, which are such.

    >>> import jax, jax.numpy as jnp
    >>> count_flops(jax.make_jaxpr(jnp.matmul)(jnp.ones((2, 3)), jnp.ones((3, 5))).jaxpr)
    60
    """
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
    inner = sum(count_flops(getattr(p, "jaxpr", p)) for p in jax.tree.leaves(list(params.values())) if _is_jaxpr(p))
    return inner * params.get("length", 1)


def _is_jaxpr(value: Any) -> bool:
    return hasattr(getattr(value, "jaxpr", value), "eqns")
