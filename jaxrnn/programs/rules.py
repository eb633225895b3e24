"""Functions with a derivative of their own keep it, however often they are differentiated.

Before version 0.12, JAX differentiates a `jax.custom_jvp` function as its body where a scan is differentiated a second
time: what is known by then is evaluated without the rule. A primitive keeps its rule, so here each such function
becomes one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir

from jaxrnn.base.typing import Array
from jaxrnn.programs import jaxprs
from jaxrnn.programs.jaxprs import inner

DROPPED = jax.__version_info__ < (0, 12)


def has_rules(jaxpr: Jaxpr) -> bool:
    """Whether a function with a derivative of its own is called, at any depth."""
    return any(e.primitive.name == "custom_jvp_call" or any(map(has_rules, inner(e))) for e in jaxpr.eqns)


def bind(eqn: JaxprEqn, inputs: list[Any]) -> Sequence[Any]:
    """The results of an equation; functions in it that have a derivative of their own keep it."""
    params = eqn.params
    if DROPPED and any(map(has_rules, inner(eqn))):
        params = jax.tree.map(_kept, params, is_leaf=_is_jaxpr)
    if DROPPED and eqn.primitive.name == "custom_jvp_call":
        return call_by_rule(partial(eqn.primitive.bind, **eqn.primitive.get_bind_params(params)), *inputs)
    return jaxprs.bind(eqn if params is eqn.params else eqn.replace(params=params), inputs)


def _is_jaxpr(leaf: Any) -> bool:
    return isinstance(leaf, (Jaxpr, ClosedJaxpr))


def _kept(leaf: Any) -> Any:
    """Of the parameters of an equation, a jaxpr that keeps rules; anything else as it is."""
    if isinstance(leaf, ClosedJaxpr) and has_rules(leaf.jaxpr):
        return jax.make_jaxpr(lambda *given: jaxprs.run(leaf.jaxpr, leaf.consts, given, bind))(*leaf.in_avals)
    return _kept(ClosedJaxpr(leaf, ())).jaxpr if isinstance(leaf, Jaxpr) and has_rules(leaf) else leaf


def call_by_rule(function: Callable[..., list[Array]], *arguments: Array) -> list[Array]:
    """`function(*arguments)` as one primitive; its derivative is the one that JAX has for the function."""
    return ruled.bind(*arguments, call_jaxpr=jax.make_jaxpr(function)(*arguments), function=function)


def _inlined(*arguments: Array, call_jaxpr: Any, function: Any) -> list[Array]:
    return jaxpr_as_fun(call_jaxpr)(*arguments)


def _jvp(primals: Any, tangents: Any, *, call_jaxpr: Any, function: Any) -> tuple[list[Any], list[Any]]:
    """The function's own rule, in which functions with rules keep theirs."""
    where = [i for i, t in enumerate(tangents) if type(t) is not ad.Zero]

    def pushed(primals: list[Array], tangents: list[Array]) -> Any:
        def moved(*leaves: Array) -> list[Array]:
            at = dict(zip(where, leaves, strict=True))
            return function(*(at.get(i, p) for i, p in enumerate(primals)))

        return jax.jvp(moved, [primals[i] for i in where], tangents)

    moving = [tangents[i] for i in where]
    closed = jax.make_jaxpr(pushed)(list(primals), moving)
    found = jaxprs.run(closed.jaxpr, closed.consts, (*primals, *moving), bind)
    return found[: len(found) // 2], found[len(found) // 2 :]


def _batch(arguments: Any, axes: Any, *, call_jaxpr: Any, function: Any) -> tuple[list[Array], list[int]]:
    results = call_by_rule(jax.vmap(function, axes), *arguments)
    return results, [0] * len(results)


ruled = Primitive("ruled")
ruled.multiple_results = True
ruled.def_impl(lambda *arguments, call_jaxpr, function: function(*arguments))
ruled.def_abstract_eval(lambda *avals, call_jaxpr, function: call_jaxpr.out_avals)
mlir.register_lowering(ruled, mlir.lower_fun(_inlined, multiple_results=True))
ad.primitive_jvps[ruled] = _jvp
batching.primitive_batchers[ruled] = _batch
