"""Whole sequences as JAX primitives, whose slow form is the scheduled backend.

`forward` runs a sequence, `linear` is its derivative in a direction, `backward` the transpose of that.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad

from jaxrnn.core.step import Rows
from jaxrnn.engine import scheduled
from jaxrnn.engine.plan import Plan
from jaxrnn.engine.sequence import Job, Steps
from jaxrnn.kernels.native import arrays, calls
from jaxrnn.kernels.native.arrays import Operands, Spec
from jaxrnn.kernels.native.call import Prepared
from jaxrnn.kernels.native.primitive import Form, Results, make, set_rules

# ---------------------------------------------------------------- slow forms


def _slow_forward(*leaves: Any, form: Form) -> list[Any]:
    spec, operands = form.spec, form.operands(leaves)
    results = jax.tree.leaves(_scheduled(spec, operands))
    kept = arrays.forward_results(spec, operands, form.keep)[len(results) :]
    return results + [jnp.zeros(a.shape, a.dtype) for a in kept]  # read by native calls only


def _slow_linear(*leaves: Any, form: Form) -> list[Any]:
    return jax.jvp(*_of_live(form, leaves), leaves[len(leaves) - len(form.live) :])[1]


def _slow_backward(*leaves: Any, form: Form) -> list[Any]:
    run, live = _of_live(form, leaves)
    count = len(arrays.forward_results(form.spec, form.operands(leaves), False))
    return list(jax.vjp(run, *live)[1](list(leaves[len(leaves) - count :])))


def _of_live(form: Form, leaves: Any) -> tuple[Any, tuple[Any, ...]]:
    """The call as a function of the operands that have tangents, and these."""
    primals = leaves[: form.tree.num_leaves]

    def run(*live: Any) -> Any:
        moved = dict(zip(form.live, live, strict=True))
        return jax.tree.leaves(_scheduled(form.spec, form.operands([moved.get(i, p) for i, p in enumerate(primals)])))

    return run, tuple(primals[i] for i in form.live)


def _scheduled(spec: Spec, operands: Operands) -> Any:
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


# ---------------------------------------------------------------- native calls


def _prepare_forward(form: Form, avals: Any) -> Prepared | None:
    operands = form.operands(avals)
    return calls.prepare_forward(form.spec, operands, form.keep) if operands.xs.shape[1] else None


def _prepare_backward(form: Form, avals: Any) -> Prepared | None:
    operands, fields = form.operands(avals), form.fields()
    if not operands.xs.shape[1]:  # no rows, as `vmap` over none makes
        return None
    prepared = calls.prepare_backward(form.spec, operands, form.live_fields())
    places = list(arrays.backward_results(form.spec, operands, form.live_fields()))
    return prepared._replace(order=[places.index(fields[i]) for i in form.live])


def _nothing(form: Form, avals: Any) -> None:
    """`linear` is there to be transposed; by itself it runs on the scheduled backend."""


# ---------------------------------------------------------------- shapes of results, and where rows are


def _forward_shapes(avals: Any, form: Form) -> list[Any]:
    return arrays.forward_results(form.spec, form.operands(avals), form.keep)


def _linear_shapes(avals: Any, form: Form) -> list[Any]:
    return arrays.forward_results(form.spec, form.operands(avals), False)


def _backward_shapes(avals: Any, form: Form) -> list[Any]:
    return [avals[i] for i in form.live]


def _roles(form: Form) -> tuple[list[str], list[str], list[str], list[str]]:
    """Of the operands, of a sequence's results, of what is kept for the backward call, of the live operands."""
    own, place = form.roles(), form.placeholder()
    shown = [r.role for r in arrays.forward_results(form.spec, place, False)]
    return own, shown, [r.role for r in arrays.kept(form.spec, place)], [own[i] for i in form.live]


def _forward_roles(form: Form) -> tuple[list[str], list[str]]:
    own, shown, kept, _ = _roles(form)
    return own, [*shown, *(kept if form.keep else ())]


def _linear_roles(form: Form) -> tuple[list[str], list[str]]:
    own, shown, kept, live = _roles(form)
    return [*own, *kept, "step", *live], shown


def _backward_roles(form: Form) -> tuple[list[str], list[str]]:
    own, shown, kept, live = _roles(form)
    return [*own, *kept, "step", *shown], live


def _make(name: str, slow: Any, results: Results, prepare: Any) -> Primitive:
    primitive = make(name, slow, results, prepare)
    set_rules(primitive, slow, results)
    return primitive


FORWARD = Results(_forward_shapes, _forward_roles)
forward = _make("jaxrnn_forward", _slow_forward, FORWARD, _prepare_forward)
linear = _make("jaxrnn_linear", _slow_linear, Results(_linear_shapes, _linear_roles), _nothing)
backward = _make("jaxrnn_backward", _slow_backward, Results(_backward_shapes, _backward_roles), _prepare_backward)


def _transpose(cotangents: Any, *leaves: Any, form: Form) -> list[Any]:
    known = leaves[: len(leaves) - len(form.live)]
    full = [ad.instantiate_zeros(c) for c in cotangents]
    return [None] * len(known) + backward.bind(*known, *full, form=form)


ad.primitive_transposes[linear] = _transpose
