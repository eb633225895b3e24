"""A function of one step, for all steps at once: what depends on no step is computed once, not T times.

The numbers of an LRU, say, are exponentials and cosines of its parameters alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jax.extend.core import Var

from jaxrnn.base.placement import spread_over_devices
from jaxrnn.base.typing import Array
from jaxrnn.core.step import guard
from jaxrnn.engine.states import split
from jaxrnn.programs.jaxprs import evaluate, value_of


def of_all_steps(function: Callable[..., Any], at: Any, shared: Any, valid: Array | None, axes: int) -> Any:
    """`function(at, shared, valid)` of every step; no derivative passes through an invalid one.

    Args:
        function: of one step, arrays `[*B, ...]`.
        at: what differs from step to step, `[T, *B, ...]`.
        shared: what does not, `[*B, ...]`.
        valid: `[T, *B]`, or None.
        axes: the number of axes *B.

    Returns:
        The results, `[T, *B, ...]`.
    """
    steps, tree = jax.tree.flatten((at, valid))
    one = [lax.index_in_dim(a, 0, keepdims=False) for a in steps]  # for their types alone
    shared = spread_over_devices(shared, steps[0])
    batch = steps[0].shape[1 : 1 + axes]

    def flat(steps: list[Any], shared: Any) -> Any:
        at, valid = jax.tree.unflatten(tree, steps)
        return function(at, shared, valid)

    closed, shape = jax.make_jaxpr(flat, return_shape=True)(one, shared)
    of_step, of_shared = closed.jaxpr.invars[: len(steps)], closed.jaxpr.invars[len(steps) :]
    early, late = split(closed.jaxpr, len(steps))
    values: dict[Var, Any] = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    constants = set(values)
    values.update(zip(of_shared, jax.tree.leaves(shared), strict=True))
    evaluate(early, values)
    reads = [v for eqn in late for v in eqn.invars] + closed.jaxpr.outvars
    passed = [v for v in dict.fromkeys(v for v in reads if isinstance(v, Var)) if v in values]
    guarded = [v for v in passed if v not in constants and values[v].shape[:axes] == batch]
    results = closed.jaxpr.outvars

    def step(steps: list[Array], known: list[Array]) -> list[Any]:
        at, valid = jax.tree.unflatten(tree, steps)
        at, known = guard(valid, (at, known))
        own = values | dict(zip(guarded, known, strict=True))
        own.update(zip(of_step, jax.tree.leaves((at, valid)), strict=True))
        evaluate(late, own)
        return [value_of(v, own) for v in results]

    found = jax.vmap(step, (0, None))(steps, [values[v] for v in guarded])
    return jax.tree.unflatten(jax.tree.structure(shape), found)
