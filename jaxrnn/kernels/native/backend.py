"""The native backend as the engine sees it: what it declines, and how it runs a job."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.export import is_symbolic_dim

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.platform import only_on_cpus
from jaxrnn.base.typing import Carry
from jaxrnn.core.cell import Cell
from jaxrnn.core.step import Step
from jaxrnn.engine import scheduled
from jaxrnn.engine.lift import Lifted
from jaxrnn.engine.masks import clean
from jaxrnn.engine.noise import over_time
from jaxrnn.engine.plan import blocks
from jaxrnn.engine.sequence import Job, Steps
from jaxrnn.kernels.native import arrays, library, row
from jaxrnn.kernels.native.arrays import Operands, Spec
from jaxrnn.kernels.native.graph import Declined
from jaxrnn.kernels.native.primitive import spread
from jaxrnn.kernels.native.primitives import NATIVE
from jaxrnn.kernels.native.row import Signature
from jaxrnn.kernels.native.sequences import in_calls
from jaxrnn.kernels.native.symbols import is_taken

SAVED_BYTES = 2**28  # of products' results that are kept; to multiply again takes a sixth to a third more time
DTYPES = [("float32", "float32"), ("float64", "float64"), ("bfloat16", "float32"), ("float16", "float32")]
NOT_ON_A_ROW = "the equations do not run on one row without batch axes"
FEW_ROWS = 32  # of one step, for which packing kernels takes longer than what packed ones save; of 16 bits none does
BESIDE = 3.3  # outputs' worth of memory beside what is kept: outputs, cotangents, packed kernels, scratch memory
BESIDE_PROJECTION = 2.6  # the same where nothing else is multiplied


def declines(cell: Cell, dtype: Any, carry_dtype: Any) -> str | None:
    """Why a cell does not run natively in these dtypes; None where it does."""
    reason = only_on_cpus() or library.missing()
    if reason is not None:
        return reason
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.manual_axes and mesh.explicit_axes:
        return "knows nothing of explicit axes inside `shard_map` over others"
    if reason := no_program(cell):
        return reason
    products, state = jnp.dtype(dtype).name, jnp.dtype(carry_dtype).name
    if (products, state) not in DTYPES:
        either = "float32 or float64 throughout, or multiplies bfloat16 or float16 and computes in float32"
        return f"computes in {either}, not {products} with a carry of {state}"
    return _declines(cell, products, state)


def leaves(cell: Cell, dtype: Any, carry_dtype: Any, sizes: tuple[Any, ...]) -> str | None:
    """Why `auto` goes on to the next: a call packs kernels first, which takes longer than one step of few rows."""
    if not sizes or any(map(is_symbolic_dim, sizes)) or sizes[0] != 1 or np.prod(sizes[1:], dtype=int) > FEW_ROWS:
        return None
    if jnp.dtype(dtype) != jnp.dtype(carry_dtype):
        return None
    return f"leaves one step of up to {FEW_ROWS} rows to 'scheduled', which reads kernels where they lie"


def no_program(cell: Cell) -> str | None:
    """Why a cell is no program of vectors and products, whatever its equations are."""
    if cell.reads:
        return "projects inputs before the loop, which these equations read themselves"
    return "has no convolutions: a product there is one of positions" if cell.axes else None


@lru_cache(maxsize=256)
def _declines(cell: Cell, stored: str, dtype: str) -> str | None:
    carry = tuple(tuple(s) for s in cell.carry_shapes(()))
    units = [(n, a.shape) for n, a in cell.theta_shapes(dtype).items()]
    masks = [(n.name, cell.mask_shape(n), "bool") for n in cell.noises]
    fixed = [m for m, n in zip(masks, cell.noises, strict=True) if n.fixed]
    read = cell.update.read if isinstance(cell.update, Lifted) else ()
    theta: tuple[Any, ...] = (*((n, shape, dtype) for n, shape in units), *fixed, *read)
    given = tuple(m for m, n in zip(masks, cell.noises, strict=True) if not n.fixed)
    # As a call without lengths has it, which need not be looked at again: masks and resets change nothing here.
    reason = lambda given: why_not(  # noqa: E731
        cell, Signature(carry, tuple(sorted(theta)), tuple(sorted(given)), False, False, False, dtype, stored)
    )
    if not cell.per_step:
        return reason(given)
    # They are known when they are given; some equations are declined whatever these are.
    usual = [[(n, shape, kind) for n in cell.per_step] for shape in ((), (cell.size,)) for kind in (dtype, "bool")]
    reasons = [reason((*given, *u)) for u in usual]
    fitting = [r for r in reasons if r is None or not r.startswith(NOT_ON_A_ROW)]
    return fitting[0] if fitting and None not in fitting else None


@lru_cache(maxsize=256)
def why_not(cell: Cell, signature: Signature) -> str | None:
    """Why a cell does not run natively on rows of this form; None where it does."""
    try:
        arrays.check(cell, signature)
    except Declined as reason:
        return str(reason)
    except Exception as error:  # of a user's equations, whatever it is; they say it again where they run as they stand
        return f"{NOT_ON_A_ROW}: {error}"
    return None


def run(job: Job) -> tuple[Carry, Any]:
    """Run a whole sequence in one call, or in segments that save only the carry they start from."""
    return in_calls(job, partial(_run, job))


def _run(job: Job, carry: Carry, steps: Steps) -> tuple[Carry, Any]:
    """One call: batch axes become rows, inputs are cleaned, masks are drawn."""
    cell, params, plan = job.cell, job.params, job.plan
    batch = jax.tree.leaves(carry)[0].shape[:-1]
    T, N = steps.t.shape[0], int(np.prod(batch, dtype=int))
    xs = clean(steps.valid, steps.x)
    densely = not plan.projected and arrays.is_dense(cell, params)
    symbols = densely and cell.derivable and is_taken(xs, cell.input_size(params))
    projected = not (symbols or (densely and jnp.issubdtype(xs.dtype, jnp.floating)))
    if projected and not plan.projected:
        xs = cell.projection_of(params, xs)
    noise = over_time(lambda t: cell.draw(job.rng, t, batch), steps.t, job.rng)
    per_step = noise | steps.per_step

    def read(per_step: dict[str, Any]) -> tuple[Operands, Signature, str | None]:
        step = Step(xs, steps.valid, steps.reset, per_step)
        operands = arrays.gather(cell, params, job.dtype, projected, step, carry, job.rows)
        signature = arrays.describe(operands, plan.carries, job.dtype)
        return operands, signature, why_not(cell, signature)

    operands, signature, reason = read(per_step)
    given, repeated = signature, by_unit(steps.per_step, carry, reason)
    if repeated:
        operands, signature, still = read(per_step | repeated)
        reason = reason if still else None
    if reason:
        if plan.backend != "auto":
            fail("backend", f"one that runs {cell.name} on these inputs", Said(f"'native', which declines: {reason}"))
        return scheduled.run(job._replace(carry=carry, steps=steps))
    width = np.dtype(signature.dtype).itemsize
    beside = width * sum(2 * a.shape[-1] for a in repeated.values())
    if projected and not plan.projected and jnp.issubdtype(steps.x.dtype, jnp.floating):  # by a kernel of another form
        beside += np.dtype(signature.stored).itemsize * len(cell.gates) * cell.size
    saves = _saves(cell, signature, plan.chunk, T, N, row.residuals(cell, given), beside)
    spec = Spec(cell, signature, projected, plan.reverse, _block(plan.chunk, T), saves)
    final, ys = NATIVE(spec, spread(operands))
    restore_row = lambda a: a.reshape(*batch, *a.shape[1:])  # noqa: E731
    restore_step = lambda a: a.reshape(T, *batch, *a.shape[2:])  # noqa: E731
    return jax.tree.map(restore_row, final), jax.tree.map(restore_step, ys)


def by_unit(per_step: dict[str, Any], carry: Carry, reason: str | None) -> dict[str, Any]:
    """Per-step numbers of a row, repeated for each of its units: what equations make of all units alike, say a time,
    has a derivative that sums over them, and there are no sums here. Nothing where they do not run on rows at all."""
    if reason is None or reason.startswith(NOT_ON_A_ROW):
        return {}
    leaf = jax.tree.leaves(carry)[0]
    axes, units = leaf.ndim, leaf.shape[-1]  # of time and batch
    real = {n: a for n, a in per_step.items() if jnp.issubdtype(a.dtype, jnp.floating)}
    return {n: jnp.repeat(a[..., None], units, -1) for n, a in real.items() if a.ndim == axes}


def schedule(T: int, chunk: int | str | None, rows: int, cell: Cell) -> str:
    """How it runs, in words."""
    segment = blocks(T, chunk, rows, cell.size).segment
    if segment is not None and segment < T:
        return f"{T} steps in calls of {segment}, which save only the carry they start from"
    return f"{T} steps in one call, which keeps its carries and what came of its products"


def _block(chunk: int | str | None, T: int) -> int | None:
    return chunk if isinstance(chunk, int) and chunk < T else None


def _saves(
    cell: Cell, signature: Signature, chunk: int | str | None, T: int, N: int, residuals: int, beside: int
) -> bool:
    """Whether to keep the results of products: where `chunk` asks for everything, else as the memory law allows.

    The law asks for 0.6 of a plain scan's memory, which is its residuals, outputs and their cotangents; of a cell with
    one gate for no more than all of it. `beside` are further bytes of a row and step that this backend holds.
    """
    if chunk is not None:
        return isinstance(chunk, int) and chunk >= T
    width, stored = np.dtype(signature.dtype).itemsize, np.dtype(signature.stored).itemsize
    results, around = stored * sum(p.outputs for p in row.products(cell, signature)), BESIDE
    if row.projects_alone(cell, signature):
        results, around = stored * len(cell.gates) * cell.size, BESIDE_PROJECTION
    if T * N * results > SAVED_BYTES:
        return False
    shown = arrays.findings(cell, signature).shown
    kept = results + width * sum(s[-1] for i, s in enumerate(signature.carry) if i != shown) + beside
    plain = width * (residuals + 2 * cell.output_size)
    return kept + around * width * cell.output_size <= (1.0 if len(cell.gates) == 1 else 0.6) * plain
