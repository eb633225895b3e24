"""The native backend as the engine sees it: what it declines, and how it runs a job."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrnn.cell import Cell
from jaxrnn.engine import scheduled
from jaxrnn.engine.linear import live
from jaxrnn.engine.masks import clean
from jaxrnn.engine.noise import over_time
from jaxrnn.engine.plan import blocks
from jaxrnn.engine.sequence import Job, Steps
from jaxrnn.errors import fail
from jaxrnn.kernels.native import arrays, library, primitives, row
from jaxrnn.kernels.native.arrays import Operands, Spec
from jaxrnn.kernels.native.primitives import Form
from jaxrnn.kernels.native.row import Signature
from jaxrnn.kernels.native.vectors import Declined
from jaxrnn.typing import Array, Carry

SAVED_BYTES = 2**28  # of products' results that are kept; to multiply again takes a sixth to a third more time


def declines(cell: Cell, dtype: Any, carry_dtype: Any) -> str | None:
    """Why a cell does not run natively in these dtypes; None where it does."""
    if jax.default_backend() != "cpu":
        return f"runs on CPUs, and JAX's default backend is {jax.default_backend()!r}"
    if library.missing() is not None:
        return library.missing()
    if jnp.dtype(dtype) not in (jnp.float32, jnp.float64) or dtype != carry_dtype:
        names = f"{jnp.dtype(dtype).name} with a carry of {jnp.dtype(carry_dtype).name}"
        return f"computes in float32 or float64 throughout, not {names}"
    return _declines(cell, jnp.dtype(dtype).name)


@lru_cache(maxsize=256)
def _declines(cell: Cell, dtype: str) -> str | None:
    if cell.per_step:
        return None  # their shapes are known when they are given
    carry = tuple(tuple(s) for s in cell.carry_shapes(()))
    units = [(n, p.shape) for n, p in cell.declare(1).items() if p.role == "unit"]
    masks = [(n.name, cell.mask_shape(n), "bool") for n in cell.noises]
    fixed = [m for m, n in zip(masks, cell.noises, strict=True) if n.fixed]
    theta: tuple[Any, ...] = (*((n, shape, dtype) for n, shape in units), *fixed)
    given = tuple(m for m, n in zip(masks, cell.noises, strict=True) if not n.fixed)
    return _reason(cell, Signature(carry, theta, given, True, True, False, dtype))


@lru_cache(maxsize=256)
def _reason(cell: Cell, signature: Signature) -> str | None:
    try:
        arrays.check(cell, signature)
    except Declined as reason:
        return str(reason)
    except (TypeError, ValueError, IndexError) as error:  # of a user's equations
        return f"the equations do not run on one row without batch axes: {error}"
    return None


def run(job: Job) -> tuple[Carry, Any]:
    """Run a whole sequence in one call, or in segments that save only the carry they start from."""
    T = job.steps.t.shape[0]
    rows = int(np.prod(jax.tree.leaves(job.carry)[0].shape[:-1]))
    if T == 0 or rows == 0:
        return scheduled.run(job)
    size = blocks(T, job.plan.chunk, rows, job.cell.size)
    if size.segment is None:
        return _run(job, job.carry, job.steps)
    return scheduled.in_blocks(
        partial(_run, job), job.carry, job.steps, size=size.segment, reverse=job.plan.reverse, policy=None
    )


def _run(job: Job, carry: Carry, steps: Steps) -> tuple[Carry, Any]:
    """One call: batch axes become rows, inputs are cleaned, masks are drawn."""
    cell, params, plan = job.cell, job.params, job.plan
    batch = jax.tree.leaves(carry)[0].shape[:-1]
    T, N = steps.t.shape[0], int(np.prod(batch, dtype=int))
    xs = clean(steps.valid, steps.x)
    projected = plan.projected or not jnp.issubdtype(xs.dtype, jnp.floating)
    if projected and not plan.projected:
        xs = cell.projection_of(params, xs)
    noise = over_time(lambda t: cell.draw(job.rng, t, batch), steps.t, job.rng)
    per_step = noise | steps.per_step
    row_form = lambda a: a.reshape(N, *a.shape[len(batch) :])  # noqa: E731
    step_form = lambda a: a.reshape(T, N, *a.shape[1 + len(batch) :])  # noqa: E731
    floats = {n: a.astype(job.dtype) for n, a in per_step.items() if jnp.issubdtype(a.dtype, jnp.floating)}
    has_bias = "bias" in params and dict(cell.parameters)["bias"].role == "input"
    operands = Operands(
        xs=step_form(xs.astype(job.dtype)),
        kernel=None if projected else params["kernel"].astype(job.dtype),
        bias=params["bias"].astype(job.dtype) if has_bias and not projected else None,
        kernels=dict(sorted(cell.kernels(params, job.dtype).items())),
        carry=jax.tree.map(row_form, carry),
        theta=jax.tree.map(row_form, job.rows.theta),
        start=jax.tree.map(row_form, job.rows.start),
        floats=jax.tree.map(step_form, floats),
        flags={n: step_form(a) for n, a in per_step.items() if n not in floats},
        valid=None if steps.valid is None else step_form(steps.valid),
        reset=None if steps.reset is None else step_form(steps.reset),
    )
    signature = Signature(
        tuple(tuple(a.shape[1:]) for a in operands.carry),
        tuple((n, tuple(a.shape[1:]), a.dtype.name) for n, a in sorted(operands.theta.items())),
        tuple((n, tuple(a.shape[2:]), a.dtype.name) for n, a in sorted((operands.floats | operands.flags).items())),
        operands.valid is not None,
        operands.reset is not None,
        plan.carries,
        jnp.dtype(job.dtype).name,
    )
    if reason := _reason(cell, signature):
        if plan.backend != "auto":
            fail("backend", f"one that runs {cell.name} on these inputs", f"'native', which declines: {reason}")
        return scheduled.run(job._replace(carry=carry, steps=steps))
    spec = Spec(
        cell, signature, projected, plan.reverse, _block(plan.chunk, T), _saves(cell, signature, plan.chunk, T, N)
    )
    final, ys = _call(spec, _spread(operands))
    restore_row = lambda a: a.reshape(*batch, *a.shape[1:])  # noqa: E731
    restore_step = lambda a: a.reshape(T, *batch, *a.shape[2:])  # noqa: E731
    return jax.tree.map(restore_row, final), jax.tree.map(restore_step, ys)


def _block(chunk: int | str | None, T: int) -> int | None:
    return chunk if isinstance(chunk, int) and chunk < T else None


def _saves(cell: Cell, signature: Signature, chunk: int | str | None, T: int, N: int) -> bool:
    """Whether to keep the results of products: where `chunk` asks for everything, else as the memory law allows.

    A plain scan keeps some ten arrays of an LSTM, so four more do not come to 0.6 of that; with two or three gates they
    would. With one there is one.
    """
    if chunk is not None:
        return isinstance(chunk, int) and chunk >= T
    if len(cell.gates) in (2, 3) or not arrays.findings(cell, signature).fused:
        return False
    numbers = T * N * sum(p.outputs for p in row.products(cell, signature))
    return numbers * np.dtype(signature.dtype).itemsize <= SAVED_BYTES


def _spread(operands: Operands) -> Operands:
    """Inside `shard_map` all operands of a call vary over the same mesh axes."""
    axes = frozenset().union(*(jax.typeof(a).manual_axis_type.varying for a in jax.tree.leaves(operands)))

    def spread(a: Array) -> Array:
        missing = tuple(axes - jax.typeof(a).manual_axis_type.varying)
        return lax.pcast(a, missing, to="varying") if missing else a

    return jax.tree.map(spread, operands) if axes else operands


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _call(spec: Spec, operands: Operands) -> tuple[Carry, Any]:
    leaves, tree = jax.tree.flatten(operands)
    return _packed(spec, operands, primitives.forward.bind(*leaves, form=Form(spec, tree)))


def _call_jvp(spec: Spec, primals: Any, tangents: Any) -> Any:
    (operands,), (moved,) = primals, tangents
    leaves, tree = jax.tree.flatten(operands)
    tangents_given = live(moved)
    results = primitives.forward.bind(*leaves, form=Form(spec, tree, keep=True))
    visible = len(results) - len(arrays.kept(spec, operands))
    ys = results[len(spec.signature.carry)]  # may show a state, which is then not kept a second time
    kept = (*results[visible:], ys)
    form = Form(spec, tree, live=tangents_given.where)
    derivative = primitives.linear.bind(*leaves, *kept, *tangents_given.values, form=form)
    return _packed(spec, operands, results), _packed(spec, operands, derivative)


_call.defjvp(_call_jvp, symbolic_zeros=True)


def _packed(spec: Spec, operands: Operands, results: Any) -> tuple[Carry, Any]:
    """The flat results as (final carry, outputs)."""
    n = len(spec.signature.carry)
    final, y = type(operands.carry)(*results[:n]), results[n]
    return final, (y, type(operands.carry)(*results[n + 1 : 2 * n + 1])) if spec.signature.carries else y
