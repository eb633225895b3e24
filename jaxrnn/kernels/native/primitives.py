"""The native calls as JAX primitives: compiled for the CPU, and everything else by way of the scheduled backend.

`forward` runs a sequence, `linear` is its derivative in a direction, `backward` the transpose of that. What has no
native form (other platforms, exported programs, programs over many devices, second derivatives) is lowered from the
same function on the scheduled backend. Under `vmap` the new axis joins the rows; where kernels or their gradients
differ along it, the calls run one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import NamedSharding, PartitionSpec

from jaxrnn.engine import scheduled
from jaxrnn.engine.plan import Plan
from jaxrnn.engine.sequence import Job, Steps
from jaxrnn.kernels.native import arrays, calls, library
from jaxrnn.kernels.native.arrays import Operands, Roles, Spec
from jaxrnn.kernels.native.call import Prepared
from jaxrnn.step import Rows


class Form(NamedTuple):
    """The static part of a primitive: which call, and how its flat operands make a tree."""

    spec: Spec
    tree: Any  # of Operands
    keep: bool = False  # forward: return what the backward call needs
    live: tuple[int, ...] = ()  # linear, backward: which leaves of the operands have tangents

    def roles(self) -> list[str]:
        """Of the leaves of the operands."""
        operands = jax.tree.unflatten(self.tree, range(self.tree.num_leaves))
        named = zip(Roles(), operands, strict=True)
        return [role for role, field in named for _ in jax.tree.leaves(field)]

    def fields(self) -> list[tuple[str, int]]:
        """Of each leaf its field in `Operands` and its place there."""
        operands = jax.tree.unflatten(self.tree, range(self.tree.num_leaves))
        return [
            (n, i)
            for n, field in zip(Operands._fields, operands, strict=True)
            for i, _ in enumerate(jax.tree.leaves(field))
        ]

    def live_fields(self) -> frozenset[str]:
        """The fields whose cotangents cost a product of their own."""
        fields = self.fields()
        return frozenset(fields[i][0] for i in self.live)

    def operands(self, leaves: Any) -> Operands:
        return jax.tree.unflatten(self.tree, leaves[: self.tree.num_leaves])


# ---------------------------------------------------------------- what is computed, on the scheduled backend


def _slow_forward(*leaves: Any, form: Form) -> list[Any]:
    spec, operands = form.spec, form.operands(leaves)
    results = jax.tree.leaves(_scheduled(spec, operands))
    kept = arrays.forward_results(spec, operands, form.keep)[len(results) :]
    return results + [jnp.zeros(a.shape, spec.signature.dtype) for a in kept]  # read by native calls only


def _slow_linear(*leaves: Any, form: Form) -> list[Any]:
    primals, tangents = leaves[: form.tree.num_leaves], leaves[len(leaves) - len(form.live) :]
    live = dict(zip(form.live, tangents, strict=True))
    moved = tuple(live.get(i, _zero_tangent(p)) for i, p in enumerate(primals))
    return jax.tree.leaves(jax.jvp(lambda *p: _scheduled(form.spec, form.operands(p)), primals, moved)[1])


def _slow_backward(*leaves: Any, form: Form) -> list[Any]:
    primals = leaves[: form.tree.num_leaves]
    count = len(arrays.forward_results(form.spec, form.operands(primals), False))

    def run(*live: Any) -> Any:
        moved = dict(zip(form.live, live, strict=True))
        return jax.tree.leaves(_scheduled(form.spec, form.operands([moved.get(i, p) for i, p in enumerate(primals)])))

    pull = jax.vjp(run, *(primals[i] for i in form.live))[1]
    return list(pull(list(leaves[len(leaves) - count :])))


def _scheduled(spec: Spec, operands: Operands) -> Any:
    """The call on the scheduled backend: (final carry, y), the carries too where they are asked for."""
    steps = Steps(
        operands.xs,
        jnp.arange(operands.xs.shape[0], dtype=jnp.int32),
        operands.valid,
        operands.reset,
        operands.floats | operands.flags,
    )
    params = dict(operands.kernels)
    params |= {n: getattr(operands, n) for n in ("kernel", "bias") if getattr(operands, n) is not None}
    plan = Plan(spec.reverse, spec.block, "scheduled", spec.projected, spec.signature.carries)
    dtype = jnp.dtype(spec.signature.dtype)
    rows = Rows(operands.theta, operands.start)
    return scheduled.run(Job(spec.cell, params, steps, operands.carry, rows, None, dtype, plan))


def _zero_tangent(primal: Any) -> Any:
    dtype = primal.dtype if jnp.issubdtype(primal.dtype, jnp.floating) else jax.dtypes.float0
    return np.zeros(primal.shape, dtype) if dtype == jax.dtypes.float0 else jnp.zeros_like(primal)


# ---------------------------------------------------------------- what is computed, natively


def _native(ctx: Any, leaves: Any, prepared: Prepared, dtype: Any) -> list[Any]:
    """One call of the library."""
    encoded = prepared.encoded
    avals = [jax.core.ShapedArray(shape, dtype) for shape in (*prepared.results, *encoded.buffers)]
    rule = jax.ffi.ffi_lowering(library.TARGET)
    inner = ctx.replace(avals_out=avals, primitive=None)
    single = np.int64(dtype == jnp.float32)
    results = rule(inner, *leaves, tables=encoded.tables, constants=encoded.constants, single=single)
    return list(results)[: len(prepared.results)]


def _lower_forward(ctx: Any, *leaves: Any, form: Form) -> Any:
    if not _runs_here(ctx):
        return mlir.lower_fun(_slow_forward, multiple_results=True)(ctx, *leaves, form=form)
    prepared = calls.prepare_forward(form.spec, form.operands(ctx.avals_in), form.keep)
    return _native(ctx, leaves, prepared, jnp.dtype(form.spec.signature.dtype))


def _lower_backward(ctx: Any, *leaves: Any, form: Form) -> Any:
    if not _runs_here(ctx):
        return mlir.lower_fun(_slow_backward, multiple_results=True)(ctx, *leaves, form=form)
    operands, fields = form.operands(ctx.avals_in), form.fields()
    prepared = calls.prepare_backward(form.spec, operands, form.live_fields())
    results = _native(ctx, leaves, prepared, jnp.dtype(form.spec.signature.dtype))
    places = list(arrays.backward_results(form.spec, operands, form.live_fields()))
    return [results[places.index(fields[i])] for i in form.live]


def _runs_here(ctx: Any) -> bool:
    """Compiled for this machine's CPU and one device, not to be exported."""
    module = ctx.module_context
    devices = getattr(module.axis_context, "num_devices", None)
    return (
        tuple(ctx.platforms or module.platforms) == ("cpu",)
        and not module.lowering_parameters.for_export
        and (devices is None or devices == 1)
    )


# ---------------------------------------------------------------- the primitives and their rules


def _make(name: str, slow: Callable[..., list[Any]], shapes: Callable[..., list[Any]], lower: Any) -> Primitive:
    primitive = Primitive(name)
    primitive.multiple_results = True
    primitive.def_impl(partial(_compiled, primitive))
    primitive.def_abstract_eval(lambda *avals, form: [_like(avals, s, form) for s in shapes(avals, form)])
    mlir.register_lowering(primitive, mlir.lower_fun(slow, multiple_results=True))
    if lower is not None:
        mlir.register_lowering(primitive, lower, platform="cpu")

    def jvp(primals: Any, tangents: Any, *, form: Form) -> Any:
        out = primitive.bind(*primals, form=form)
        moved = [_zero_tangent(p) if type(t) is ad.Zero else t for p, t in zip(primals, tangents, strict=True)]
        return out, jax.jvp(lambda *p: slow(*p, form=form), primals, tuple(moved))[1]

    ad.primitive_jvps[primitive] = jvp
    batching.primitive_batchers[primitive] = lambda leaves, axes, *, form: _batch(primitive, leaves, axes, form)
    return primitive


def _compiled(primitive: Primitive, *leaves: Any, form: Form) -> list[Any]:
    """Outside `jit`, and without it, a call is still compiled: there is no other way to run it."""
    with jax.disable_jit(False):
        return _jitted(primitive, form)(*leaves)


@lru_cache(maxsize=512)
def _jitted(primitive: Primitive, form: Form) -> Callable[..., list[Any]]:
    return jax.jit(partial(primitive.bind, form=form))


def _like(avals: Any, shape: tuple[int, ...], form: Form) -> Any:
    """The aval of a result; inside `shard_map` it varies as the operands do."""
    dtype, like = jnp.dtype(form.spec.signature.dtype), avals[0]
    if not like.manual_axis_type.varying:
        return jax.core.ShapedArray(shape, dtype)
    sharding = NamedSharding(like.sharding.mesh, PartitionSpec(*[None] * len(shape)))
    return jax.core.ShapedArray(shape, dtype, sharding=sharding, manual_axis_type=like.manual_axis_type)


def _forward_shapes(avals: Any, form: Form) -> list[Any]:
    return [a.shape for a in arrays.forward_results(form.spec, form.operands(avals), form.keep)]


def _linear_shapes(avals: Any, form: Form) -> list[Any]:
    return [a.shape for a in arrays.forward_results(form.spec, form.operands(avals), False)]


def _backward_shapes(avals: Any, form: Form) -> list[Any]:
    return [avals[i].shape for i in form.live]


forward = _make("jaxrnn_forward", _slow_forward, _forward_shapes, _lower_forward)
linear = _make("jaxrnn_linear", _slow_linear, _linear_shapes, None)
backward = _make("jaxrnn_backward", _slow_backward, _backward_shapes, _lower_backward)


def _transpose(cotangents: Any, *leaves: Any, form: Form) -> list[Any]:
    known = leaves[: len(leaves) - len(form.live)]
    full = [ad.instantiate_zeros(c) for c in cotangents]
    return [None] * len(known) + backward.bind(*known, *full, form=form)


ad.primitive_transposes[linear] = _transpose


# ---------------------------------------------------------------- vmap


def _batch(primitive: Primitive, leaves: Any, axes: Any, form: Form) -> Any:
    roles, results = _all_roles(primitive, form)
    size = next(x.shape[a] for x, a in zip(leaves, axes, strict=True) if a is not None)
    mapped = [a is not None for a in axes]
    front = [jnp.moveaxis(x, a, 0) if m else x for x, a, m in zip(leaves, axes, mapped, strict=True)]
    if "shared" in results or any(m and r == "shared" for m, r in zip(mapped, roles, strict=True)):
        moving = [x for x, m in zip(front, mapped, strict=True) if m]

        def one(moving: Any) -> Any:
            at = iter(moving)
            return primitive.bind(*(next(at) if m else x for x, m in zip(front, mapped, strict=True)), form=form)

        return lax.map(one, moving), [0] * len(results)
    folded = [_fold(x, r, m, size) for x, r, m in zip(front, roles, mapped, strict=True)]
    out = primitive.bind(*folded, form=form)
    return [_unfold(x, r, size) for x, r in zip(out, results, strict=True)], [0 if r == "row" else 1 for r in results]


def _fold(x: Any, role: str, mapped: bool, size: int) -> Any:
    """The mapped axis, in front, joins the rows."""
    if role == "shared":
        return x
    x = x if mapped else jnp.broadcast_to(x[None], (size, *x.shape))
    if role == "row":
        return x.reshape(-1, *x.shape[2:])
    return jnp.moveaxis(x, 0, 1).reshape(x.shape[1], -1, *x.shape[3:])


def _unfold(x: Any, role: str, size: int) -> Any:
    at = 0 if role == "row" else 1
    return x.reshape(*x.shape[:at], size, -1, *x.shape[at + 1 :])


def _all_roles(primitive: Primitive, form: Form) -> tuple[list[str], list[str]]:
    """Where the rows are in all operands and in all results."""
    own, spec = form.roles(), form.spec
    shapes = [r.role for r in arrays.forward_results(spec, _placeholder(form), False)]
    kept = [r.role for r in arrays.kept(spec, _placeholder(form))]
    live = [own[i] for i in form.live]
    if primitive is forward:
        return own, [*shapes, *(kept if form.keep else ())]
    if primitive is linear:
        return [*own, *kept, "step", *live], shapes
    return [*own, *kept, "step", *shapes], live


def _placeholder(form: Form) -> Any:
    """Operands of which only the time and batch axes are asked."""
    nothing: list[Any] = [None] * len(Operands._fields)
    return Operands(*nothing)._replace(xs=jax.ShapeDtypeStruct((1, 1, 1), jnp.float32))
