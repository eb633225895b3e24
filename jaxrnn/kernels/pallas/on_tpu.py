"""Kernels for TPUs: tiles of steps and rows that are moved into fast memory and out of it, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from jaxrnn.base.typing import Array
from jaxrnn.kernels.pallas import tiles
from jaxrnn.kernels.pallas.layout import Spec
from jaxrnn.kernels.pallas.rules import MOSAIC_TPU
from jaxrnn.kernels.pallas.step import Product, dot, shapes, trace
from jaxrnn.kernels.pallas.tiles import Arrays, Tile

# Fast memory is poisoned before it is written, so that nothing passes that reads what it must not.
INTERPRETER = pltpu.InterpretParams(uninitialized_memory="nan")


class Walk(NamedTuple):
    """The way of a kernel through time, in tiles of `tile` steps."""

    T: int
    tile: int
    descending: bool

    @property
    def tiles(self) -> int:
        return -(-self.T // self.tile)

    def at(self, i: Any) -> Any:
        """Which tile is the i-th."""
        return self.tiles - 1 - i if self.descending else i

    def now(self) -> Any:
        """The place in that order of the tile that is run."""
        return pl.program_id(1)

    def steps(self, i: Any) -> Any:
        """How many steps it has."""
        return jnp.minimum(self.tile, self.T - self.at(i) * self.tile)

    def over(self, i: Any, step: Any) -> None:
        """`step(s)` for the places of all its steps."""
        steps = self.steps(i)

        def body(k: Any, nothing: Any) -> Any:
            step(steps - 1 - k if self.descending else k)
            return nothing

        lax.fori_loop(0, steps, body, 0)


class Target:
    """What bodies ask of a TPU."""

    rules = MOSAIC_TPU

    def multiply_again(self, products: Sequence[Product], again: Any, before: Any, kernels: Any) -> None:
        """What came of products with states: those of a whole tile at once, off the chain."""
        for p, ref in zip(products, again, strict=True):
            h = before[p.state][...]
            rows = h.reshape(-1, h.shape[-1])
            for j, gate in enumerate(p.gates):
                ref[j] = dot(rows, kernels[p.kernel][gate]).reshape(*h.shape[:-1], p.units)

    def pull(self, product: Product, cotangents: Sequence[Array], kernels: Any) -> Array:
        """The cotangent of what was multiplied."""
        parts = zip(product.gates, cotangents, strict=True)
        return reduce(add, [dot(ct, kernels[product.kernel][gate], turned=True) for gate, ct in parts])


def call(body: Callable[..., None], spec: Spec, arrays: Arrays, given: Any, T: int, N: int, *, descending: bool) -> Any:
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
        body(traced, Target(), walk, read, reads, writes, refs[end:])

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
