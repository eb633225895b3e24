"""The scheduled backend: one `custom_jvp` over blocks of time that save what came of their products.

Forward, a block of steps projects its inputs in one product, then scans. Kept for the backward pass is, for every gate,
the sum of its two parts where the equations see no more of them, else both; no carry.

Backward, no product is made again, unless equations make none: then the projection alone is. The carries of a block
follow from what was kept (`states`); then all its steps are differentiated at once, so that the linear loop that
remains makes one product a step, a few multiplications and sums. The gradient of every kernel is one product a block,
because the loop puts out the cotangent of each recurrent product instead of adding up weight gradients step by step.

It is written as the derivative rule of the forward loop (`_loop_jvp`): JAX transposes it for the backward pass, and
differentiates it again for second derivatives. There is no backward pass written by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from jaxrnn.base.dtypes import state_dtype
from jaxrnn.base.typing import Array, Axis, Carry
from jaxrnn.core.cell import Cell
from jaxrnn.core.step import Products, Rows, Step, advance
from jaxrnn.engine.linear import Linear, instantiate, is_symbolic, live, merge, pick
from jaxrnn.engine.masks import clean
from jaxrnn.engine.noise import over_time
from jaxrnn.engine.plan import blocks
from jaxrnn.engine.products import (
    Gates,
    Given,
    Recorder,
    Replay,
    Separate,
    moved_kernel,
    multiply_both,
    picked,
    split_gates,
    tangent_of,
)
from jaxrnn.engine.sequence import Job, Steps
from jaxrnn.engine.states import carries_before
from jaxrnn.engine.uses import Uses, find_uses
from jaxrnn.forms.kernel import Kernel

KEPT = "jaxrnn.kept"


class Program(NamedTuple):
    """The static part of a block's loop."""

    cell: Cell
    reverse: bool
    dtype: Any  # of products and outputs
    carries: bool


def run(job: Job) -> tuple[Carry, Any]:
    """Run a whole sequence, block by block."""
    cell, params, plan = job.cell, job.params, job.plan
    batch = jax.tree.leaves(job.carry)[0].shape[:-1]
    size = blocks(job.steps.t.shape[0], plan.chunk, math.prod(batch), cell.size)
    kernels = cell.kernels(params, job.dtype)
    turned = {name: k.turned() for name, k in kernels.items()}
    turned_input = None if plan.projected else cell.input_kernel(params, job.dtype).turned()

    def block(carry: Carry, at: Steps) -> tuple[Carry, Any]:
        noise = over_time(lambda t: cell.draw(job.rng, t, batch), at.t, job.rng)
        z = clean(at.valid, at.x)
        if not plan.projected:
            z = cell.projection_of(params, z, lambda x, kernel: multiply_both(x, kernel, turned_input))
        steps = Step(split_gates(z), at.valid, at.reset, noise | at.per_step)
        program = Program(cell, plan.reverse, job.dtype, plan.carries)
        return _loop(program, kernels, turned, job.rows, carry, steps)

    keep = jax.checkpoint_policies.save_only_these_names(KEPT)
    inner = partial(in_blocks, block, size=size.block, reverse=plan.reverse, policy=keep)
    if size.segment is None:
        return inner(job.carry, job.steps)
    return in_blocks(inner, job.carry, job.steps, size=size.segment, reverse=plan.reverse, policy=None)


def declines(cell: Cell, dtype: Any, carry_dtype: Any) -> str | None:
    """It runs every cell."""
    return None


def in_blocks(
    run_block: Callable[..., Any], carry: Carry, steps: Any, *, size: Axis, reverse: bool, policy: Any
) -> tuple[Carry, Any]:
    """Scan `run_block` over blocks of `size` steps; what does not fill a block runs by itself, at the end of time."""
    T = jax.tree.leaves(steps)[0].shape[0]
    if size >= T:
        return run_block(carry, steps)
    count, rest = divmod(T, size)
    saved = jax.checkpoint(run_block, prevent_cse=False, policy=policy)
    head = jax.tree.map(lambda a: a[: T - rest].reshape(count, size, *a.shape[1:]), steps)
    tail = jax.tree.map(lambda a: a[T - rest :], steps)
    last = None
    if rest and reverse:
        carry, last = saved(carry, tail)
    carry, ys = lax.scan(saved, carry, head, reverse=reverse)
    if rest and not reverse:
        carry, last = saved(carry, tail)
    ys = jax.tree.map(lambda a: a.reshape(T - rest, *a.shape[2:]), ys)
    return carry, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), ys, last) if rest else ys


# ---------------------------------------------------------------- one block: the loop and its derivative


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _loop(
    program: Program,
    kernels: dict[str, Kernel],
    turned: dict[str, Kernel],
    rows: Rows,
    carry: Carry,
    steps: Step,
) -> tuple[Carry, Any]:
    def body(carry: Carry, step: Step) -> Any:
        return _advance(program, Separate(kernels), rows, carry, step)

    return lax.scan(body, carry, steps, reverse=program.reverse)


def _advance(program: Program, products: Products, rows: Rows, carry: Carry, step: Step) -> tuple[Carry, Any]:
    new, y = advance(program.cell, products, rows, carry, step)
    y = jax.tree.map(lambda a: a.astype(program.dtype), y)
    return new, (y, new) if program.carries else y


class Kept(NamedTuple):
    """What a block keeps for its backward pass, with a leading T: no product is made again."""

    x: list[Array]  # of every gate the projection, or at a twin its sum with the product
    values: list[Any]  # what came out of each product, None at a twin


def _keeping_loop(
    program: Program, uses: Uses, kernels: dict[str, Kernel], rows: Rows, carry: Carry, steps: Step
) -> tuple[Carry, Any, Kept]:
    """The loop, with what it must keep."""

    def body(carry: Carry, step: Step) -> Any:
        recorder = Recorder(kernels, Separate(kernels))
        new, y = _advance(program, recorder, rows, carry, step)
        sums, values = _without_twins(uses, carry, step.x, recorder.values)
        return new, (y, sums, values)

    final, (ys, sums, values) = lax.scan(body, carry, steps, reverse=program.reverse)
    kept = Kept([sums.get(g, a) for g, a in enumerate(steps.x)], values)
    # Without products in the loop it is the projection alone, which one product makes again.
    return final, ys, jax.tree.map(lambda a: checkpoint_name(a, KEPT), kept) if values else kept


def _without_twins(uses: Uses, carry: Carry, x: Any, values: list[Any]) -> tuple[dict[int, Array], list[Any]]:
    """The sums at twins, by gate and in the carry's dtype as the equations have them; and the other products."""
    dtype, twins = state_dtype(carry), {(t.call, t.position) for t in uses.twins}
    sums = {t.gate: x[t.gate].astype(dtype) + values[t.call][t.position].astype(dtype) for t in uses.twins}
    rest = [
        tuple(None if (call, i) in twins else a for i, a in enumerate(v)) if isinstance(v, tuple) else v
        for call, v in enumerate(values)
    ]
    return sums, rest


def _loop_jvp(program: Program, primals: Any, tangents: Any) -> Any:
    kernels, turned, rows, carry, steps = primals
    _, dturned, drows, dcarry, dsteps = tangents
    one = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), steps)
    uses = find_uses(program.cell, kernels, rows, carry, one)
    final, ys, kept = _keeping_loop(program, uses, kernels, rows, carry, steps)
    moved = {name: tangent_of(turned[name], t) for name, t in dturned.items()}
    dturned = {name: t for name, t in moved.items() if t is not None}
    dcarry = jax.tree.map(instantiate, dcarry, carry, is_leaf=is_symbolic)
    live_rows, live_steps = live(drows), live(dsteps)
    # Checkpointed, so that the transpose keeps the arguments and recomputes the gates from them.
    linear = jax.checkpoint(partial(_tangents, program, uses, live_rows.where, live_steps.where))
    tangent = linear(kernels, turned, rows, steps, carry, kept, dturned, live_rows.values, dcarry, live_steps.values)
    return (final, ys), tangent


_loop.defjvp(_loop_jvp, symbolic_zeros=True)


def _tangents(
    program: Program,
    uses: Uses,
    live_rows: tuple[int, ...],
    live_steps: tuple[int, ...],
    kernels: dict[str, Kernel],
    turned: dict[str, Kernel],
    rows: Rows,
    steps: Step,
    carry: Carry,
    kept: Kept,
    dturned: dict[str, Kernel],
    drows: list[Array],
    dcarry: Carry,
    dsteps: list[Array],
) -> tuple[Carry, Any]:
    """Tangents of a block, linear in all tangents, from what was kept of it."""
    twins = uses.twins
    linear = Linear()
    calls: list[tuple[str, Gates]] = []
    zero = jnp.zeros(kept.x[0].shape, program.dtype)
    values = [tuple(zero if a is None else a for a in v) if isinstance(v, tuple) else v for v in kept.values]
    steps = steps._replace(x=tuple(kept.x))
    # A twin's tangent joins the product's (the first leaves of `steps` are x), and is no input of its own.
    joined = {t.gate for t in twins} & set(live_steps)
    dx = {(t.call, t.position): dsteps[live_steps.index(t.gate)] for t in twins if t.gate in joined}
    dsteps = [d for i, d in zip(live_steps, dsteps, strict=True) if i not in joined]
    live_steps = tuple(i for i in live_steps if i not in joined)

    def opened(carry: Carry, step: Step, values: Any) -> Any:
        recorder = Recorder(kernels, Given(kernels, values))
        advance(program.cell, recorder, rows, carry, step)
        calls[:] = recorder.calls
        of_calls = [picked(turned[k], index) for k, index in calls]

        def one_step(carry: Carry, live_row: list[Array], live_step: list[Array], terms: list[Any]) -> Any:
            products = Replay(kernels, recorder.values, turned=of_calls, terms=terms)
            row, at = merge(rows, live_rows, live_row), merge(step, live_steps, live_step)
            return _advance(program, products, row, carry, at)

        parts = [v if k in dturned else None for v, (k, _) in zip(recorder.values, calls, strict=True)]
        some = _terms(parts, {at: recorder.values[at[0]][at[1]] for at in dx})
        primals = (carry, pick(rows, live_rows), pick(step, live_steps), some)
        return recorder.inputs, linear.open(one_step, primals, jax.tree.leaves((of_calls, rows)))

    def again(carry: Carry, at: Any) -> Carry:
        step, values = at
        return advance(program.cell, Given(kernels, values), rows, carry, step)[0]

    before = carries_before(again, carry, (steps, values), uses.read, reverse=program.reverse)
    inputs, residuals = jax.vmap(opened)(before, steps, values)
    # Known before the loop, hence outside it. Transposed, this is the one product that makes a kernel's gradient.
    parts = [_known_part(h, turned[k], dturned.get(k), at) for h, (k, at) in zip(inputs, calls, strict=True)]
    length, terms = kept.x[0].shape[0], _terms(parts, dx)
    return linear.loop(dcarry, drows, dsteps, terms, residuals, length=length, reverse=program.reverse)


def _known_part(h: Array, turned: Kernel, dturned: Kernel | None, index: Gates) -> Any:
    """The part of a product's tangent that comes from its kernel's."""
    if dturned is None:
        return None
    value = moved_kernel(h, picked(turned, index), picked(dturned, index))
    return value if turned.columns is None else split_gates(value)


def _terms(parts: list[Any], dx: dict[tuple[int, int], Array]) -> list[Any]:
    """What is added to each product's tangent: its known part, and at twins the tangent of the input's projection."""
    terms = [dict(enumerate(p)) if isinstance(p, tuple) else p for p in parts]
    for (call, position), d in dx.items():
        gates = terms[call] = {} if terms[call] is None else terms[call]
        gates[position] = gates[position] + d if position in gates else d
    return terms
