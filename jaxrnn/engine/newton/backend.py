"""Newton's method as a backend: all steps at once, else in blocks, else a row is what the loop makes of it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.base.dtypes import state_dtype
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.placement import spread_over_devices
from jaxrnn.base.typing import Array, Carry
from jaxrnn.core.cell import Cell
from jaxrnn.core.linear import declared
from jaxrnn.core.step import Rows, Step
from jaxrnn.engine import registry, scheduled
from jaxrnn.engine.masks import clean
from jaxrnn.engine.newton.iterate import BLOCK, LEAST, Errors, in_blocks, solve
from jaxrnn.engine.newton.model import Known, Model, after, attached
from jaxrnn.engine.newton.solve import before, by_row
from jaxrnn.engine.newton.structure import NoNewton, groups, settled
from jaxrnn.engine.noise import over_time
from jaxrnn.engine.products import split_gates
from jaxrnn.engine.sequence import Job

MOST = 2**26  # numbers of all Jacobians: T * B * K * M**2, which is T * B * H**2 where all units see all


class NewtonReport(NamedTuple):
    """What Newton's method did, an entry a row `[*B]`.

    iterations: linear solves, those of attempts that failed too. bound: of the error of all states, relative to
    1 + abs(h), from the last attempt; infinite where that was not finite. fell_back: rows that the loop ran. blocks: of
    time in which a row was solved or tried after all steps at once failed; zero where that did not.
    """

    iterations: Array
    bound: Array
    fell_back: Array
    blocks: Array


def declines(cell: Cell, dtype: Any, carry_dtype: Any) -> str | None:
    """Why Newton's method does not run a cell in these dtypes; None where it does."""
    products, state = jnp.dtype(dtype).name, jnp.dtype(carry_dtype).name
    if declared(cell) is not None:
        return "runs cells that are not linear in the state; this one is, and runs at once by 'chunked'"
    if products != state or state not in ("float32", "float64"):
        return f"computes in float32 or float64 throughout, not {products} with a carry of {state}"
    if cell.axes or not cell.derivable:
        return "multiplies matrices that have derivatives, no convolutions and no integers"
    found = settled(cell, products, state)
    return found if isinstance(found, str) else None


def too_large(cell: Cell, dtype: Any, carry_dtype: Any, sizes: tuple[int, ...]) -> str | None:
    """Why it does not run a cell over T, *B of these sizes."""
    found = settled(cell, jnp.dtype(dtype).name, jnp.dtype(carry_dtype).name)
    return None if isinstance(found, str) else _too_large(cell, found, sizes)


def _too_large(cell: Cell, count: int, sizes: tuple[int, ...]) -> str | None:
    block = sum(math.prod(s) for s in cell.carry_shapes(())) // count
    numbers = math.prod(sizes) * count * block**2
    if numbers <= MOST:
        return None
    text = f"holds a Jacobian of every step, here {count} of {block} by {block} in {math.prod(sizes):,} steps of rows: "
    return f"{text}{numbers:,} numbers, where {MOST:,} are the most"


def schedule(T: int, chunk: int | str | None, rows: int, cell: Cell) -> str:
    """How it runs, in words."""
    return f"{T} steps at once by Newton's method; else in blocks of {LEAST} to {BLOCK}; else one after the other"


def run(job: Job) -> tuple[Carry, Any]:
    """Run a sequence."""
    return solved(job)[0]


def solved(job: Job) -> tuple[tuple[Carry, Any], NewtonReport]:
    """Run a sequence, and say how."""
    T, batch = job.steps.t.shape[0], jax.tree.leaves(job.carry)[0].shape[:-1]
    if T == 0 or 0 in batch:
        zero = jnp.zeros(batch, jnp.int32)
        return scheduled.run(job), NewtonReport(zero, jnp.zeros(batch, state_dtype(job.carry)), zero != zero, zero)
    model, known, start = model_of(job)
    still, first = jax.tree.map(lax.stop_gradient, (known, start))
    found, report = _states(model, still, first)
    ok = ~report.fell_back
    # Of rows that the loop runs nothing may reach derivatives: 0 * inf is NaN.
    steps = jax.tree.map(lambda a: _of_rows(ok, a), known.steps)
    known, start = known._replace(steps=steps), by_row(ok, start, jnp.zeros_like(start))
    h = attached(model, known, start, ok, _of_rows(ok, found))
    states, ys = after(model, known, before(h, start))
    restored = lambda a, axes: a.reshape(*a.shape[:axes], *batch, *a.shape[axes + 1 :])  # noqa: E731
    carries = jax.tree.map(lambda a: restored(a, 1), model.unpack(states))
    final, y = jax.tree.map(lambda a: a[-1], carries), restored(ys, 1).astype(job.dtype)
    outputs = (y, carries) if job.plan.carries else y
    if job.plan.reverse:
        outputs = jax.tree.map(lambda a: a[::-1], outputs)
    report = jax.tree.map(lambda a: restored(a, 0), report)
    return _or_the_loop(job, report.fell_back, (final, outputs)), report


def model_of(job: Job) -> tuple[Model, Known, Array]:
    """A job as functions of states, its batch axes as rows and time forward."""
    cell, plan, batch = job.cell, job.plan, jax.tree.leaves(job.carry)[0].shape[:-1]
    rows = lambda a, axes: a.reshape(*a.shape[:axes], -1, *a.shape[axes + len(batch) :])  # noqa: E731
    noise = over_time(lambda t: cell.draw(job.rng, t, batch), job.steps.t, job.rng)
    per_step = noise | job.steps.per_step
    row = lambda a, axes: jax.ShapeDtypeStruct(a.shape[axes + len(batch) :], a.dtype)  # noqa: E731
    theta = {n: row(a, 0) for n, a in job.rows.theta.items()}
    try:
        count = groups(cell, job.dtype, state_dtype(job.carry), theta, {n: row(a, 1) for n, a in per_step.items()})
        why = _too_large(cell, count, (job.steps.t.shape[0], *batch))
    except NoNewton as reason:
        why = str(reason)
    if why is not None:
        fail("backend", f"one that runs {cell.name} on these inputs", Said(f"'newton', which declines: {why}"))
    model = Model(cell, count)
    z = clean(job.steps.valid, job.steps.x)
    if not plan.projected:
        z = cell.projection_of(job.params, z)
    steps = Step(split_gates(z), job.steps.valid, job.steps.reset, per_step)
    steps = jax.tree.map(lambda a: rows(a, 1)[::-1] if plan.reverse else rows(a, 1), steps)
    of_rows = jax.tree.map(lambda a: rows(a, 0), Rows(job.rows.theta, job.rows.start))
    kernels, of_rows, start = spread_over_devices(
        (cell.kernels(job.params, job.dtype), of_rows, model.pack(jax.tree.map(lambda a: rows(a, 0), job.carry))),
        steps.x[0],
    )
    return model, Known(kernels, of_rows, steps), start


def _states(model: Model, known: Known, start: Array) -> tuple[Array, NewtonReport]:
    T, R = known.steps.x[0].shape[:2]
    none = Errors(jnp.zeros_like(start), jnp.zeros_like(start))
    everything = spread_over_devices(jnp.ones((R,), bool), start)
    time = jnp.broadcast_to(jnp.arange(T, dtype=jnp.int32)[:, None], (T, R))
    whole = solve(model, known, start, none, time, everything)
    parts = in_blocks(model, known, start, ~whole.ok)
    found = whole.ok | parts.found
    h = jax.vmap(lambda a, b: by_row(whole.ok, a, b))(whole.h, parts.h)
    bound = jnp.where(whole.ok, whole.bound, parts.bound)
    return h, NewtonReport(whole.iterations + parts.iterations, bound, ~found, parts.blocks)


def _of_rows(ok: Array, a: Array) -> Array:
    """`[T, R, ...]` with zeros in other rows."""
    return jnp.where(ok.reshape((1, -1) + (1,) * (a.ndim - 2)), a, jnp.zeros_like(a))


def by_loop(job: Job) -> tuple[Carry, Any]:
    """What the backend makes of a job that would run it by itself."""
    sizes = (job.steps.t.shape[0], *jax.tree.leaves(job.carry)[0].shape[:-1])
    backend = registry.choose(job.cell, "auto", job.dtype, state_dtype(job.carry), sizes)
    return backend.run(job._replace(plan=job.plan._replace(backend="auto")))


def _or_the_loop(job: Job, fell_back: Array, results: tuple[Carry, Any]) -> tuple[Carry, Any]:
    """With the loop's results and derivatives in rows that fell back. It runs only where there are such."""
    nothing = jax.tree.map(jnp.zeros_like, results)
    looped = lax.cond(fell_back.any(), lambda: by_loop(job), lambda: nothing)

    def pick(axes: int, a: Array, b: Array) -> Array:
        return jnp.where(lax.broadcast_in_dim(fell_back, a.shape, tuple(range(axes, axes + fell_back.ndim))), a, b)

    final = jax.tree.map(lambda a, b: pick(0, a, b), looped[0], results[0])
    return final, jax.tree.map(lambda a, b: pick(1, a, b), looped[1], results[1])
