"""States as Keras has them, lists with h first, and carries as the engine has them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Axis, Carry, Params
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import check_carry


def to_states(carry: Carry) -> list[Array]:
    """h, then the others."""
    return [carry.h, *(value for name, value in zip(carry._fields, carry, strict=True) if name != "h")]


def from_states(cell: Cell, states: Any, axes: tuple[Axis, ...], dtype: Any, argument: str) -> Carry:
    """A cell's carry from a list with h first, in `dtype`; a single state may come as an array.

    `axes` are those of one step's inputs before their features.
    """
    fields = cell.carry_type._fields  # type: ignore[attr-defined]
    names = ("h", *(name for name in fields if name != "h"))
    if not isinstance(states, (list, tuple)):
        states = [states]
    if len(states) != len(names):
        fail(argument, f"a list of {len(names)} arrays: {', '.join(names)}", tuple(states))
    carry = check_carry(cell, cell.carry_type(**dict(zip(names, states, strict=True))), cell.state_axes(axes), argument)
    return jax.tree.map(lambda a: jnp.asarray(a, dtype), carry)


def carry_dtype(cell: Cell, params: Params, xs: Array) -> Any:
    """The dtype in which a cell's states go through time for these inputs."""
    return cell.carry_dtype_for(cell.compute_dtype(params, xs))
