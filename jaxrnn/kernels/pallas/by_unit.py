"""Which cells run on GPUs: those whose equations are of one unit each, of products with kernels in heads."""

from __future__ import annotations

from typing import Any

import jax
from jax.extend.core import Jaxpr

from jaxrnn.core.cell import Cell
from jaxrnn.forms.heads import Heads
from jaxrnn.forms.kernel import Kernel
from jaxrnn.kernels.native.graph import Declined
from jaxrnn.kernels.native.row import Signature
from jaxrnn.kernels.pallas.rules import OPENED
from jaxrnn.kernels.pallas.step import Traced, shapes
from jaxrnn.programs import jaxprs


def heads_of(cell: Cell, dtype: Any) -> int:
    """Into how many heads the recurrent kernels divide units; dense ones are one head.

    Raises:
        Declined: there are none, they differ in it, or they are not square.
    """
    kernels: dict[str, Kernel] = cell.kernel_shapes(dtype)
    for name, k in kernels.items():
        if (k.inputs, k.units) != (cell.size, cell.size):
            raise Declined(f"multiplies {cell.size} units into as many, and {name!r} is {k.inputs} by {k.units}")
    counts = {k.form.count if isinstance(k.form, Heads) else 1 for k in kernels.values()}
    if len(counts) != 1:
        raise Declined(
            f"has a block for each head, and kernels here are in {sorted(counts)} heads"
            if counts
            else "holds recurrent kernels in shared memory, and here are none"
        )
    return counts.pop()


def check(cell: Cell, signature: Signature, traced: Traced, rows: int) -> None:
    """Raise `Declined` where something mixes units, or has another number of them. `traced`: of so many rows."""
    heads_of(cell, signature.stored)
    carry, read = shapes(cell, signature, rows)
    whole = (rows, cell.size)
    for a in jax.tree.leaves((carry, read.x, read.theta, read.floats, read.flags)):
        if a.shape != whole:
            raise Declined(f"has {cell.size} numbers of a kind, one a unit, and here are some of {a.shape[1:]}")
    if cell.output_size != cell.size:
        raise Declined(f"puts out its {cell.size} units, not {cell.output_size}")
    for closed in (traced.forward, traced.backward):
        _check(closed.jaxpr, whole)


def _check(jaxpr: Jaxpr, whole: tuple[int, int]) -> None:
    """Of scalars and whole states alone, and of products with kernels; nothing that keeps such a shape and mixes units
    is lowered for GPUs."""
    for eqn in jaxpr.eqns:
        name = eqn.primitive.name
        if name in OPENED:
            called = eqn.params[OPENED[name]]
            _check(getattr(called, "jaxpr", called), whole)
        elif name != "dot_general" and (
            jaxprs.inner(eqn) or any(jaxprs.shape_of(v) not in (whole, ()) for v in (*eqn.invars, *eqn.outvars))
        ):
            raise Declined(f"computes units by themselves on GPUs, and `{name}` is of several")
