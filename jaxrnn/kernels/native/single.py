"""One step by itself, in one call: kernels are read where they lie, by all threads where they are large.

To run one step of few rows is to read its kernels once. XLA reads each on one core and hands the equations to others,
which costs more than they take. A step that is differentiated is not this primitive but its equations.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.export import is_symbolic_dim
from jax.interpreters import ad, batching

from jaxrnn.base.dtypes import state_dtype
from jaxrnn.base.typing import Array, Carry, Params
from jaxrnn.core.cell import Cell
from jaxrnn.core.step import Rows, Step, as_it_stands
from jaxrnn.kernels.native import arrays, backend, calls
from jaxrnn.kernels.native.arrays import Spec
from jaxrnn.kernels.native.call import Prepared
from jaxrnn.kernels.native.primitive import Form, batch, derivative, differs, make, natively
from jaxrnn.kernels.native.primitives import NATIVE

MOST_ROWS = 8  # with more the products are work for XLA's own, which packs kernels


def run(
    cell: Cell, params: Params, dtype: Any, rows: Rows, carry: Carry, step: Step, projected: bool
) -> tuple[Carry, Array] | None:
    """The step, or None where the equations run as they stand."""
    axes, given = jax.tree.leaves(carry)[0].shape[:-1], (params, rows, carry, step)
    if any(map(is_symbolic_dim, axes)) or not 0 < np.prod(axes, dtype=int) <= MOST_ROWS:
        return None
    if backend.declines(cell, dtype, state_dtype(carry)):
        return None
    if any(jax.typeof(a).manual_axis_type.varying for a in jax.tree.leaves(given)):
        return None
    steps = jax.tree.map(lambda a: a[None], step)
    operands, signature = _described(cell, params, dtype, projected, steps, carry, rows)
    if reason := backend.why_not(cell, signature):
        repeated = backend.by_unit(steps.per_step, carry, reason)
        steps = steps._replace(per_step=steps.per_step | repeated)
        operands, signature = _described(cell, params, dtype, projected, steps, carry, rows)
        if not repeated or backend.why_not(cell, signature):
            return None
    leaves, tree = jax.tree.flatten(operands)
    spec = Spec(cell, signature, projected, reverse=False, block=None, in_place=True)
    *final, y = (a.reshape(*axes, a.shape[-1]) for a in single.bind(*leaves, form=Form(spec, tree)))
    return type(carry)(*final), y


def _described(
    cell: Cell, params: Params, dtype: Any, projected: bool, steps: Step, carry: Carry, rows: Rows
) -> tuple[arrays.Operands, Any]:
    operands = arrays.gather(cell, params, dtype, projected, steps, carry, rows)
    return operands, arrays.describe(operands, False, dtype)


def _slow(*leaves: Any, form: Form) -> list[Any]:
    spec, operands = form.spec, form.operands(leaves)
    steps = Step(operands.xs, operands.valid, operands.reset, operands.floats | operands.flags)
    step = jax.tree.map(lambda a: a[0], steps)
    rows, dtype = Rows(operands.theta, operands.start), jnp.dtype(spec.signature.stored)
    final, y = as_it_stands(spec.cell, operands.params(), dtype, rows, operands.carry, step, spec.projected)
    return [*final, y[None].astype(dtype)]


def _prepare(form: Form, avals: Any) -> Prepared | None:
    operands = form.operands(avals)
    return calls.prepare_forward(form.spec, operands, False) if 0 < operands.xs.shape[1] <= MOST_ROWS else None


def _batch(leaves: Any, axes: Any, *, form: Form) -> Any:
    if not differs(form.roles(), axes):
        return batch(single, NATIVE.results, leaves, axes, form=form)
    results = jax.vmap(partial(_slow, form=form), axes)(*leaves)
    return results, [0] * len(results)


single = make("jaxrnn_single", _slow, NATIVE.results, natively(_prepare))
ad.primitive_jvps[single] = lambda primals, tangents, *, form: derivative(_slow, primals, tangents, form)
batching.primitive_batchers[single] = _batch
