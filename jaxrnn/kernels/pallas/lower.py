"""What the primitives of sequences become on TPUs: both kernels, and the products outside of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.interpreters import mlir

from jaxrnn.base.typing import Array
from jaxrnn.kernels.native import arrays as named
from jaxrnn.kernels.native.arrays import Operands
from jaxrnn.kernels.native.primitive import Form, Lower
from jaxrnn.kernels.native.sequences import make_sequences
from jaxrnn.kernels.pallas import bodies, layout, tiles
from jaxrnn.kernels.pallas.bodies import Walk
from jaxrnn.kernels.pallas.layout import Backward, Forward, Gradients, Spec
from jaxrnn.kernels.pallas.step import Traced, shapes, trace
from jaxrnn.kernels.pallas.tiles import Arrays, Tile

# Fast memory is poisoned before it is written, so that nothing passes that reads what it must not.
INTERPRETER = pltpu.InterpretParams(uninitialized_memory="nan")


def run_forward(*leaves: Any, form: Form) -> list[Any]:
    """The results of the forward call."""
    spec, operands = form.spec, form.operands(leaves)
    T, N = operands.xs.shape[:2]
    arrays = layout.forward(spec, T, N, form.keep)
    given = Forward(_sequence(operands), tuple(operands.carry), None if operands.start is None else (*operands.start,))
    ran = _call(bodies.run_forward, spec, arrays, given, T, N, descending=spec.reverse)
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
    found: Gradients = _call(bodies.run_backward, spec, arrays, given, T, N, descending=not spec.reverse)
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
    (kernel,) = operands.kernels[name].arrays
    whole = jnp.zeros(kernel.shape if kernel.ndim == 3 else (kernel.shape[0], 1, kernel.shape[1]), jnp.float32)
    for p, twins, own, made in zip(traced.products, traced.twins, found.values, found.made, strict=True):
        if p.kernel != name:
            continue
        h = (made if p.state is None else before[p.state]).astype(kernel.dtype)
        places = iter(range(len(twins)))
        cotangents = found.x
        if twins != tuple(range(found.x.shape[1])):
            apart = [own[:, next(places)] if t is None else found.x[:, t] for t in twins]
            cotangents = own if set(twins) == {None} else jnp.stack(apart, 1)
        part = lax.dot_general(
            h, cotangents.astype(kernel.dtype), (((0, 1), (0, 2)), ((), ())), preferred_element_type=jnp.float32
        )
        whole = part if p.gates == tuple(range(whole.shape[1])) else whole.at[:, p.gates].add(part)
    return whole.reshape(kernel.shape)


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
        {n: _by_gate(k.arrays[0]) for n, k in operands.kernels.items()},
    )


def _by_gate(kernel: Array) -> Array:
    """`[G, R, H]`: a gate is then a matrix, not a cut through all."""
    return kernel[None] if kernel.ndim == 2 else jnp.moveaxis(kernel, 1, 0)


def _plain(a: Array) -> Array:
    return a.astype(jnp.int32) if a.dtype == jnp.bool_ else a


def _call(
    body: Callable[..., None], spec: Spec, arrays: Arrays, given: Any, T: int, N: int, *, descending: bool
) -> Any:
    """One kernel over trees of arrays: tiles of rows by themselves, those of time one after the other."""
    tile = tiles.choose(arrays, T, N)
    if tile is None:
        raise ValueError(f"a tile of {spec.cell.name} takes {tiles.least(arrays):,} bytes of a TPU's fast memory")
    if spec.block is not None:
        tile = Tile(min(tile.steps, spec.block), tile.rows)
    walk = Walk(T, tile.steps, descending)
    traced = trace(spec.cell, spec.signature, tile.rows)
    read = shapes(spec.cell, spec.signature, tile.rows)[1]
    places, results = (jax.tree.leaves(a, is_leaf=tiles.is_place) for a in (arrays.given, arrays.results))
    trees = [jax.tree.structure(a, is_leaf=tiles.is_place) for a in (arrays.given, arrays.results)]

    varies = jax.typeof(jax.tree.leaves(given)[0]).manual_axis_type  # inside `shard_map` over some mesh axes

    def on_refs(*refs: Any) -> None:
        count, end = len(places), len(places) + len(results)
        reads, writes = jax.tree.unflatten(trees[0], refs[:count]), jax.tree.unflatten(trees[1], refs[count:end])
        body(traced, walk, read, reads, writes, refs[end:])

    found = pl.pallas_call(
        on_refs,
        grid=(-(-N // tile.rows), walk.tiles),
        in_specs=[tiles.block(a, tile, walk.at) for a in places],
        out_specs=[tiles.block(a, tile, walk.at) for a in results],
        out_shape=[jax.ShapeDtypeStruct(a.shape, a.dtype, manual_axis_type=varies) for a in results],
        # A tile of the inputs' cotangent takes the place of that of the inputs, which is read by then. Of such an array
        # the interpreter returns one of another shape, where tiles reach beyond it.
        input_output_aliases={0: 0} if arrays.results[0] == places[0] and not spec.interpret else {},
        scratch_shapes=[pltpu.VMEM(shape(tile), jnp.float32) for shape in arrays.scratch],
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("parallel", "arbitrary"), vmem_limit_bytes=tiles.LIMIT
        ),
        interpret=INTERPRETER if spec.interpret else False,
    )(*jax.tree.leaves(given))
    return jax.tree.unflatten(trees[1], found)


def _lower(run: Callable[..., list[Any]]) -> dict[str, Lower]:
    lowered = mlir.lower_fun(run, multiple_results=True)

    def lower(platform: str, ctx: Any, *leaves: Any, form: Form) -> Any:
        here = form.spec.interpret or (platform == "tpu" and _alone(ctx))
        return lowered(ctx, *leaves, form=form) if here and form.operands(ctx.avals_in).xs.shape[1] else None

    return {platform: partial(lower, platform) for platform in ("cpu", "tpu")}


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
