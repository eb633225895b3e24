"""Which numbers of a state see which, read off the equations: a partition of the units into equal groups.

A number that says "units i and j of states see each other only in the same one of K groups": K = H where each unit sees
itself alone, N where a kernel has N heads, 1 where all see all. Nothing at all is 0, and two dependences together are
those of `gcd(K, L)` groups.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn, Literal, Var
from jax.sharding import use_abstract_mesh

from jaxrnn.base.placement import NOWHERE
from jaxrnn.core.cell import Cell
from jaxrnn.core.equations import INLINED, asked
from jaxrnn.core.step import one_row
from jaxrnn.engine.one_row import traced_once
from jaxrnn.forms.heads import heads_of
from jaxrnn.programs import rules
from jaxrnn.programs.jaxprs import inner, shape_of

POINTWISE = frozenset(
    """
    abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp convert_element_type copy copy_p cos
    cosh digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt integer_pow is_finite le lgamma log log1p logistic
    lt max min mul ne neg nextafter not one_minus_square or pow reduce_precision rem round rsqrt select_n sign sin sinh
    sqrt square sub tan tanh xor optimization_barrier
    """.split()  # noqa: SIM905
)
RULES = frozenset({"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr", rules.ruled.name})


class NoNewton(Exception):
    """Newton's method does not apply to equations; the text says why."""


def groups(cell: Cell, dtype: Any, carry_dtype: Any, theta: dict[str, Any], per_step: dict[str, Any]) -> int:
    """The number of groups, which divides the sizes of all states; `theta` and `per_step` have one row's shapes.

    Raises:
        NoNewton: what JAX differentiates is not what the equations compute.
    """
    kernels = cell.kernel_shapes(dtype)
    try:
        with use_abstract_mesh(NOWHERE):
            traced = traced_once(cell, jnp.dtype(carry_dtype).name).traced(*one_row(cell, carry_dtype, theta), per_step)
    except Exception as error:  # of a user's equations, whatever it is; they say it again where they run
        raise NoNewton(f"the equations do not run on one row without batch axes: {error}") from error
    sizes = [math.prod(s) for s in cell.carry_shapes(())]
    seen = [*sizes, *[0] * (len(traced.jaxpr.invars) - len(sizes))]
    found = _through(traced.jaxpr, seen, kernels)[: len(sizes)]
    return math.gcd(*found, *sizes)


def _read(cell: Cell) -> dict[str, Any]:
    """What lifted equations are handed besides (`jaxrnn.engine.lift`)."""
    read = getattr(cell.update, "read", ())
    return {name: jax.ShapeDtypeStruct(shape, dtype) for name, shape, dtype in read}


def _through(jaxpr: Jaxpr, inputs: Sequence[int], kernels: dict[str, Any]) -> list[int]:
    values: dict[Var, int] = dict.fromkeys(jaxpr.constvars, 0)
    values.update(zip(jaxpr.invars, inputs, strict=True))
    of = lambda a: 0 if isinstance(a, Literal) else values[a]  # noqa: E731
    for eqn in jaxpr.eqns:
        given = [of(a) for a in eqn.invars]
        results = _results(eqn, given, kernels) if any(given) else [0] * len(eqn.outvars)
        values.update(zip(eqn.outvars, results, strict=True))
    return [of(v) for v in jaxpr.outvars]


def _results(eqn: JaxprEqn, given: list[int], kernels: dict[str, Any]) -> list[int]:
    """Of an equation that reads a state."""
    name, count = eqn.primitive.name, len(eqn.outvars)
    seen, called = math.gcd(*given), inner(eqn)
    if name == "stop_gradient":
        raise NoNewton("the equations stop a gradient, so that their derivative is not that of what they compute")
    if eqn.primitive is asked:
        kernel = kernels[eqn.params["kernel"]]
        return [math.gcd(seen, heads_of(kernel.form)) if kernel.inputs == kernel.units else 1] * count
    if name in RULES and not (called and _is_jaxs(called[0])):
        raise NoNewton("the equations call a function that has a derivative of its own, which need not be the true one")
    if name in INLINED | RULES and called and len(called[0].invars) == len(given):
        return _through(called[0], given, kernels)
    return [
        seen if all(_keeps(eqn, a, out) for a, g in zip(eqn.invars, given, strict=True) if g) else 1
        for out in eqn.outvars
    ]


def _is_jaxs(called: Jaxpr) -> bool:
    """Whether a function is one of JAX's own, such as `jax.nn.relu`, whose rules are true derivatives."""
    return "/jax/_src/" in (called.debug_info.func_src_info or "").replace("\\", "/")


def _keeps(eqn: JaxprEqn, operand: Any, result: Any) -> bool:
    """Whether the units of a result are those of the operand, one by one."""
    name, a, b = eqn.primitive.name, shape_of(operand), shape_of(result)
    if not a or not b or a[-1] != b[-1]:
        return False
    if name == "broadcast_in_dim":
        return eqn.params["broadcast_dimensions"][-1] == len(b) - 1
    if name == "slice":
        return (eqn.params["strides"] or (1,))[-1] == 1
    if name in ("squeeze", "reshape", "expand_dims"):
        return True  # row by row, of rows of the same length
    return name in POINTWISE and a == b


@lru_cache(maxsize=256)
def settled(cell: Cell, dtype: str, carry_dtype: str) -> int | str:
    """`groups` of a cell without per-step inputs, or why Newton's method does not apply; of others that all see all."""
    if cell.per_step or any(not n.fixed for n in cell.noises):
        return 1
    try:
        return groups(cell, dtype, carry_dtype, cell.theta_shapes(carry_dtype) | _read(cell), {})
    except NoNewton as reason:
        return str(reason)
