"""The derivative of a block's loop: gates are opened and differentiated at all times at once; a linear loop remains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from jaxrnn.base.placement import spread_over_devices
from jaxrnn.base.typing import Array, Axis, Carry
from jaxrnn.engine.fold import fold


@dataclass
class Linear:
    """The derivative of one step: a linear function of tangents, given residuals that are known at all times."""

    call: Callable[..., Any] | None = None

    def open(self, one_step: Callable[..., Any], primals: tuple[Any, ...], shared: list[Array]) -> list[Array]:
        """Differentiate `one_step`; returns the residuals, apart from arrays that all steps share."""
        _, push = jax.linearize(one_step, *primals)
        closed, shape = jax.make_jaxpr(push, return_shape=True)(*primals)
        residuals, folded = fold(closed.jaxpr, closed.consts)
        known = {i: r for i, r in enumerate(residuals) if any(r is s for s in shared)}
        treedef, count = jax.tree.structure(shape), len(residuals)
        del closed  # its constants belong to the trace that is open here, and end with it

        def call(residuals: list[Array], *tangents: Any) -> Any:
            own = iter(residuals)
            flat = folded([known[i] if i in known else next(own) for i in range(count)], *jax.tree.leaves(tangents))
            return jax.tree.unflatten(treedef, flat)

        self.call = call
        return [r for i, r in enumerate(residuals) if i not in known]

    def loop(
        self,
        dcarry: Carry,
        drows: list[Array],
        dsteps: list[Array],
        terms: list[Any],
        residuals: list[Array],
        *,
        length: Axis,
        reverse: bool,
    ) -> tuple[Carry, Any]:
        """What must be done one step after the other: one product a call of `recur`, and sums; no function.

        Args:
            dcarry: the tangent of the carry before the block.
            drows: tangents of what all steps share.
            dsteps: tangents of per-step inputs, `[T, ...]`.
            terms: for each product the part of its tangent that is known before, `[T, *B, H]` a gate, or None.
            residuals: what `open` returned, `[T, ...]`.
            length: T, which none of these may have.
            reverse: the direction of the loop that this is the derivative of.

        Returns:
            The tangents of the final carry and of the outputs.
        """

        def body(dcarry: Carry, at: Any) -> tuple[Carry, Any]:
            dstep, terms, residuals = at
            return self.call(residuals, dcarry, drows, dstep, terms)  # type: ignore[misc]

        return loop_over(body, dcarry, (dsteps, terms, residuals), length, reverse=reverse)


def loop_over(body: Callable[..., Any], carry: Any, xs: Any, length: Axis, *, reverse: bool) -> tuple[Any, Any]:
    """`lax.scan` where `xs` may be empty and `length` a symbol, which `lax.scan` does not take: then it counts."""
    if jax.tree.leaves(xs):
        return lax.scan(body, carry, xs, reverse=reverse)
    return lax.scan(lambda carry, _: body(carry, xs), carry, jnp.arange(length), reverse=reverse)


# ---------------------------------------------------------------- which inputs are differentiated


class Live(NamedTuple):
    """The leaves of a tree that have a tangent: where they are, and the tangents."""

    where: tuple[int, ...]
    values: list[Array]


def is_symbolic(t: Any) -> bool:
    return isinstance(t, SymbolicZero)


def instantiate(t: Any, primal: Array) -> Array:
    """A tangent as an array."""
    return spread_over_devices(jnp.zeros_like(primal), primal) if is_symbolic(t) else t


def live(tangents: Any) -> Live:
    """The tangents that are not zero by construction."""
    leaves = jax.tree.leaves(tangents, is_leaf=is_symbolic)
    where = tuple(i for i, t in enumerate(leaves) if not is_symbolic(t) and t.dtype != jax.dtypes.float0)
    return Live(where, [leaves[i] for i in where])


def pick(tree: Any, where: tuple[int, ...]) -> list[Array]:
    """The leaves at `where`."""
    leaves = jax.tree.leaves(tree)
    return [leaves[i] for i in where]


def merge(tree: Any, where: tuple[int, ...], values: list[Array]) -> Any:
    """The tree with the leaves at `where` replaced."""
    leaves, treedef = jax.tree.flatten(tree)
    for i, value in zip(where, values, strict=True):
        leaves[i] = value
    return jax.tree.unflatten(treedef, leaves)
