"""A linear cell over a sequence: a and b of all steps, one linear recurrence, what all steps show.

An invalid step has `a` one and `b` zero, a reset `a` zero and in `b` what the step makes of the new start: lengths,
masks, resets and segments are exact in every algorithm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from jaxrnn.base.dtypes import state_dtype
from jaxrnn.base.placement import spread_over_devices
from jaxrnn.base.typing import Carry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.linear import Leaves, declared, identity, linear_step, times
from jaxrnn.core.step import Products, Recur, by_gate, select, units
from jaxrnn.engine import scheduled
from jaxrnn.engine.masks import clean
from jaxrnn.engine.noise import over_time
from jaxrnn.engine.plan import near
from jaxrnn.engine.products import split_gates
from jaxrnn.engine.recurrence.primitives import Recurrence
from jaxrnn.engine.recurrence.steps import of_all_steps
from jaxrnn.engine.sequence import Job, Steps

WORK = 2**17  # numbers of a, and of b, that a block works on: see RECURRENCES.md
AT_WORK = 8  # arrays of a block's steps and states, while it is differentiated
KEPT = "jaxrnn.kept by blocks of a recurrence"
SAVED_BYTES = 2**28  # of projections that are kept; more than that is projected again


def declines(cell: Cell, dtype: Any, carry_dtype: Any) -> str | None:
    """Why a cell does not run as a linear recurrence."""
    if declared(cell) is not None:
        return None
    update = cell.update
    while isinstance(update, Update) and update.equations is not linear_step:
        update = dict(update.options).get("inner")
    if isinstance(update, Update):
        return "runs a linear recurrence as it is declared, without wrappers around it"
    return "runs what is declared as linear in the state (`jaxrnn.linear_cell`)"


def run(recurrence: Recurrence, job: Job) -> tuple[Carry, Any]:
    """Run a sequence in blocks of time, which keep the carry they start from and what came of their products."""
    T, plan = job.steps.t.shape[0], job.plan
    if T == 0 or jax.tree.leaves(job.carry)[0].size == 0:
        return scheduled.run(job)
    rows, units = math.prod(job.carry[0].shape[:-1]), job.cell.size
    size = steps_at_once(T, plan.chunk, rows * sum(a.shape[-1] for a in job.carry))
    projected = T * rows * len(job.cell.gates) * units * jnp.dtype(job.dtype).itemsize
    keep = plan.chunk != "sqrt" and projected <= SAVED_BYTES
    policy = jax.checkpoint_policies.save_only_these_names(KEPT) if keep else None
    block = partial(at_once, partial(_solved, recurrence), job)
    return scheduled.in_blocks(block, job.carry, job.steps, size=size, reverse=plan.reverse, policy=policy)


def steps_at_once(T: int, chunk: int | str | None, numbers: int) -> int:
    """Steps of a block, for a state of so many numbers.

    Of a large state no fewer than make the states that blocks start from, and what a block works on, least in sum.
    """
    if isinstance(chunk, int):
        return chunk
    if chunk == "sqrt":
        return near(max(1, math.isqrt(T)), T)
    return min(T, near(max(1, WORK // max(1, numbers), math.isqrt(T // AT_WORK)), T))


def schedule(T: int, chunk: int | str | None, rows: int, cell: Cell) -> str:
    """How it runs, in words."""
    states = sum(shape[-1] for shape in cell.carry_shapes(()))
    size = steps_at_once(T, chunk, rows * states)
    if size >= T:
        return f"{T} steps at once: a and b of all, one recurrence, which keeps a and the states"
    cut = f"{T} steps in {-(-T // size)} blocks of {size}, each at once"
    if states > cell.size:
        return f"{cut}, of which the carry, {states} numbers a row, and what came of products are kept"
    return f"{cut}, of which the carry and what came of products are kept"


def _solved(recurrence: Recurrence, a: Leaves, b: Leaves, start: Leaves, reverse: bool) -> tuple[Leaves, Leaves]:
    states = recurrence(a, b, start, reverse)
    return states, tuple(h[0 if reverse else -1] for h in states)


def at_once(solve: Callable[..., tuple[Leaves, Leaves]], job: Job, carry: Carry, steps: Steps) -> tuple[Carry, Any]:
    """Steps all at once; `solve(a, b, start, reverse)` is the state after each, and after the last."""
    cell, params, plan = job.cell, job.params, job.plan
    linear, options = declared(cell)  # type: ignore[misc]
    valid, reset, dtype = steps.valid, steps.reset, state_dtype(carry)
    T, batch = steps.t.shape[0], jax.tree.leaves(carry)[0].shape[:-1]
    z = clean(valid, steps.x)
    if not plan.projected:
        z = checkpoint_name(cell.projection_of(params, z), KEPT)
    per_step = over_time(lambda t: cell.draw(job.rng, t, batch), steps.t, job.rng) | steps.per_step
    x = tuple(a.astype(dtype) for a in split_gates(z))
    products = Products(cell.kernels(params, job.dtype))

    def arguments(at: Any, theta: dict[str, Any], valid: Any) -> Any:
        """x, recur, theta and the keyword arguments of one step."""
        x, per_step = at
        recur = Recur(cell.gates, products, dtype, valid)
        vectors = {n: units(a, len(batch) + 1) for n, a in theta.items()}
        return by_gate(cell.gates, x), recur, vectors, options | per_step

    def drive(at: Any, theta: dict[str, Any], valid: Any) -> Any:
        return linear.coefficients(carry, *arguments(at, theta, valid))

    def show(at: Any, theta: dict[str, Any], valid: Any) -> Any:
        return linear.shown(at[1], *arguments(at[0], theta, valid))

    theta = job.rows.theta
    a, b = of_all_steps(drive, (x, per_step), theta, valid, len(batch))
    if valid is not None:
        a = select(valid, a, identity(len(a), a[0]))
        b = select(valid, b, jax.tree.map(lambda v: jnp.full_like(v, -0.0), b))  # -0.0 added changes no bit
    if reset is not None:
        fresh = times(a, tuple(jnp.broadcast_to(s[None], (T, *s.shape)) for s in job.rows.start))  # type: ignore[union-attr]
        b = select(reset, tuple(map(jnp.add, fresh, b)), b)
        a = select(reset, jax.tree.map(jnp.zeros_like, a), a)
    states, final = (type(carry)(*h) for h in solve(a, b, tuple(carry), plan.reverse))
    y = of_all_steps(show, ((x, per_step), states), theta, valid, len(batch))
    if valid is not None:
        y = select(valid, y, jnp.zeros_like(y))
    y = spread_over_devices(y.astype(job.dtype), steps.x)
    return final, (y, states) if plan.carries else y
