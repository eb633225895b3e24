"""Linear recurrences natively: one pass through time forward, one backward, units shared among threads.

Forward reads a and b and writes the states; backward reads a, the states and their cotangents, and writes those
of a and b. No sum goes over units, so that the number of threads changes no bit.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.platform import only_on_cpus
from jaxrnn.core.cell import Cell
from jaxrnn.core.closures import holds_arrays
from jaxrnn.core.kernels import KERNEL
from jaxrnn.engine.recurrence import algorithms, primitives
from jaxrnn.engine.recurrence import run as runs
from jaxrnn.engine.recurrence.primitives import Form
from jaxrnn.kernels.native import backend, library
from jaxrnn.kernels.native.primitive import runs_here


def declines(cell: Cell, dtype: Any, carry_dtype: Any) -> str | None:
    """Why a cell does not run natively as a linear recurrence; None where it does."""
    reason = runs.declines(cell, dtype, carry_dtype) or only_on_cpus() or library.missing()
    if reason is not None:
        return reason
    if jnp.dtype(carry_dtype) not in (jnp.float32, jnp.float64):
        return f"computes a, b and the state in float32 or float64, not {jnp.dtype(carry_dtype).name}"
    return None


def leaves(cell: Cell, dtype: Any, carry_dtype: Any, sizes: tuple[Any, ...]) -> str | None:
    """Why `auto` goes on to the next: where a dense projection is the only product, it is made here by XLA."""
    form = dict(cell.parameters)[KERNEL].form
    if form is not None or holds_arrays(cell) or cell.kernel_shapes(dtype):
        return None
    if backend.declines(cell, dtype, carry_dtype) is not None:
        return None
    return "leaves what multiplies inputs alone to 'native', which multiplies, too, and holds less"


def _lower(kind: str, ctx: Any, *leaves: Any, form: Form) -> Any:
    """The native pass; None where it does not apply."""
    if kind == "moved" or not runs_here(ctx) or library.missing() is not None:
        return None
    if ctx.avals_in[0].size == 0 or ctx.avals_in[0].dtype not in (np.float32, np.float64):
        return None
    rule = jax.ffi.ffi_lowering(library.RECURRENCE)
    numbers = dict(entries=form.entries, reverse=form.reverse, backward=kind == "swept")
    return rule(ctx, *leaves, **{name: np.int64(value) for name, value in numbers.items()})


ONE_PASS = primitives.make("jaxrnn_recurrence", algorithms.plain, algorithms.swept_plain, _lower)
run = partial(runs.run, ONE_PASS)
