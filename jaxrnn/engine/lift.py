"""What equations read besides their arguments becomes an argument of the program.

An activation may close over an array, or over a value that is being differentiated. A rule for derivatives, a compiled
table or a cached program must not: it outlives what it closed over. So the equations are traced on one row, and what
they were found to read is handed to each row as `theta` is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr

from jaxrnn.base.dtypes import is_numeric, state_dtype
from jaxrnn.base.placement import spread_over_devices
from jaxrnn.base.typing import Array, Carry
from jaxrnn.core.cell import Cell
from jaxrnn.core.closures import holds_arrays, methods
from jaxrnn.core.equations import Recurrent, run, trace
from jaxrnn.core.step import one_row, product_shapes, repeat_rows
from jaxrnn.engine.noise import over_time
from jaxrnn.engine.sequence import Job
from jaxrnn.engine.units import NotByUnit, run_by_unit

MOST = 16  # numbers for each unit that are handed to every row


class NotLifted(Exception):
    """Equations that run as they stand alone; the text says why."""


@dataclass(frozen=True, eq=False)
class Lifted:
    """Equations whose `theta` holds all that they read. Equal to itself alone."""

    jaxpr: Jaxpr  # of one row; closes over nothing
    tree: Any  # of the results
    read: tuple[tuple[str, tuple[int, ...], str], ...]  # its names in theta, shapes of one row, dtypes

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _, _ in self.read)

    def __call__(
        self, carry: Carry, x: Any, recur: Recurrent, theta: Mapping[str, Any], **per_step: Array
    ) -> tuple[Carry, Array]:
        read = [jnp.stack(a, -2) if isinstance(a, tuple) else a for a in (theta[n] for n in self.names)]
        own = {n: a for n, a in theta.items() if n not in self.names}
        leaves = [*read, *jax.tree.leaves((carry, x, own, per_step))]
        jaxpr, constants = self.jaxpr, []
        axes = jax.tree.leaves(carry)[0].ndim - 1
        if axes:
            on_rows = lambda *leaves: run(self.jaxpr, (), leaves, None)  # noqa: E731
            for _ in range(axes):
                on_rows = jax.vmap(on_rows)
            closed = jax.make_jaxpr(on_rows)(*leaves)
            jaxpr, constants = closed.jaxpr, closed.consts
        return jax.tree.unflatten(self.tree, run(jaxpr, constants, leaves, recur))


def lift(job: Job) -> Job:
    """A job whose equations read nothing but their arguments.

    Raises:
        NotLifted: the equations do not run on one row, or what they read cannot be handed to rows.
    """
    cell, steps, batch = job.cell, job.steps, jax.tree.leaves(job.carry)[0].shape[:-1]
    per_step = over_time(lambda t: cell.draw(job.rng, t, batch), steps.t, job.rng) | steps.per_step
    row = lambda a, axes: jax.ShapeDtypeStruct(a.shape[axes:], a.dtype)  # noqa: E731
    theta = {n: row(a, len(batch)) for n, a in job.rows.theta.items()}
    lifted, read = _lifted(
        cell, job.dtype, state_dtype(job.carry), theta, {n: row(a, 1 + len(batch)) for n, a in per_step.items()}
    )
    rows = {n: repeat_rows(a, batch) for n, a in zip(lifted.names, read, strict=True)}
    return job._replace(
        cell=replace(cell, update=lifted, noises=(), per_step=tuple(per_step)),
        steps=steps._replace(per_step=per_step),
        rows=job.rows._replace(theta=job.rows.theta | spread_over_devices(rows, steps.x)),
        rng=None,
    )


def lifted_cell(cell: Cell, dtype: Any, carry_dtype: Any) -> Cell:
    """A cell whose equations read nothing but their arguments, as far as that can be told without a call.

    Raises:
        NotLifted: see `lift`.
    """
    if not holds_arrays(cell) or cell.per_step:  # their shapes are known when they are given
        return cell
    theta = cell.theta_shapes(carry_dtype)
    return replace(cell, update=_lifted(cell, dtype, carry_dtype, theta, {})[0], noises=())


def _lifted(
    cell: Cell, dtype: Any, carry_dtype: Any, theta: Mapping[str, Any], per_step: Mapping[str, Any]
) -> tuple[Lifted, list[Array]]:
    """The equations, given the shapes of one row, and what they read."""
    kernels = cell.kernel_shapes(dtype)
    if any(s.arrays or s.open for s in methods(cell)):
        raise NotLifted("a form of their kernels reads arrays")
    arguments = *one_row(cell, carry_dtype, theta), dict(per_step)
    try:
        traced = trace(cell.update, partial(product_shapes, cell.gates, kernels, carry_dtype), *arguments)
    except Exception as error:  # of a user's equations, whatever it is; they say it again where they run as they stand
        raise NotLifted(f"they do not run on one row without batch axes: {error}") from error
    read = [jnp.asarray(a) for a in traced.read if _is_numeric(a)]
    if len(read) < len(traced.read):
        raise NotLifted("they read arrays that are no numbers")
    if sum(a.size for a in read) > MOST * cell.size:
        raise NotLifted(f"they read more than {MOST} numbers for each unit besides their arguments")
    leaves, count = jax.tree.leaves(arguments), len(read)
    spread_out = [jnp.broadcast_to(a, (cell.size,)) if _is_one(a) else a for a in read]
    by_unit = lambda *leaves: run_by_unit(traced.jaxpr, leaves[:count], leaves[count:])  # noqa: E731
    as_read = lambda *leaves: run(traced.jaxpr, leaves[:count], leaves[count:], None)  # noqa: E731
    try:
        closed, read = jax.make_jaxpr(by_unit)(*spread_out, *leaves), spread_out
    except NotByUnit:
        closed = jax.make_jaxpr(as_read)(*read, *leaves)
    if closed.consts:
        raise NotLifted("they make arrays of their own")
    named = tuple((f"closed over {i}", a.shape, a.dtype.name) for i, a in enumerate(read))
    return Lifted(closed.jaxpr, traced.tree, named), read


def _is_numeric(a: Any) -> bool:
    return is_numeric(jax.typeof(a).dtype)


def _is_one(a: Array) -> bool:
    """One number that may be differentiated."""
    return a.shape == () and jnp.issubdtype(a.dtype, jnp.floating)
