"""All steps of a cell at once, as functions of the states before them."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.base.placement import spread_over_devices
from jaxrnn.base.typing import Array, Carry
from jaxrnn.core.cell import Cell
from jaxrnn.core.step import Products, Rows, Step, advance
from jaxrnn.engine.newton.solve import before, by_row, follow
from jaxrnn.forms.kernel import Kernel


class Model(NamedTuple):
    """The static part. A state is `[..., K, M]`: in K groups, of all fields of the carry."""

    cell: Cell
    groups: int

    def pack(self, carry: Carry) -> Array:
        cut = [a.reshape(*a.shape[:-1], self.groups, a.shape[-1] // self.groups) for a in carry]
        return jnp.concatenate(cut, -1)

    def unpack(self, state: Array) -> Carry:
        at, fields = 0, []
        for (size,) in self.cell.carry_shapes(()):
            width = size // self.groups
            fields.append(state[..., at : at + width].reshape(*state.shape[:-2], size))
            at += width
        return self.cell.carry_type(*fields)


class Known(NamedTuple):
    """What the steps read besides states."""

    kernels: dict[str, Kernel]
    rows: Rows  # [R, ...]
    steps: Step  # [T, R, ...]


def after(model: Model, known: Known, states: Array) -> tuple[Array, Array]:
    """The states after every step, and the outputs, from the states before them `[T, R, K, M]`."""

    def one(state: Array, step: Step) -> Any:
        carry, y = advance(model.cell, Products(known.kernels), known.rows, model.unpack(state), step)
        return model.pack(carry), y

    return jax.vmap(one)(states, known.steps)


def linearized(model: Model, known: Known, states: Array) -> tuple[Array, Array]:
    """The states after every step, and their whole Jacobians `[T, R, K, M, M]`: of every group a block."""
    M = states.shape[-1]
    value, push = jax.linearize(lambda s: after(model, known, s)[0], states)
    ways = jnp.broadcast_to(jnp.eye(M, dtype=states.dtype)[:, None, None, None], (M, *states.shape))
    return value, jnp.moveaxis(jax.vmap(push)(spread_over_devices(ways, states)), 0, -1)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def attached(model: Model, known: Known, start: Array, keep: Array, h: Array) -> Array:
    """The states `h`, with the derivatives that a solution has; none for rows that are not kept."""
    return h


@attached.defjvp
def _attached_jvp(model: Model, primals: Any, tangents: Any) -> Any:
    """One linear solve at the solution, with whole Jacobians."""
    (known, start, keep, h), (dknown, dstart, _, _) = primals, tangents
    h = attached(model, known, start, keep, h)
    at = before(h, start)
    _, J = linearized(model, known, at)
    _, w = jax.jvp(lambda known: after(model, known, at)[0], (known,), (dknown,))
    kept = lambda a: jax.vmap(lambda a: by_row(keep, a, jnp.zeros_like(a)))(a)  # noqa: E731
    return h, follow(kept(J), kept(w), by_row(keep, dstart, jnp.zeros_like(dstart)))
