"""Dispatch: cells go to a backend, composed layers hand their parts back to `run`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from jaxrnn.base.dtypes import check_carry_dtype, check_reset_dtype, state_dtype
from jaxrnn.base.placement import automatic, joined, of_results, place, spread_over_devices
from jaxrnn.base.typing import Carry
from jaxrnn.core.aligned import check_aligned
from jaxrnn.core.cell import Cell
from jaxrnn.core.closures import holds_arrays, still
from jaxrnn.core.layer import Layer
from jaxrnn.core.prepared import prepared
from jaxrnn.core.step import Rows, select
from jaxrnn.core.underivable import without_derivative
from jaxrnn.engine.lift import NotLifted, lift
from jaxrnn.engine.masks import reset_steps, settle
from jaxrnn.engine.plan import Plan
from jaxrnn.engine.registry import Backend, as_they_stand, choose, choose_plain, is_plain
from jaxrnn.engine.sequence import Call, Job, Steps, feature_axes


def placed(run: Callable[[Call], tuple[Carry, Any]], call: Call, projected: bool) -> tuple[Carry, Any]:
    """`run` of what was given, settled; computed with automatic axes on a mesh with explicit ones."""
    given = call.sequence
    carries = [(None, *place(a)[:-1]) for a in jax.tree.leaves(call.carry)]
    lengths = [] if given.lengths is None else [(None, *place(given.lengths))]
    marks = [place(a) for a in (given.mask, given.resets, given.segments) if a is not None]
    xs = place(given.xs)
    xs = xs[: len(xs) - feature_axes(given.xs, projected)]
    at = joined(xs, *((*p, *(None,) * (len(xs) - len(p))) for p in (*lengths, *marks)), *carries)

    def settled(call: Call) -> tuple[Carry, Any]:
        return run(call._replace(sequence=settle(call.sequence)))

    return automatic(settled, (call,), of_results(call.params, call.carry, at, at[1:]))


def run(layer: Layer, call: Call, plan: Plan) -> tuple[Carry, Any]:
    """Run any layer over a checked sequence; a missing carry is the layer's initial one."""
    if isinstance(layer, Cell):
        return _run_cell(layer, call, plan)

    def part(layer: Layer, call: Call, reverse: bool) -> tuple[Carry, Any]:
        return run(still(layer), call, plan._replace(reverse=reverse))  # a user's layer hands on cells as they are

    return layer.apply(part, call, plan.reverse)  # type: ignore[attr-defined]


def _run_cell(cell: Cell, call: Call, plan: Plan) -> tuple[Carry, Any]:
    backend, job = chosen(ready(cell, call, plan))
    return backend.run(job)


def ready(cell: Cell, call: Call, plan: Plan) -> Job:
    """`job_of`, with carries that vary as the inputs do."""
    job = job_of(cell, call, plan)
    carry, start = spread_over_devices((job.carry, job.rows.start), job.steps.x)
    return job._replace(carry=carry, rows=job.rows._replace(start=start))


def job_of(cell: Cell, call: Call, plan: Plan) -> Job:
    """One cell's share of a call, as backends take it; inside `shard_map` its carries vary as those that were given."""
    if not cell.derivable:
        call = without_derivative(cell.name, call)
    params, sequence, carry, reset_carry, rng = call
    params = prepared(cell.declare(cell.input_size(params)), params)
    xs = sequence.xs
    dtype = cell.compute_dtype(params, xs)
    batch = sequence.batch_axes(plan.projected)
    batch = batch if plan.projected else cell.state_axes(batch)
    carry_dtype = cell.carry_dtype_for(dtype) if carry is None else state_dtype(carry)
    initial = cell.initial_carry(batch, params, carry_dtype)
    carry = initial if carry is None else carry
    check_carry_dtype(carry, dtype)
    if reset_carry is not None:
        check_reset_dtype(reset_carry, carry)
    start = initial if reset_carry is None else jax.tree.map(lambda a: a.astype(carry_dtype), reset_carry)
    reset = reset_steps(sequence, plan.reverse)
    if reset is not None and reset.shape[0] == 1:  # a step of a rollout: what it starts from is settled before it
        carry, reset = select(reset[0], start, carry), None
    per_step = {name: a for name, a in sequence.per_step.items() if name in cell.accepted}
    check_aligned(cell, per_step, batch, carry_dtype, 1)
    theta = cell.theta(params, batch, carry_dtype, rng)
    rows = Rows(theta, None if reset is None else start)
    steps = Steps(xs, sequence.t, sequence.valid, reset, per_step)
    return Job(cell, params, steps, carry, rows, rng, dtype, plan)


def chosen(job: Job) -> tuple[Backend, Job]:
    """The backend of a job, and what it runs.

    What equations read besides their arguments becomes one of these; where it cannot, a plain scan runs them.
    """
    backend, carry_dtype = job.plan.backend, state_dtype(job.carry)
    sizes = (job.steps.t.shape[0], *jax.tree.leaves(job.carry)[0].shape[:-1])
    if not is_plain(backend) and holds_arrays(job.cell):
        first = choose_plain(job.cell, job.dtype, carry_dtype, sizes)
        if backend == "auto" and first is not None:
            return first, job
        try:
            job = lift(job)
        except NotLifted as reason:
            return as_they_stand(job.cell, backend, str(reason), job.dtype, carry_dtype), job
    return choose(job.cell, backend, job.dtype, carry_dtype, sizes), job
