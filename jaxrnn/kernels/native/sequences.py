"""Whole sequences as JAX primitives, whose slow form is the scheduled backend.

`forward` runs a sequence, `linear` is its derivative in a direction, `backward` the transpose of that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad

from jaxrnn.base.typing import Carry
from jaxrnn.core.step import Rows
from jaxrnn.engine import scheduled
from jaxrnn.engine.linear import live
from jaxrnn.engine.plan import Plan, blocks
from jaxrnn.engine.sequence import Job, Steps
from jaxrnn.kernels.native import arrays
from jaxrnn.kernels.native.arrays import Array, Operands
from jaxrnn.kernels.native.primitive import Effects, Form, Lower, Results, make, no_effects, set_rules

Kept = Callable[[Any, Operands], list[Array]]  # of a call's static part and operands


class Sequences(NamedTuple):
    """The primitives of one way to compile sequences."""

    forward: Primitive
    linear: Primitive
    backward: Primitive
    kept: Kept  # what the forward call returns for the backward call alone
    results: Results  # of the forward call

    def __call__(self, spec: Any, operands: Operands) -> tuple[Carry, Any]:
        """(final carry, outputs), and their derivatives."""
        return _call(self, spec, operands)


def in_calls(job: Job, call: Callable[[Carry, Steps], tuple[Carry, Any]]) -> tuple[Carry, Any]:
    """A whole sequence by one call, or by one a segment, of which only the carry it starts from is saved."""
    T = job.steps.t.shape[0]
    rows = int(np.prod(jax.tree.leaves(job.carry)[0].shape[:-1]))
    if T == 0 or rows == 0:
        return scheduled.run(job)
    segment = blocks(T, job.plan.chunk, rows, job.cell.size).segment
    if segment is None:
        return call(job.carry, job.steps)
    return scheduled.in_blocks(call, job.carry, job.steps, size=segment, reverse=job.plan.reverse, policy=None)


def make_sequences(
    name: str,
    kept: Kept,
    forward: dict[str, Lower],
    backward: dict[str, Lower],
    effects: Effects = no_effects,
) -> Sequences:
    """The primitives, with what lowers the forward and the backward call on some platforms."""
    runs = Results(partial(_forward_shapes, kept), partial(_forward_roles, kept))
    moves = Results(_linear_shapes, partial(_linear_roles, kept))
    pulls = Results(_backward_shapes, partial(_backward_roles, kept))
    made = Sequences(
        _make(f"{name}_forward", partial(_slow_forward, kept), runs, forward, effects),
        # It is there to be transposed; by itself it runs on the scheduled backend.
        _make(f"{name}_linear", _slow_linear, moves, {}, no_effects),
        _make(f"{name}_backward", _slow_backward, pulls, backward, effects),
        kept,
        runs,
    )
    ad.primitive_transposes[made.linear] = partial(_transpose, made.backward)
    return made


def _make(name: str, slow: Any, results: Results, lowers: dict[str, Lower], effects: Effects) -> Primitive:
    primitive = make(name, slow, results, lowers, effects)
    set_rules(primitive, slow, results)
    return primitive


def _transpose(backward: Primitive, cotangents: Any, *leaves: Any, form: Form) -> list[Any]:
    known = leaves[: len(leaves) - len(form.live)]
    full = [ad.instantiate_zeros(c) for c in cotangents]
    return [None] * len(known) + backward.bind(*known, *full, form=form)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _call(sequences: Sequences, spec: Any, operands: Operands) -> tuple[Carry, Any]:
    leaves, tree = jax.tree.flatten(operands)
    return _packed(spec, operands, sequences.forward.bind(*leaves, form=Form(spec, tree)))


def _call_jvp(sequences: Sequences, spec: Any, primals: Any, tangents: Any) -> Any:
    (operands,), (moved,) = primals, tangents
    leaves, tree = jax.tree.flatten(operands)
    tangents_given = live(moved)
    results = sequences.forward.bind(*leaves, form=Form(spec, tree, keep=True))
    visible = len(results) - len(sequences.kept(spec, operands))
    ys = results[len(spec.signature.carry)]  # may show a state, which is then not kept a second time
    kept = (*results[visible:], ys)
    form = Form(spec, tree, live=tangents_given.where)
    derivative = sequences.linear.bind(*leaves, *kept, *tangents_given.values, form=form)
    return _packed(spec, operands, results), _packed(spec, operands, derivative)


_call.defjvp(_call_jvp, symbolic_zeros=True)


def _packed(spec: Any, operands: Operands, results: Any) -> tuple[Carry, Any]:
    """The flat results as (final carry, outputs)."""
    n = len(spec.signature.carry)
    final, y = type(operands.carry)(*results[:n]), results[n]
    return final, (y, type(operands.carry)(*results[n + 1 : 2 * n + 1])) if spec.signature.carries else y


# ---------------------------------------------------------------- slow forms


def _slow_forward(kept: Kept, *leaves: Any, form: Form) -> list[Any]:
    spec, operands = form.spec, form.operands(leaves)
    results = jax.tree.leaves(_scheduled(spec, operands))
    more = kept(spec, operands) if form.keep else []
    return results + [jnp.zeros(a.shape, a.dtype) for a in more]  # read by compiled calls only


def _slow_linear(*leaves: Any, form: Form) -> list[Any]:
    return jax.jvp(*_of_live(form, leaves), leaves[len(leaves) - len(form.live) :])[1]


def _slow_backward(*leaves: Any, form: Form) -> list[Any]:
    run, live = _of_live(form, leaves)
    count = len(arrays.shown_results(form.spec, form.operands(leaves)))
    return list(jax.vjp(run, *live)[1](list(leaves[len(leaves) - count :])))


def _of_live(form: Form, leaves: Any) -> tuple[Any, tuple[Any, ...]]:
    """The call as a function of the operands that have tangents, and these."""
    primals = leaves[: form.tree.num_leaves]

    def run(*live: Any) -> Any:
        moved = dict(zip(form.live, live, strict=True))
        return jax.tree.leaves(_scheduled(form.spec, form.operands([moved.get(i, p) for i, p in enumerate(primals)])))

    return run, tuple(primals[i] for i in form.live)


def _scheduled(spec: Any, operands: Operands) -> Any:
    """The call on the scheduled backend: (final carry, y), the carries too where they are asked for."""
    steps = Steps(
        operands.xs,
        jnp.arange(operands.xs.shape[0], dtype=jnp.int32),
        operands.valid,
        operands.reset,
        operands.floats | operands.flags,
    )
    plan = Plan(spec.reverse, spec.block, "scheduled", spec.projected, spec.signature.carries)
    dtype = jnp.dtype(spec.signature.stored)
    rows = Rows(operands.theta, operands.start)
    return scheduled.run(Job(spec.cell, operands.params(), steps, operands.carry, rows, None, dtype, plan))


# ---------------------------------------------------------------- shapes of results, and where rows are


def _forward_shapes(kept: Kept, avals: Any, form: Form) -> list[Any]:
    operands = form.operands(avals)
    return arrays.shown_results(form.spec, operands) + (kept(form.spec, operands) if form.keep else [])


def _linear_shapes(avals: Any, form: Form) -> list[Any]:
    return arrays.shown_results(form.spec, form.operands(avals))


def _backward_shapes(avals: Any, form: Form) -> list[Any]:
    return [avals[i] for i in form.live]


def _roles(kept: Kept, form: Form) -> tuple[list[str], list[str], list[str], list[str]]:
    """Of the operands, of a sequence's results, of what is kept for the backward call, of the live operands."""
    own, place = form.roles(), form.placeholder()
    shown = [r.role for r in arrays.shown_results(form.spec, place)]
    return own, shown, [r.role for r in kept(form.spec, place)], [own[i] for i in form.live]


def _forward_roles(kept: Kept, form: Form) -> tuple[list[str], list[str]]:
    own, shown, more, _ = _roles(kept, form)
    return own, [*shown, *(more if form.keep else ())]


def _linear_roles(kept: Kept, form: Form) -> tuple[list[str], list[str]]:
    own, shown, more, live = _roles(kept, form)
    return [*own, *more, "step", *live], shown


def _backward_roles(kept: Kept, form: Form) -> tuple[list[str], list[str]]:
    own, shown, more, live = _roles(kept, form)
    return [*own, *more, "step", *shown], live
