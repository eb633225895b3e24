"""Dispatch: cells go to a backend, composed layers hand their parts back to `run`."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax

from jaxrnn.cell import Cell
from jaxrnn.dtypes import check_carry_dtype, check_reset_dtype, state_dtype
from jaxrnn.engine.masks import Sequence, reset_steps, spread_over_devices
from jaxrnn.engine.plan import Plan
from jaxrnn.engine.registry import choose
from jaxrnn.layer import Layer
from jaxrnn.step import Rows
from jaxrnn.typing import Carry, Params, PRNGKeyArray


def run(
    layer: Layer,
    params: Params,
    sequence: Sequence,
    carry: Carry | None,
    reset_carry: Carry | None,
    rng: PRNGKeyArray | None,
    plan: Plan,
) -> tuple[Carry, Any]:
    """Run any layer over a checked sequence; a missing carry is the layer's initial one."""
    if not isinstance(layer, Cell):
        return layer.apply(partial(_part, plan), params, sequence, carry, reset_carry, rng, plan.reverse)  # type: ignore[attr-defined]
    return _run_cell(layer, params, sequence, carry, reset_carry, rng, plan)


def _part(
    plan: Plan, layer: Layer, params: Params, sequence: Sequence, carry: Any, reset_carry: Any, rng: Any, reverse: bool
) -> Any:
    """What a composed layer calls for its parts: the same plan, in the direction it asks for."""
    return run(layer, params, sequence, carry, reset_carry, rng, plan._replace(reverse=reverse))


def _run_cell(
    cell: Cell,
    params: Params,
    sequence: Sequence,
    carry: Carry | None,
    reset_carry: Carry | None,
    rng: PRNGKeyArray | None,
    plan: Plan,
) -> tuple[Carry, Any]:
    backend = choose(cell, plan.backend)
    mine = {name: a for name, a in sequence.per_step.items() if name in cell.accepted}
    sequence = sequence._replace(per_step=mine)
    xs = sequence.xs
    dtype = cell.compute_dtype(params, xs)
    batch = sequence.batch_axes(plan.projected)
    initial = cell.initial_carry(batch, params, None if carry is None else state_dtype(carry))
    if carry is None:
        initial = carry = cell.initial_carry(batch, params, cell.carry_dtype_for(dtype))
    check_carry_dtype(carry, dtype)
    carry = spread_over_devices(carry, xs)
    if reset_carry is not None:
        check_reset_dtype(reset_carry, carry)
    start = initial if reset_carry is None else jax.tree.map(lambda a, c: a.astype(c.dtype), reset_carry, carry)
    reset = reset_steps(sequence, plan.reverse)
    rows = Rows(
        cell.theta(params, batch, state_dtype(carry), rng), None if reset is None else spread_over_devices(start, xs)
    )
    return backend.run(cell, params, sequence, reset, carry, rows, rng, dtype, plan)
