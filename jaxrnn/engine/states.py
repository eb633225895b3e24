"""The states of a block whose products are known: what does not depend on a state comes first, at all times at once.

Gates are functions of products; only what mixes them into a state that the step reads again, as `f * c + i * g` does,
has to be done one step after the other. Other states follow from these, at all times at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn, Var

from jaxrnn.base.typing import Array, Carry
from jaxrnn.engine.linear import loop_over, merge, pick
from jaxrnn.programs.jaxprs import evaluate, value_of


def carries_before(
    step: Callable[[Carry, Any], Carry], carry: Carry, inputs: Any, read: tuple[int, ...], *, reverse: bool
) -> Carry:
    """The carry before every step of a block.

    Args:
        step: the carry after a step; of the one before it reads the leaves at `read` alone.
        carry: the carry before the block.
        inputs: what the steps read, `[T, ...]`.
        read: positions of leaves.
        reverse: whether the last step comes first.

    Returns:
        The carry, `[T, *B, ...]`.
    """
    loops: list[Callable[..., Any]] = []

    def from_states(states: list[Array], at: Any) -> Carry:
        return step(merge(carry, read, states), at)

    def first(at: Any) -> list[Array]:
        closed = jax.make_jaxpr(lambda states, at: pick(from_states(states, at), read))(pick(carry, read), at)
        values = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
        shared = dict(values)
        values.update(zip(closed.jaxpr.invars[len(read) :], jax.tree.leaves(at), strict=True))
        early, late = split(closed.jaxpr, len(read))
        evaluate(early, values)
        reads = [v for eqn in late for v in eqn.invars] + closed.jaxpr.outvars
        passed = [v for v in dict.fromkeys(v for v in reads if isinstance(v, Var)) if v in values and v not in shared]

        def loop(states: list[Array], known: list[Array]) -> list[Array]:
            values = shared | dict(zip(passed, known, strict=True))
            values.update(zip(closed.jaxpr.invars[: len(read)], states, strict=True))
            evaluate(late, values)
            return [value_of(v, values) for v in closed.jaxpr.outvars]

        loops.append(loop)
        return [values[v] for v in passed]

    def then(states: list[Array], known: list[Array]) -> Any:
        return loops[0](states, known), states

    states: list[Array] = []
    if read:
        known = jax.vmap(first)(inputs)
        length = jax.tree.leaves(inputs)[0].shape[0]  # of what the loop reads nothing may be known
        states = loop_over(then, pick(carry, read), known, length, reverse=reverse)[1]
    after = jax.vmap(from_states)(states, inputs)
    shift = lambda first, after: _shifted(first, after, reverse)  # noqa: E731
    return merge(jax.tree.map(shift, carry, after), read, states)


def split(jaxpr: Jaxpr, states: int) -> tuple[list[JaxprEqn], list[JaxprEqn]]:
    """The equations that the first arguments do not reach, and those that they do."""
    reached = set(jaxpr.invars[:states])
    early, late = [], []
    for eqn in jaxpr.eqns:
        if reached.isdisjoint(v for v in eqn.invars if isinstance(v, Var)):
            early.append(eqn)
        else:
            late.append(eqn)
            reached.update(eqn.outvars)
    return early, late


def _shifted(first: Array, after: Array, reverse: bool) -> Array:
    """What was before every step of a block, from what was before the block and after every step."""
    pieces = [after[1:], first[None]] if reverse else [first[None], after[:-1]]
    return jnp.concatenate(pieces)[: after.shape[0]]
