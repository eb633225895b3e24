"""The reference backend: a plain `jax.lax.scan`, short and obviously right. The definition of truth for all others."""

from __future__ import annotations

from typing import Any

import jax
from jax import lax

from jaxrnn.cell import Cell
from jaxrnn.engine.masks import Sequence, clean
from jaxrnn.engine.plan import Plan
from jaxrnn.step import Products, Rows, Step, advance
from jaxrnn.typing import Array, Carry, Params, PRNGKeyArray


def run(
    cell: Cell,
    params: Params,
    sequence: Sequence,
    reset: Array | None,
    carry: Carry,
    rows: Rows,
    rng: PRNGKeyArray | None,
    dtype: Any,
    plan: Plan,
) -> tuple[Carry, Any]:
    """Project, multiply and update, one step after the other."""
    batch = jax.tree.leaves(carry)[0].shape[:-1]
    products = Products(cell.kernels(params, dtype))

    def body(carry: Carry, inputs: tuple[Any, ...]) -> tuple[Carry, Any]:
        x, t, valid, reset, per_step = inputs
        z = clean(valid, x)
        if not plan.projected:
            z = cell.project(params, z)
        step = Step(z, valid, reset, cell.draw(rng, t, batch) | per_step)
        carry, y = advance(cell, products, rows, carry, step)
        y = jax.tree.map(lambda a: a.astype(dtype), y)
        return carry, (y, carry) if plan.carries else y

    steps = (sequence.xs, sequence.t, sequence.valid, reset, sequence.per_step)
    return lax.scan(body, carry, steps, reverse=plan.reverse)


def declines(cell: Cell) -> str | None:
    """It runs every cell."""
    return None
