"""What the primitives of sequences become on TPUs and GPUs: both kernels, and the products outside of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.interpreters import mlir

from jaxrnn.base.typing import Array
from jaxrnn.forms.heads import Heads
from jaxrnn.forms.kernel import Kernel
from jaxrnn.kernels.native import arrays as named
from jaxrnn.kernels.native.arrays import Operands
from jaxrnn.kernels.native.primitive import Form, Lower
from jaxrnn.kernels.native.sequences import make_sequences
from jaxrnn.kernels.pallas import bodies, layout, on_tpu, tiles
from jaxrnn.kernels.pallas.layout import Backward, Forward, Gradients, Spec
from jaxrnn.kernels.pallas.on_tpu import INTERPRETER
from jaxrnn.kernels.pallas.step import Traced, trace


def run_forward(*leaves: Any, form: Form) -> list[Any]:
    """The results of the forward call."""
    spec, operands = form.spec, form.operands(leaves)
    T, N = operands.xs.shape[:2]
    arrays = layout.forward(spec, T, N, form.keep)
    given = Forward(_sequence(operands), tuple(operands.carry), None if operands.start is None else (*operands.start,))
    ran = _call(spec)(bodies.run_forward, spec, arrays, given, T, N, descending=spec.reverse)
    return [*ran.final, ran.y, *ran.carries, *ran.before]


def run_backward(*leaves: Any, form: Form) -> list[Any]:
    """The cotangents of the live operands."""
    spec, operands = form.spec, form.operands(leaves)
    T, N = operands.xs.shape[:2]
    rest, states = leaves[form.tree.num_leaves :], len(spec.signature.carry)
    before, final, (y, *carries) = rest[:states], rest[states + 1 : 2 * states + 1], rest[2 * states + 1 :]
    traced = trace(spec.cell, spec.signature, tiles.ROWS[-1])
    arrays = layout.backward(spec, traced, T, N)
    given = Backward(_sequence(operands), tuple(before), tuple(final), y, tuple(carries))
    found: Gradients = _call(spec)(bodies.run_backward, spec, arrays, given, T, N, descending=not spec.reverse)
    gradients = _named(operands, found)
    if "kernels" in form.live_fields():
        for i, name in enumerate(operands.kernels):
            gradients["kernels", i] = _of_kernel(operands, name, traced, before, found)
    return [gradients[form.fields()[i]].astype(leaves[i].dtype) for i in form.live]


def _named(operands: Operands, found: Gradients) -> dict[tuple[str, int], Array]:
    """Cotangents by field of the operands and place in it; but those of kernels."""
    gradients = {("xs", 0): jnp.moveaxis(found.x, 1, 2)}
    for field, arrays in (("carry", found.carry), ("start", found.start or ()), ("floats", found.steps.values())):
        gradients |= {(field, i): a for i, a in enumerate(arrays)}
    for i, name in enumerate(operands.theta):
        if name in found.theta:
            a = found.theta[name]
            gradients["theta", i] = jnp.stack(a, 1) if isinstance(a, tuple) else a
    return gradients


def _of_kernel(operands: Operands, name: str, traced: Traced, before: Any, found: Gradients) -> Array:
    """The gradient of a kernel: one product over all steps and rows for each time that it is multiplied by."""
    kernel = operands.kernels[name]
    (array,) = kernel.arrays
    heads = array.shape[:1] if isinstance(kernel.form, Heads) else ()
    whole = jnp.zeros(array.shape if kernel.columns is not None else (*array.shape[:-1], 1, kernel.units), jnp.float32)
    for p, twins, own, made in zip(traced.products, traced.twins, found.values, found.made, strict=True):
        if p.kernel != name:
            continue
        h = (made if p.state is None else before[p.state]).astype(array.dtype)
        places = iter(range(len(twins)))
        cotangents = found.x
        if twins != tuple(range(found.x.shape[1])):
            apart = [own[:, next(places)] if t is None else found.x[:, t] for t in twins]
            cotangents = own if set(twins) == {None} else jnp.stack(apart, 1)
        lhs, rhs = (_apart(a, *heads) for a in (h, cotangents.astype(array.dtype)))
        axes = (((0, 1), (0, 2)), ((2,), (3,)) if heads else ((), ()))
        part = lax.dot_general(lhs, rhs, axes, preferred_element_type=jnp.float32)
        # A kernel may be multiplied several times, in whole or by some of its gates.
        whole = whole + part if p.gates == tuple(range(whole.shape[-2])) else whole.at[..., p.gates, :].add(part)
    return whole.reshape(array.shape)


def _apart(a: Array, heads: int | None = None) -> Array:
    """With an axis of heads before that of their units."""
    return a if heads is None else a.reshape(*a.shape[:-1], heads, a.shape[-1] // heads)


def _sequence(operands: Operands) -> layout.Sequence:
    """The operands as both kernels read them."""
    marks = None
    if operands.valid is not None or operands.reset is not None:
        marks = jnp.ones(operands.xs.shape[:2], jnp.int32) if operands.valid is None else operands.valid.astype("int32")
        marks = (marks if operands.reset is None else marks + 2 * operands.reset.astype("int32"))[..., None]
    apart = lambda a: a if a.ndim == 2 else tuple(a[:, k] for k in range(a.shape[1]))  # noqa: E731
    return layout.Sequence(
        jnp.moveaxis(operands.xs, 2, 1),
        marks,
        {n: _plain(a) for n, a in (operands.floats | operands.flags).items()},
        {n: apart(_plain(a)) for n, a in operands.theta.items()},
        {n: _by_gate(k) for n, k in operands.kernels.items()},
    )


def _by_gate(kernel: Kernel) -> Array:
    """`[G, R, H]`, of heads `[N, G, R, H]`: a gate is then a matrix, not a cut through all."""
    (a,) = kernel.arrays
    return a[..., None, :, :] if kernel.columns is None else jnp.moveaxis(a, -2, -3)


def _plain(a: Array) -> Array:
    return a.astype(jnp.int32) if a.dtype == jnp.bool_ else a


def _call(spec: Spec) -> Callable[..., Any]:
    """What runs a kernel over trees of arrays."""
    if spec.gpu:
        from jaxrnn.kernels.pallas import on_gpu  # which older releases of JAX do not have all of

        return on_gpu.call
    return on_tpu.call


def _lower(run: Callable[..., list[Any]]) -> dict[str, Lower]:
    lowered = mlir.lower_fun(run, multiple_results=True)

    def lower(platform: str, ctx: Any, *leaves: Any, form: Form) -> Any:
        here = form.spec.interpret or (platform == ("cuda" if form.spec.gpu else "tpu") and _alone(ctx))
        return lowered(ctx, *leaves, form=form) if here and form.operands(ctx.avals_in).xs.shape[1] else None

    return {platform: partial(lower, platform) for platform in ("cpu", "tpu", "cuda")}


def _alone(ctx: Any) -> bool:
    """For one device, or for each of those of a `shard_map` by itself: kernels are not divided by the compiler."""
    context = ctx.module_context.axis_context
    manual = getattr(context, "manual_axes", None)
    return getattr(context, "num_devices", 1) in (None, 1) if manual is None else manual == set(context.mesh.axis_names)


def _kept(spec: Spec, operands: Operands) -> list[named.Array]:
    """The carry before every step."""
    T, N = operands.xs.shape[:2]
    shapes = enumerate(spec.signature.carry)
    return [named.Array(("before", i), (T, N, *shape), "step", spec.signature.dtype) for i, shape in shapes]


def _effects(avals: Any, form: Form) -> Any:
    """The interpreter calls back to Python, in order."""
    return _of_interpreter() if form.spec.interpret else frozenset()


@cache
def _of_interpreter() -> Any:
    def body(read: Any, written: Any) -> None:
        written[...] = read[...]

    one = jax.ShapeDtypeStruct((8, 128), jnp.float32)
    return jax.make_jaxpr(pl.pallas_call(body, out_shape=one, interpret=INTERPRETER))(one).effects


PALLAS = make_sequences("jaxrnn_pallas", _kept, _lower(run_forward), _lower(run_backward), _effects)
