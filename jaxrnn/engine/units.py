"""Equations that read one number, run with that number once for each unit.

The derivative by a number that all units share is a sum over units, which compiled loops do not have. With a number of
its own at each unit there is no such sum; it comes afterwards, outside the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn, Var

from jaxrnn.core.equations import INLINED
from jaxrnn.programs import rules
from jaxrnn.programs.jaxprs import run, shape_of


class NotByUnit(Exception):
    """What is made of the number is more than a function of it at each unit."""


def run_by_unit(jaxpr: Jaxpr, read: Sequence[Any], leaves: Sequence[Any]) -> list[Any]:
    """The results of a jaxpr on one row; where it reads one number, `read` has one for each unit.

    Raises:
        NotByUnit: an operation takes the number that has no such form.
    """
    results = run(jaxpr, read, leaves, _results)
    if any(isinstance(v, Var) and _spread(v, a) for v, a in zip(jaxpr.outvars, results, strict=True)):
        raise NotByUnit
    return results


def _results(eqn: JaxprEqn, inputs: list[Any]) -> Sequence[Any]:
    spread = [_spread(v, a) for v, a in zip(eqn.invars, inputs, strict=True)]
    if not any(spread):
        return rules.bind(eqn, inputs)
    if eqn.primitive.name in INLINED:
        called = eqn.params["jaxpr"]
        return run_by_unit(getattr(called, "jaxpr", called), (*getattr(called, "consts", ()), *inputs), ())
    if all(shape_of(v) == () for v in (*eqn.invars, *eqn.outvars)):  # a number from numbers
        return jax.vmap(partial(_bind, eqn), [0 if s else None for s in spread])(*inputs)
    units = next(a.shape[-1] for a, s in zip(inputs, spread, strict=True) if s)
    if any(shape_of(v)[-1:] not in ((units,), ()) for v in (*eqn.invars, *eqn.outvars)):
        raise NotByUnit
    if eqn.primitive.name == "broadcast_in_dim":
        return [jnp.broadcast_to(inputs[0], eqn.params["shape"])]
    shape = shape_of(eqn.outvars[0])
    if len(eqn.outvars) > 1 or any(shape_of(v) not in (shape, ()) for v in eqn.invars):
        raise NotByUnit
    return _bind(eqn, *(jnp.broadcast_to(a, shape) for a in inputs))  # elementwise, as only that takes both shapes


def _bind(eqn: JaxprEqn, *inputs: Any) -> Sequence[Any]:
    return rules.bind(eqn, list(inputs))


def _spread(atom: Any, value: Any) -> bool:
    """Whether a value has one number for each unit where the jaxpr has one."""
    return shape_of(atom) == () and jnp.ndim(value) == 1
