"""A linear recurrence as three primitives, whose derivatives are each other.

    solve   a, b, start -> h                          the state after every step
    moved   a, h, start, da, db, dstart -> dh         its derivative in a direction
    swept   a, h, start, ct -> da, db, dstart         the transpose of that: one sweep the other way

So nothing is kept for the way back but a and h, and derivatives of any order run by the same algorithm.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import NamedSharding, PartitionSpec

from jaxrnn.base.placement import spread_over_devices
from jaxrnn.core.linear import STATES, Leaves, outer, times, turned
from jaxrnn.engine.recurrence import algorithms
from jaxrnn.engine.recurrence.algorithms import Solve, added, before

Lower = Callable[..., Any]  # (kind, ctx, *operands, form) -> results, or None where it does not apply


class Form(NamedTuple):
    """The static part of a primitive."""

    entries: int  # of a
    reverse: bool

    def cut(self, leaves: Any, fields: str) -> list[Any]:
        """Flat operands as tuples: `a` those of a matrix, `s` those of a state."""
        at, found = 0, []
        for field in fields:
            count = self.entries if field == "a" else STATES[self.entries]
            found.append(tuple(leaves[at : at + count]))
            at += count
        return found


class Recurrence(NamedTuple):
    """The primitives of one algorithm."""

    solve: Primitive
    moved: Primitive
    swept: Primitive

    def __call__(self, a: Leaves, b: Leaves, start: Leaves, reverse: bool) -> Leaves:
        """The state after every step."""
        leaves = spread_over_devices((*a, *b, *start), b[0])
        return tuple(self.solve.bind(*leaves, form=Form(len(a), reverse)))


FIELDS = {"solve": "ass", "moved": "assass", "swept": "asss"}  # of operands
RESULTS = {"solve": "s", "moved": "s", "swept": "ass"}
WITHOUT_TIME = {"solve": (2,), "moved": (2, 5), "swept": (2,)}  # operands that are one state


def make(name: str, solve: Solve, swept: Callable[..., Any] | None = None, lower: Lower | None = None) -> Recurrence:
    """The primitives of an algorithm; `lower` compiles them for CPUs in a way of its own where it can."""

    def again(a: Leaves, b: Leaves, start: Leaves, reverse: bool) -> Leaves:
        return tuple(made.solve.bind(*a, *b, *start, form=Form(len(a), reverse)))

    swept = swept or partial(algorithms.swept, again)

    def run_solve(*leaves: Any, form: Form) -> Any:
        return list(solve(*form.cut(leaves, "ass"), form.reverse))

    def run_moved(*leaves: Any, form: Form) -> Any:
        a, h, start, da, db, dstart = form.cut(leaves, "assass")
        return list(algorithms.moved(again, a, h, start, da, db, dstart, form.reverse))

    def run_swept(*leaves: Any, form: Form) -> Any:
        a, h, start, ct = form.cut(leaves, "asss")
        return [leaf for part in swept(a, h, start, ct, form.reverse) for leaf in part]

    runs = {"solve": run_solve, "moved": run_moved, "swept": run_swept}
    made = Recurrence(*(_primitive(f"{name}_{kind}", kind, run, lower) for kind, run in runs.items()))
    ad.primitive_jvps[made.solve] = partial(_solve_jvp, made)
    ad.primitive_jvps[made.moved] = partial(_moved_jvp, made)
    ad.primitive_jvps[made.swept] = partial(_swept_jvp, made)
    ad.primitive_transposes[made.moved] = partial(_moved_transpose, made)
    ad.primitive_transposes[made.swept] = partial(_swept_transpose, made)
    return made


def _primitive(name: str, kind: str, run: Callable[..., Any], lower: Lower | None) -> Primitive:
    primitive = Primitive(name)
    primitive.multiple_results = True
    primitive.def_impl(partial(_compiled, primitive))
    primitive.def_abstract_eval(partial(_shapes, kind))
    slowly = mlir.lower_fun(run, multiple_results=True)
    mlir.register_lowering(primitive, slowly)
    if lower is not None:

        def on_cpu(ctx: Any, *leaves: Any, form: Form) -> Any:
            found = lower(kind, ctx, *leaves, form=form)
            return slowly(ctx, *leaves, form=form) if found is None else found

        mlir.register_lowering(primitive, on_cpu, platform="cpu")
    batching.primitive_batchers[primitive] = partial(_batch, primitive, kind)
    return primitive


def _compiled(primitive: Primitive, *leaves: Any, form: Form) -> Any:
    """Outside `jit`, and where that is switched off too."""
    with jax.disable_jit(False):
        return _jitted(primitive, form)(*leaves)


@lru_cache(maxsize=512)
def _jitted(primitive: Primitive, form: Form) -> Callable[..., Any]:
    def call(*leaves: Any) -> Any:
        return primitive.bind(*leaves, form=form)

    call.__name__ = primitive.name  # for JAX's messages
    return jax.jit(call)


def _shapes(kind: str, *avals: Any, form: Form) -> list[Any]:
    a, _, start = form.cut(avals, "ass")
    results = {"a": a, "s": start}
    if kind == "swept":
        return [_like(x, x.shape) for x in (*a, *[a[0]] * len(start), *start)]
    return [_like(a[0], a[0].shape) for _ in results["s"]]


def _like(aval: Any, shape: tuple[int, ...]) -> Any:
    """The aval of a result: of the operands' mesh, where they have one; inside `shard_map` it varies as they do."""
    if aval.sharding.mesh.empty:
        return jax.core.ShapedArray(shape, aval.dtype)
    sharding = NamedSharding(aval.sharding.mesh, PartitionSpec(*[None] * len(shape)))
    return jax.core.ShapedArray(shape, aval.dtype, sharding=sharding, manual_axis_type=aval.manual_axis_type)


def _batch(primitive: Primitive, kind: str, leaves: Any, axes: Any, *, form: Form) -> Any:
    """The mapped axis joins those of the batch, behind time."""
    size = next(x.shape[a] for x, a in zip(leaves, axes, strict=True) if a is not None)
    places = [
        0 if i in WITHOUT_TIME[kind] else 1 for i, part in enumerate(form.cut(leaves, FIELDS[kind])) for _ in part
    ]

    def placed(x: Any, axis: int | None, at: int) -> Any:
        if axis is not None:
            return jnp.moveaxis(x, axis, at)
        return jnp.broadcast_to(jnp.expand_dims(x, at), (*x.shape[:at], size, *x.shape[at:]))

    out = primitive.bind(*map(placed, leaves, axes, places), form=form)
    last = STATES[form.entries]
    ends = [0 if kind == "swept" and i >= len(out) - last else 1 for i in range(len(out))]
    return out, ends


# ---------------------------------------------------------------- derivatives


def _whole(tangents: Any, primals: Any) -> list[Any]:
    """Tangents as arrays."""
    return [ad.instantiate_zeros(t) for t in tangents]


def _solve_jvp(made: Recurrence, primals: Any, tangents: Any, *, form: Form) -> Any:
    a, _, start = form.cut(primals, "ass")
    h = made.solve.bind(*primals, form=form)
    return h, made.moved.bind(*a, *h, *start, *_whole(tangents, primals), form=form)


def _moved_transpose(made: Recurrence, cotangents: Any, *leaves: Any, form: Form) -> list[Any]:
    a, h, start, *live = form.cut(leaves, "assass")
    ct = [ad.instantiate_zeros(c) for c in cotangents]
    found = made.swept.bind(*a, *h, *start, *ct, form=form)
    live = [x for part in live for x in part]
    some = [c if ad.is_undefined_primal(x) else None for x, c in zip(live, found, strict=True)]
    return [None] * (len(leaves) - len(live)) + some


def _swept_transpose(made: Recurrence, cotangents: Any, *leaves: Any, form: Form) -> list[Any]:
    a, h, start, ct = form.cut(leaves, "asss")
    full = [ad.instantiate_zeros(c) for c in cotangents]
    found = made.moved.bind(*a, *h, *start, *full, form=form)
    return [None] * (len(leaves) - len(ct)) + list(found)


def _moved_jvp(made: Recurrence, primals: Any, tangents: Any, *, form: Form) -> Any:
    """`dh` follows a recurrence of its own, which moves with a and with what is added."""
    a, h, start, da, _, dstart = form.cut(primals, "assass")
    moving = form.cut(_whole(tangents, primals), "assass")
    dh = tuple(made.moved.bind(*primals, form=form))
    more = times(moving[3], before(h, start, form.reverse))
    more = added(more, times(da, before(moving[1], moving[2], form.reverse)))
    more = added(more, moving[4])
    return list(dh), made.moved.bind(*a, *dh, *dstart, *moving[0], *more, *moving[5], form=form)


def _swept_jvp(made: Recurrence, primals: Any, tangents: Any, *, form: Form) -> Any:
    a, h, start, _ = form.cut(primals, "asss")
    ma, mh, mstart, mct = form.cut(_whole(tangents, primals), "asss")
    results = made.swept.bind(*primals, form=form)
    _, g, _ = form.cut(results, "ass")
    first = -1 if form.reverse else 0
    back = times(turned(ma), tuple(g))
    nothing = tuple(jnp.zeros_like(s) for s in start)
    ct = added(mct, before(back, nothing, not form.reverse))
    da, db, dstart = form.cut(made.swept.bind(*a, *h, *start, *ct, form=form), "ass")
    da = added(da, outer(g, before(mh, mstart, form.reverse), form.entries))
    dstart = added(dstart, tuple(x[first] for x in back))
    return results, [*da, *db, *dstart]
