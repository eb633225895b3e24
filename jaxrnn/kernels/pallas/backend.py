"""The Pallas backend as the engine sees it: what it declines, and how it runs a job."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.platform import INTERPRETED, INTERPRETED_GPU, platform
from jaxrnn.base.typing import Carry
from jaxrnn.core.cell import Cell
from jaxrnn.core.step import Step
from jaxrnn.engine.masks import clean
from jaxrnn.engine.noise import over_time
from jaxrnn.engine.plan import blocks
from jaxrnn.engine.sequence import Job, Steps
from jaxrnn.forms.dense import Dense, dense
from jaxrnn.forms.heads import Heads
from jaxrnn.forms.kernel import Kernel
from jaxrnn.kernels.native import arrays
from jaxrnn.kernels.native.primitive import spread
from jaxrnn.kernels.native.sequences import in_calls
from jaxrnn.kernels.pallas import asked
from jaxrnn.kernels.pallas.layout import Spec
from jaxrnn.kernels.pallas.lower import PALLAS

DTYPES = [("float32", "float32"), ("bfloat16", "float32")]
FORMS = (Dense, Heads)


def declines(cell: Cell, dtype: Any, carry_dtype: Any) -> str | None:
    """Why a cell does not run here in these dtypes; None where it does."""
    reason = asked.where() or _no_program(cell)
    if reason is not None:
        return reason
    products, state = jnp.dtype(dtype).name, jnp.dtype(carry_dtype).name
    if platform() == "gpu" and (products, state) != DTYPES[1]:
        return f"multiplies bfloat16 and computes in float32 on GPUs, not {products} with a carry of {state}"
    if (products, state) not in DTYPES:
        either = "float32 throughout, or multiplies bfloat16 and computes in float32"
        return f"computes in {either}, not {products} with a carry of {state}"
    for name, kernel in cell.kernel_shapes(dtype).items():
        if not isinstance(kernel.form, FORMS):
            return f"multiplies kernels that are dense or in heads, not {kernel.form!r} as {name!r} is"
    return asked.usual(cell, products, state)


def _no_program(cell: Cell) -> str | None:
    """Why a cell is no program of vectors and products, whatever its equations are."""
    if cell.reads:
        return "projects inputs before the loop, which these equations read themselves"
    if cell.axes:
        return "has no convolutions: a product there is one of positions"
    return None if cell.derivable else "multiplies kernels that have derivatives, none of int8"


def run(job: Job) -> tuple[Carry, Any]:
    """Run a whole sequence in one call, or in segments that save only the carry they start from."""
    return in_calls(job, partial(_run, job))


def _run(job: Job, carry: Carry, steps: Steps) -> tuple[Carry, Any]:
    """One call: batch axes become rows, inputs are cleaned and multiplied, masks are drawn."""
    cell, plan = job.cell, job.plan
    batch, T = jax.tree.leaves(carry)[0].shape[:-1], steps.t.shape[0]
    xs = clean(steps.valid, steps.x)
    xs = xs if plan.projected else cell.projection_of(job.params, xs)
    noise = over_time(lambda t: cell.draw(job.rng, t, batch), steps.t, job.rng)
    given = {n: clean(steps.valid, a) for n, a in (noise | steps.per_step).items()}
    step = Step(xs, steps.valid, steps.reset, given)
    kernels = {n: _as_multiplied(k) for n, k in cell.kernels(job.params, job.dtype).items()}
    operands = arrays.gather(cell, job.params, job.dtype, True, step, carry, job.rows)
    operands = operands._replace(kernels=dict(sorted(kernels.items())))
    signature = arrays.describe(operands, plan.carries, job.dtype)
    if reason := asked.why_not(cell, signature):
        fail("backend", f"one that runs {cell.name} on these inputs", Said(f"'pallas', which declines: {reason}"))
    block = plan.chunk if isinstance(plan.chunk, int) and plan.chunk < T else None
    interpret = platform() in (INTERPRETED, INTERPRETED_GPU)
    spec = Spec(cell, signature, plan.reverse, block, interpret, asked.for_gpus())
    final, ys = PALLAS(spec, spread(operands))
    restore_row = lambda a: a.reshape(*batch, *a.shape[1:])  # noqa: E731
    restore_step = lambda a: a.reshape(T, *batch, *a.shape[2:])  # noqa: E731
    return jax.tree.map(restore_row, final), jax.tree.map(restore_step, ys)


def _as_multiplied(kernel: Kernel) -> Kernel:
    """A kernel as one matrix a gate, heads with the zeros between them; for GPUs as heads, a dense one as one head."""
    if asked.for_gpus():
        (a,) = kernel.arrays
        return Kernel(Heads(1), (a[None],), kernel.columns) if isinstance(kernel.form, Dense) else kernel
    if isinstance(kernel.form, Dense):
        return kernel
    return Kernel(dense, (kernel.product(jnp.eye(kernel.inputs, dtype=kernel.dtype)),), kernel.columns)


def schedule(T: int, chunk: int | str | None, rows: int, cell: Cell) -> str:
    """How it runs, in words."""
    segment = blocks(T, chunk, rows, cell.size).segment
    if segment is not None and segment < T:
        return f"{T} steps in kernels of {segment}, which save only the carry they start from"
    return f"{T} steps in one kernel, which keeps its carries"
