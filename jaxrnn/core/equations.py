"""A step's equations as a jaxpr, in which each recurrent product is an operation that is still to be done.

So what they read besides their arguments can be told, and what they call by a rule of its own keeps that rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable
from weakref import WeakSet

import jax
import jax.numpy as jnp
from jax import core
from jax.extend.core import Jaxpr, JaxprEqn, Primitive, Var
from jax.interpreters import batching

from jaxrnn.base.typing import Array, ArrayLike, Axis, Carry, Params
from jaxrnn.core.closures import is_open
from jaxrnn.forms.kernel import Kernel
from jaxrnn.programs import jaxprs, rules
from jaxrnn.programs.jaxprs import inner

INLINED = frozenset({"jit", "pjit", "closed_call", "checkpoint", "remat2"})
Recurrent = Callable[..., Any]  # `recur`, as equations are handed it


@runtime_checkable
class Equations(Protocol):
    """A cell as one step sees it."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def seen(self) -> int: ...
    @property
    def output_size(self) -> int: ...
    @property
    def gates(self) -> tuple[str, ...]: ...
    @property
    def carry_type(self) -> type: ...
    @property
    def update(self) -> Any: ...
    def carry_shapes(self, batch: tuple[Axis, ...]) -> Carry: ...
    def kernels(self, params: Params, dtype: Any) -> dict[str, Kernel]: ...
    def projection_of(self, params: Params, xs: ArrayLike) -> Array: ...


asked = Primitive("recurrent_product")
asked.multiple_results = True
asked.def_abstract_eval(lambda h, *, gates, kernel, results: results)


@dataclass(frozen=True)
class Ask:
    """`recur` that multiplies nothing: the product is left in the jaxpr, to be done when that is run."""

    shapes: Callable[..., Any]  # (h, gates, kernel) -> shapes of the results

    def __call__(self, h: Array, gates: tuple[str, ...] | None = None, kernel: str = "recurrent_kernel") -> Any:
        closed, shape = jax.make_jaxpr(lambda h: self.shapes(h, gates, kernel), return_shape=True)(h)
        results = asked.bind(h, gates=gates, kernel=kernel, results=tuple(closed.out_avals))
        return jax.tree.unflatten(jax.tree.structure(shape), results)


def _batch(arguments: Any, axes: Any, *, gates: Any, kernel: str, results: Any) -> Any:
    """A new axis is one more axis of the batch."""
    h = jnp.moveaxis(arguments[0], axes[0], 0)
    shapes = tuple(core.ShapedArray((h.shape[0], *r.shape), r.dtype) for r in results)
    return asked.bind(h, gates=gates, kernel=kernel, results=shapes), [0] * len(shapes)


batching.primitive_batchers[asked] = _batch


class Traced(NamedTuple):
    """Equations as a jaxpr of the leaves of their arguments; and what they read besides."""

    jaxpr: Jaxpr
    read: list[Any]
    tree: Any  # of the results

    def __call__(self, recur: Recurrent, *arguments: Any) -> Any:
        """The results."""
        return jax.tree.unflatten(self.tree, run(self.jaxpr, self.read, jax.tree.leaves(arguments), recur))


def trace(
    update: Callable[..., Any],
    shapes: Callable[..., Any],
    carry: Carry,
    x: Any,
    theta: Mapping[str, Any],
    per_step: Mapping[str, Any],
) -> Traced:
    """The equations for arguments of these shapes."""
    equations = partial(_asking, update, shapes)
    closed, shape = jax.make_jaxpr(equations, return_shape=True)(carry, x, dict(theta), dict(per_step))
    return Traced(closed.jaxpr, closed.consts, jax.tree.structure(shape))


def _asking(
    update: Callable[..., Any], shapes: Callable[..., Any], carry: Carry, x: Any, theta: Any, per_step: Any
) -> Any:
    return update(carry, x, Ask(shapes), theta, **per_step)


class Once:
    """Equations that are traced once for arguments of the same shapes, however often they are called.

    JAX keeps the traces, apart for each setting that one depends on (float64, a mesh), as long as this is kept. So it
    is for equations that read nothing but their arguments.
    """

    def __init__(self, update: Callable[..., Any], shapes: Callable[..., Any]) -> None:
        self._asking = jax.jit(partial(_asking, update, shapes))

    def __call__(self, carry: Carry, x: Any, recur: Recurrent, theta: Mapping[str, Any], **per_step: Any) -> Any:
        arguments = carry, x, dict(theta), per_step
        return self.traced(*arguments)(recur, *arguments)

    def traced(self, carry: Carry, x: Any, theta: dict[str, Any], per_step: dict[str, Any]) -> Traced:
        """The equations for arguments of these shapes."""
        kept = self._asking.trace(carry, x, theta, per_step)
        return Traced(kept.jaxpr.jaxpr, kept.jaxpr.consts, jax.tree.structure(kept.out_info))


def run(jaxpr: Jaxpr, read: Sequence[Any], leaves: Sequence[Any], recur: Recurrent | None) -> list[Any]:
    """The results of traced equations; products are `recur`'s, or left to be done."""

    def bind(eqn: JaxprEqn, inputs: list[Any]) -> Sequence[Any]:
        if eqn.primitive is asked and recur is not None:
            return jax.tree.leaves(recur(*inputs, gates=eqn.params["gates"], kernel=eqn.params["kernel"]))
        if eqn.primitive.name in INLINED and any(map(_asks, inner(eqn))):
            called = eqn.params["jaxpr"]
            return run(getattr(called, "jaxpr", called), getattr(called, "consts", ()), inputs, recur)
        return rules.bind(eqn, inputs)

    return jaxprs.run(jaxpr, read, leaves, bind)


def _asks(jaxpr: Jaxpr) -> bool:
    """Whether a recurrent product is asked for, at any depth."""
    return any(e.primitive is asked or any(map(_asks, inner(e))) for e in jaxpr.eqns)


def asked_for(jaxpr: Jaxpr) -> set[str]:
    """The kernels that traced equations multiply."""
    own = {e.params["kernel"] for e in jaxpr.eqns if e.primitive is asked}
    return own.union(*(asked_for(j) for e in jaxpr.eqns for j in inner(e)))


def without_dead(jaxpr: Jaxpr) -> Jaxpr:
    """Traced equations without those that no result depends on."""
    live, kept = {v for v in jaxpr.outvars if isinstance(v, Var)}, []
    for eqn in reversed(jaxpr.eqns):
        if not live.isdisjoint(eqn.outvars):
            live.update(v for v in eqn.invars if isinstance(v, Var))
            kept.append(eqn)
    return jaxpr.replace(eqns=kept[::-1])


def apply(
    cell: Equations,
    recur: Recurrent,
    shapes: Callable[..., Any],
    carry: Carry,
    x: Any,
    theta: dict[str, Any],
    per_step: dict[str, Any],
) -> Any:
    """What a cell's equations make of their arguments; functions that have a derivative of their own keep it."""
    traced_already = isinstance(cell.update, Once)  # and so with rules kept
    if rules.DROPPED and not traced_already and cell not in WITHOUT_RULES:
        try:
            traced = trace(cell.update, shapes, carry, x, theta, per_step)
        except Exception:  # of a user's equations, whatever it is; they say it again as they stand
            return cell.update(carry, x, recur, theta, **per_step)
        if rules.has_rules(traced.jaxpr):
            return traced(recur, carry, x, theta, per_step)
        if not is_open(cell):
            WITHOUT_RULES.add(cell)
    return cell.update(carry, x, recur, theta, **per_step)


WITHOUT_RULES: WeakSet[Any] = WeakSet()  # cells whose equations were seen to call nothing by a rule
