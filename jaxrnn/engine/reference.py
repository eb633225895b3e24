"""The reference backend: a plain `jax.lax.scan`, short and obviously right. The definition of truth for all others."""

from __future__ import annotations

from typing import Any

import jax
from jax import lax

from jaxrnn.base.typing import Carry
from jaxrnn.core.cell import Cell
from jaxrnn.core.step import Products, Step, advance
from jaxrnn.engine.masks import clean
from jaxrnn.engine.sequence import Job, Steps


def run(job: Job) -> tuple[Carry, Any]:
    """Project, multiply and update, one step after the other."""
    cell, params, plan = job.cell, job.params, job.plan
    batch = jax.tree.leaves(job.carry)[0].shape[:-1]
    products = Products(cell.kernels(params, job.dtype))

    def body(carry: Carry, at: Steps) -> tuple[Carry, Any]:
        z = clean(at.valid, at.x)
        if not plan.projected:
            z = cell.projection_of(params, z)
        step = Step(z, at.valid, at.reset, cell.draw(job.rng, at.t, batch) | at.per_step)
        carry, y = advance(cell, products, job.rows, carry, step)
        y = jax.tree.map(lambda a: a.astype(job.dtype), y)
        return carry, (y, carry) if plan.carries else y

    return lax.scan(body, job.carry, job.steps, reverse=plan.reverse)


def declines(cell: Cell, dtype: Any, carry_dtype: Any) -> str | None:
    """It runs every cell."""
    return None


def schedule(T: int, chunk: int | str | None, rows: int, cell: Cell) -> str:
    """How it runs, in words."""
    return f"{T} steps in one plain scan, which saves what autodiff asks for"
