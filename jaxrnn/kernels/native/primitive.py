"""How a compiled call becomes a JAX primitive: compiled for one platform, and everything else by way of its slow form.

The slow form is a function in JAX of the same results. What has no compiled form (other platforms, exported programs,
programs over many devices) is lowered from it, and derivatives are taken of it.
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

from jaxrnn.kernels.native import library
from jaxrnn.kernels.native.arrays import Operands, Roles
from jaxrnn.kernels.native.call import Prepared


class Form(NamedTuple):
    """The static part of a primitive: which call, and how its flat operands make a tree."""

    spec: Any  # a NamedTuple with what the target needs, and what its slow form does
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

    def placeholder(self) -> Any:
        """Operands of which only the time and batch axes are asked."""
        nothing: list[Any] = [None] * len(Operands._fields)
        return Operands(*nothing)._replace(xs=jax.ShapeDtypeStruct((1, 1, 1), jnp.float32))


class Results(NamedTuple):
    """What a primitive puts out, as functions of its form."""

    shapes: Callable[[Any, Form], list[Any]]  # and dtypes; of the operands' avals too
    roles: Callable[[Form], tuple[list[str], list[str]]]  # where operands and results have their rows


Slow = Callable[..., list[Any]]
Lower = Callable[..., Any]  # (ctx, *operands, form) -> results, or None where it does not apply
Effects = Callable[[Any, Form], Any]  # of a call of operands with these avals, as JAX has them


def no_effects(avals: Any, form: Form) -> Any:
    """Of what is a function of its operands, and nothing else."""
    return frozenset()


def make(name: str, slow: Slow, results: Results, lowers: dict[str, Lower], effects: Effects = no_effects) -> Primitive:
    """A primitive, compiled in its own way on a platform for which something `lowers` it."""
    primitive = Primitive(name)
    primitive.multiple_results = True
    primitive.def_impl(partial(_compiled, primitive))
    shapes = lambda avals, form: [_like(avals[0], a) for a in results.shapes(avals, form)]  # noqa: E731
    primitive.def_effectful_abstract_eval(lambda *avals, form: (shapes(avals, form), effects(avals, form)))
    slowly = mlir.lower_fun(slow, multiple_results=True)
    mlir.register_lowering(primitive, slowly)

    def either(lower: Lower, ctx: Any, *leaves: Any, form: Form) -> Any:
        found = lower(ctx, *leaves, form=form)
        return slowly(ctx, *leaves, form=form) if found is None else found

    for platform, lower in lowers.items():
        mlir.register_lowering(primitive, partial(either, lower), platform=platform)
    return primitive


def natively(prepare: Callable[..., Prepared | None]) -> dict[str, Lower]:
    """On CPUs a call of the library, where `prepare` makes one."""

    def lower(ctx: Any, *leaves: Any, form: Form) -> Any:
        prepared = prepare(form, ctx.avals_in) if runs_here(ctx) else None
        return None if prepared is None else _native(ctx, leaves, prepared, form)

    return {"cpu": lower}


def set_rules(primitive: Primitive, slow: Slow, results: Results) -> None:
    """Derivatives of the slow form beside the native result; under `vmap` the new axis joins the rows."""

    def jvp(primals: Any, tangents: Any, *, form: Form) -> Any:
        return primitive.bind(*primals, form=form), derivative(slow, primals, tangents, form)[1]

    ad.primitive_jvps[primitive] = jvp
    batching.primitive_batchers[primitive] = partial(batch, primitive, results)


def derivative(slow: Slow, primals: Any, tangents: Any, form: Form) -> tuple[list[Any], list[Any]]:
    """Of the slow form: its results and their tangents. What does not move costs no product."""
    where = [i for i, t in enumerate(tangents) if type(t) is not ad.Zero]

    def moved(*leaves: Any) -> list[Any]:
        at = dict(zip(where, leaves, strict=True))
        return slow(*(at.get(i, p) for i, p in enumerate(primals)), form=form)

    return jax.jvp(moved, tuple(primals[i] for i in where), tuple(tangents[i] for i in where))


def spread(operands: Operands) -> Operands:
    """Inside `shard_map` all operands of a call vary over the same mesh axes."""
    axes = frozenset().union(*(jax.typeof(a).manual_axis_type.varying for a in jax.tree.leaves(operands)))

    def one(a: Any) -> Any:
        missing = tuple(axes - jax.typeof(a).manual_axis_type.varying)
        return lax.pcast(a, missing, to="varying") if missing else a

    return jax.tree.map(one, operands) if axes else operands


def _compiled(primitive: Primitive, *leaves: Any, form: Form) -> list[Any]:
    """Outside `jit`, and without it, a call is still compiled: there is no other way to run it."""
    with jax.disable_jit(False):
        return _jitted(primitive, form)(*leaves)


@lru_cache(maxsize=512)
def _jitted(primitive: Primitive, form: Form) -> Callable[..., list[Any]]:
    def call(*leaves: Any) -> list[Any]:
        return primitive.bind(*leaves, form=form)

    call.__name__ = primitive.name  # for JAX's messages
    return jax.jit(call)


def _like(like: Any, result: Any) -> Any:
    """The aval of a result: of the operands' mesh, where they have one; inside `shard_map` it varies as they do."""
    shape, dtype = result.shape, jnp.dtype(result.dtype)
    if like.sharding.mesh.empty:
        return jax.core.ShapedArray(shape, dtype)
    sharding = NamedSharding(like.sharding.mesh, PartitionSpec(*[None] * len(shape)))
    return jax.core.ShapedArray(shape, dtype, sharding=sharding, manual_axis_type=like.manual_axis_type)


# ---------------------------------------------------------------- lowering


def _native(ctx: Any, leaves: Any, prepared: Prepared, form: Form) -> list[Any]:
    """One call of the library."""
    encoded, dtype = prepared.encoded, jnp.dtype(form.spec.signature.dtype)
    avals = [jax.core.ShapedArray(a.shape, jnp.dtype(a.dtype)) for a in prepared.results]
    avals += [jax.core.ShapedArray(shape, dtype) for shape in encoded.buffers]
    rule = jax.ffi.ffi_lowering(library.TARGET)
    inner = ctx.replace(avals_out=avals, primitive=None)
    single = np.int64(dtype == jnp.float32)
    results = list(rule(inner, *leaves, tables=encoded.tables, constants=encoded.constants, single=single))
    return [results[i] for i in prepared.order]


def runs_here(ctx: Any) -> bool:
    """Compiled for this machine's CPU and one device, not to be exported."""
    module = ctx.module_context
    devices = getattr(module.axis_context, "num_devices", None)
    return (
        tuple(ctx.platforms or module.platforms) == ("cpu",)
        and not module.lowering_parameters.for_export
        and (devices is None or devices == 1)
    )


# ---------------------------------------------------------------- vmap


def batch(primitive: Primitive, results: Results, leaves: Any, axes: Any, *, form: Form) -> Any:
    """The mapped axis joins the rows; where kernels or their gradients differ along it, one call after the other."""
    roles, outs = results.roles(form)
    size = next(x.shape[a] for x, a in zip(leaves, axes, strict=True) if a is not None)
    mapped = [a is not None for a in axes]
    front = [jnp.moveaxis(x, a, 0) if m else x for x, a, m in zip(leaves, axes, mapped, strict=True)]
    if "shared" in outs or differs(roles, axes):
        moving = [x for x, m in zip(front, mapped, strict=True) if m]

        def one(moving: Any) -> Any:
            at = iter(moving)
            return primitive.bind(*(next(at) if m else x for x, m in zip(front, mapped, strict=True)), form=form)

        return lax.map(one, moving), [0] * len(outs)
    folded = [_fold(x, r, m, size) for x, r, m in zip(front, roles, mapped, strict=True)]
    out = primitive.bind(*folded, form=form)
    rows = front[0].shape[2 if mapped[0] else 1]  # the first leaf is xs
    return [_unfold(x, r, size, rows) for x, r in zip(out, outs, strict=True)], [0 if r == "row" else 1 for r in outs]


def differs(roles: list[str], axes: Any) -> bool:
    """Whether what all rows share has a mapped axis."""
    return any(a is not None and r == "shared" for a, r in zip(axes, roles, strict=True))


def _fold(x: Any, role: str, mapped: bool, size: int) -> Any:
    """The mapped axis, in front, joins the rows."""
    if role == "shared":
        return x
    x = x if mapped else jnp.broadcast_to(x[None], (size, *x.shape))
    if role == "row":
        return x.reshape(-1, *x.shape[2:])
    return jnp.moveaxis(x, 0, 1).reshape(x.shape[1], -1, *x.shape[3:])


def _unfold(x: Any, role: str, size: int, rows: int) -> Any:
    at = 0 if role == "row" else 1
    return x.reshape(*x.shape[:at], size, rows, *x.shape[at + 1 :])
