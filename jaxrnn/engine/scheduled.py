"""The scheduled backend: one `custom_jvp` over blocks of time that save only carries.

Forward, a block of steps projects its inputs in one product, then scans. What is kept for the backward pass is the
carry before every step, nothing else.

Backward, a block recomputes its gates for all its times at once: one product from the kept carries, no second loop. The
linear loop that remains makes one product a step. The gradient of every kernel is one product a block, because the loop
puts out the cotangent of each recurrent product instead of adding up weight gradients step by step.

It is written as the derivative rule of the forward loop (`_loop_jvp`): JAX transposes it for the backward pass, and
differentiates it again for second derivatives. There is no backward pass written by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jax.custom_derivatives import SymbolicZero

from jaxrnn.cell import Cell
from jaxrnn.engine.masks import clean, spread_over_devices
from jaxrnn.engine.noise import over_time
from jaxrnn.engine.plan import blocks
from jaxrnn.engine.sequence import Job, Steps
from jaxrnn.step import Products, Rows, Step, advance, pick_gates, product
from jaxrnn.typing import Array, Carry

CARRIES = "jaxrnn.carries"


class Program(NamedTuple):
    """The static part of a block's loop."""

    cell: Cell
    reverse: bool
    dtype: Any  # of outputs
    carries: bool


def run(job: Job) -> tuple[Carry, Any]:
    """Run a whole sequence, block by block."""
    cell, params, plan = job.cell, job.params, job.plan
    batch = jax.tree.leaves(job.carry)[0].shape[:-1]
    program = Program(cell, plan.reverse, job.dtype, plan.carries)

    def block(carry: Carry, at: Steps) -> tuple[Carry, Any]:
        z = clean(at.valid, at.x)
        if not plan.projected:
            z = cell.projection_of(params, z)
        noise = over_time(lambda t: cell.draw(job.rng, t, batch), at.t, job.rng)
        steps = Step(z, at.valid, at.reset, noise | at.per_step)
        return _loop(program, cell.kernels(params, job.dtype), job.rows, carry, steps)

    size = blocks(job.steps.t.shape[0], plan.chunk)
    keep_carries = jax.checkpoint_policies.save_only_these_names(CARRIES)
    inner = partial(in_blocks, block, size=size.block, reverse=plan.reverse, policy=keep_carries)
    if size.segment is None:
        return inner(job.carry, job.steps)
    return in_blocks(inner, job.carry, job.steps, size=size.segment, reverse=plan.reverse, policy=None)


def declines(cell: Cell, dtype: Any, carry_dtype: Any) -> str | None:
    """It runs every cell."""
    return None


def in_blocks(
    run_block: Callable[..., Any], carry: Carry, steps: Any, *, size: int, reverse: bool, policy: Any
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
def _loop(program: Program, kernels: dict[str, Array], rows: Rows, carry: Carry, steps: Step) -> tuple[Carry, Any]:
    final, (ys, _) = _scan(program, kernels, rows, carry, steps, keep=False)
    return final, ys


def _scan(program: Program, kernels: dict[str, Array], rows: Rows, carry: Carry, steps: Step, *, keep: bool) -> Any:
    def body(carry: Carry, step: Step) -> Any:
        new, y = _advance(program, Products(kernels), rows, carry, step)
        return new, (y, carry if keep else None)

    return lax.scan(body, carry, steps, reverse=program.reverse)


def _advance(program: Program, products: Products, rows: Rows, carry: Carry, step: Step) -> tuple[Carry, Any]:
    new, y = advance(program.cell, products, rows, carry, step)
    y = jax.tree.map(lambda a: a.astype(program.dtype), y)
    return new, (y, new) if program.carries else y


def _loop_jvp(program: Program, primals: Any, tangents: Any) -> Any:
    kernels, rows, carry, steps = primals
    dkernels, drows, dcarry, dsteps = tangents
    final, (ys, before) = _scan(program, kernels, rows, carry, steps, keep=True)
    before = jax.tree.map(lambda a: checkpoint_name(a, CARRIES), before)
    dkernels = {name: t for name, t in dkernels.items() if not isinstance(t, SymbolicZero)}
    dcarry = jax.tree.map(_instantiate, dcarry, carry, is_leaf=_is_symbolic)
    live_rows, live_steps = _live(drows), _live(dsteps)
    # Checkpointed, so that the transpose keeps the arguments and recomputes the gates from them.
    linear = jax.checkpoint(partial(_linear_loop, program, live_rows.where, live_steps.where))
    tangent = linear(kernels, rows, steps, before, dkernels, live_rows.values, dcarry, live_steps.values)
    return (final, ys), tangent


_loop.defjvp(_loop_jvp, symbolic_zeros=True)


def _linear_loop(
    program: Program,
    live_rows: tuple[int, ...],
    live_steps: tuple[int, ...],
    kernels: dict[str, Array],
    rows: Rows,
    steps: Step,
    before: Carry,
    dkernels: dict[str, Array],
    drows: list[Array],
    dcarry: Carry,
    dsteps: list[Array],
) -> Any:
    """Tangents of a block, linear in all tangents, with its gates opened at all times at once."""
    calls: list[tuple[str, tuple[int, ...] | None]] = []

    def opened(carry: Carry, step: Step) -> Any:
        recorder = Recorder(kernels)
        advance(program.cell, recorder, rows, carry, step)
        calls[:] = recorder.calls
        return recorder.inputs, recorder.values

    inputs, values = jax.vmap(opened)(before, steps)
    # Known before the loop, hence outside it. Transposed, this is the one product that makes a kernel's gradient.
    outer = [
        product(v, pick_gates(dkernels[k], index)) if k in dkernels else None
        for v, (k, index) in zip(inputs, calls, strict=True)
    ]

    def body(dcarry: Carry, at: Any) -> tuple[Carry, Any]:
        carry, step, dstep, values, outer = at

        def one_step(carry: Carry, live_row: list[Array], live_step: list[Array], outer: Any) -> tuple[Carry, Any]:
            products = Replay(kernels, values, outer)
            return _advance(
                program, products, _merge(rows, live_rows, live_row), carry, _merge(step, live_steps, live_step)
            )

        primals = (carry, _pick(rows, live_rows), _pick(step, live_steps), jax.tree.map(jnp.zeros_like, outer))
        return jax.jvp(one_step, primals, (dcarry, drows, dstep, outer))[1]

    body = jax.checkpoint(body, prevent_cse=False)
    return lax.scan(body, dcarry, (before, steps, dsteps, values, outer), reverse=program.reverse)


@dataclass
class Recorder(Products):
    """Notes what was multiplied, and what came out."""

    calls: list[tuple[str, tuple[int, ...] | None]] = field(default_factory=list)
    inputs: list[Array] = field(default_factory=list)
    values: list[Array] = field(default_factory=list)

    def multiply(self, h: Array, kernel: str, index: tuple[int, ...] | None) -> Array:
        h = h.astype(self.kernels[kernel].dtype)
        value = super().multiply(h, kernel, index)
        self.calls.append((kernel, index))
        self.inputs.append(h)
        self.values.append(value)
        return value


@dataclass
class Replay(Products):
    """The recorded products, with tangents: the state's tangent times the kernel, plus the part known before."""

    values: list[Array]
    outer: list[Array | None]
    position: int = 0

    def multiply(self, h: Array, kernel: str, index: tuple[int, ...] | None) -> Array:
        at, self.position = self.position, self.position + 1
        w = pick_gates(self.kernels[kernel], index)
        return _known(h.astype(w.dtype), self.outer[at], w, self.values[at])


@jax.custom_jvp
def _known(h: Array, outer: Array | None, kernel: Array, value: Array) -> Array:
    return value


@_known.defjvp
def _known_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    _, _, kernel, value = primals
    dh, outer, _, _ = tangents
    moved = product(dh, kernel)
    return value, moved if outer is None else moved + outer


# ---------------------------------------------------------------- which inputs are differentiated


class Live(NamedTuple):
    """The leaves of a tree that have a tangent: where they are, and the tangents."""

    where: tuple[int, ...]
    values: list[Array]


def _is_symbolic(t: Any) -> bool:
    return isinstance(t, SymbolicZero)


def _instantiate(t: Any, primal: Array) -> Array:
    return spread_over_devices(jnp.zeros_like(primal), primal) if _is_symbolic(t) else t


def _live(tangents: Any) -> Live:
    leaves = jax.tree.leaves(tangents, is_leaf=_is_symbolic)
    where = tuple(i for i, t in enumerate(leaves) if not _is_symbolic(t) and t.dtype != jax.dtypes.float0)
    return Live(where, [leaves[i] for i in where])


def _pick(tree: Any, where: tuple[int, ...]) -> list[Array]:
    leaves = jax.tree.leaves(tree)
    return [leaves[i] for i in where]


def _merge(tree: Any, where: tuple[int, ...], values: list[Array]) -> Any:
    leaves, treedef = jax.tree.flatten(tree)
    for i, value in zip(where, values, strict=True):
        leaves[i] = value
    return jax.tree.unflatten(treedef, leaves)
