"""Kernels for GPUs, by Mosaic: one block of threads for each head and tile of rows, which walks through all of time.

The recurrent kernel of the head is copied into shared memory once; the carry stays in registers. A warpgroup has 64 of
the head's units, and all gates of these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu

from jaxrnn.base.typing import Array
from jaxrnn.kernels.pallas import turned
from jaxrnn.kernels.pallas.by_unit import heads_of
from jaxrnn.kernels.pallas.layout import Backward, Spec
from jaxrnn.kernels.pallas.multiplied import Again, Matrices, Multiplier, Target
from jaxrnn.kernels.pallas.step import Traced, shapes, trace
from jaxrnn.kernels.pallas.tiles import Arrays, Lies, is_place
from jaxrnn.kernels.pallas.turned import UNITS
from jaxrnn.kernels.pallas.warpgroup import LAYOUT, Marks, Place, Register, Walk, load

ROWS = 16  # of a tile, in each of two carries; with more carries, half: registers hold no more


def call(body: Callable[..., None], spec: Spec, arrays: Arrays, given: Any, T: int, N: int, *, descending: bool) -> Any:
    """One kernel over trees of arrays: heads and tiles of rows by themselves."""
    traced = trace(spec.cell, spec.signature, spec.cell.size + 1)
    block = Block.of(spec, traced, again=isinstance(given, Backward))
    traced = block.cut(traced)
    read = shapes(spec.cell, spec.signature, block.rows)[1]
    kernels = {n: turned.by_head(k) for n, k in given.sequence.kernels.items()}
    real = [jnp.arange(block.units, dtype=jnp.int32) < spec.cell.size // block.heads] if block.filled else []
    places, results = (jax.tree.leaves(a, is_leaf=is_place) for a in (_others(arrays.given), arrays.results))
    trees = [jax.tree.structure(a, is_leaf=is_place) for a in (_others(arrays.given), arrays.results)]
    others = [_turn(a, lies, block) for a, lies in zip(jax.tree.leaves(_others(given)), places, strict=True)]
    ins = [*kernels.values(), *(a.astype(jnp.int32) for a in real), *others]
    varies = jax.typeof(others[0]).manual_axis_type  # inside `shard_map` over some mesh axes

    def on_refs(*refs: Any) -> None:
        reads, writes, scratch = (
            refs[: len(ins)],
            refs[len(ins) : len(ins) + len(results)],
            refs[len(ins) + len(results) :],
        )
        *held, multiplied, loaded, ready = scratch
        group, head, tile = (lax.axis_index(name) for name in ("group", "head", "rows"))
        mine, columns = pl.ds(group * UNITS, UNITS), pl.ds(tile * block.rows, block.rows)
        _load(reads[: len(held)], held, head, loaded, first=group == 0)
        here = lambda ref, lies: (  # noqa: E731
            Marks(ref, columns, block.tile) if lies.role == "marks" else Place(ref, (head, mine, columns), block.tile)
        )
        at = jax.tree.unflatten(trees[0], map(here, reads[len(ins) - len(places) :], places))
        out = jax.tree.unflatten(trees[1], map(here, writes, results))
        matrices = {n: Matrices(ref) for n, ref in zip(kernels, held, strict=True)}
        at = at._replace(sequence=at.sequence._replace(kernels=matrices))
        exists = _exists(reads[len(held)], mine, block.tile) if real else None
        products = Multiplier(multiplied, ready, mine, exists, block.tile)
        state = [Register() for _ in spec.signature.carry]
        again = [
            Again(p, at.before[p.state], matrices[p.kernel], products)
            for p in traced.products
            if block.again and p.state is not None
        ]
        body(traced, Target(products), Walk(T, descending, state, products), read, at, out, [*state, *again])

    found = plgpu.kernel(
        on_refs,
        out_type=[
            jax.ShapeDtypeStruct(turned.shape(a, block.heads, block.rows), a.dtype, manual_axis_type=varies)
            for a in results
        ],
        scratch_types=block.scratch(spec, kernels),
        grid=(turned.filled(N, block.rows) // block.rows, block.heads),
        grid_names=("rows", "head"),
        num_threads=block.units // UNITS,
        thread_name="group",
        interpret=plgpu.InterpretGPUParams(detect_races=True) if spec.interpret else None,  # type: ignore[attr-defined]
    )(*ins)
    return jax.tree.unflatten(trees[1], [turned.turn_back(a, lies) for a, lies in zip(found, results, strict=True)])


class Block(NamedTuple):
    """How a call is cut, and what it multiplies."""

    heads: int
    units: int  # of a head, filled up
    rows: int
    filled: bool
    again: bool  # products are multiplied again, and their cotangents
    products: int  # places in shared memory, two each

    @classmethod
    def of(cls, spec: Spec, traced: Traced, again: bool) -> Block:
        heads = heads_of(spec.cell, spec.signature.stored)
        own, rows = spec.cell.size // heads, ROWS if len(spec.signature.carry) <= 2 else ROWS // 2
        units = turned.filled(own, UNITS)
        count = sum(1 + len(p.gates) if again else 1 for p in traced.products)
        return cls(heads, units, rows, units > own, again, count)

    @property
    def tile(self) -> tuple[int, int]:
        return UNITS, self.rows

    def cut(self, traced: Traced) -> Traced:
        """A step on tiles: what is multiplied is one there, and what comes of it."""
        products = (p._replace(inputs=self.rows, units=self.rows) for p in traced.products)
        return traced._replace(products=tuple(products))

    def scratch(self, spec: Spec, kernels: dict[str, Array]) -> list[Any]:
        """Shared memory: matrices of a head, what is multiplied, and two barriers."""
        dtype = jnp.dtype(spec.signature.stored)
        swizzle = plgpu.find_swizzle(self.units * dtype.itemsize * 8)
        lie = (plgpu.TilingTransform((8, swizzle // dtype.itemsize)), plgpu.SwizzleTransform(swizzle))
        square = (self.units, self.units)
        gates = [k.shape[0] // (self.heads * self.units) for k in kernels.values()]
        return [
            *(plgpu.SMEM((count, *square), dtype, transforms=lie) for count in gates),
            plgpu.SMEM((self.products, 2, self.rows, self.units), dtype, transforms=lie),
            plgpu.Barrier(num_arrivals=sum(gates)),
            plgpu.Barrier(num_arrivals=self.units // UNITS),
        ]


def _load(kernels: Any, held: Any, head: Any, loaded: Any, *, first: Any) -> None:
    """The head's matrices into shared memory, a gate a copy."""

    @pl.when(first)
    def _() -> None:
        for kernel, ref in zip(kernels, held, strict=True):
            gates, units, _ = ref.shape
            for g in range(gates):
                rows = pl.ds((head * gates + g) * units, units)
                plgpu.copy_gmem_to_smem(kernel.at[rows], ref.at[g], loaded)

    plgpu.barrier_wait(loaded)


def _exists(ref: Any, mine: Any, tile: tuple[int, int]) -> Any:
    """Which of a warpgroup's units are some of the head's."""
    real = load(ref.at[mine], LAYOUT.reduce(1))
    return lax.broadcast_in_dim(real, tile, (0,)) > 0


def _others(tree: Any) -> Any:
    """All but kernels."""
    return tree._replace(sequence=tree.sequence._replace(kernels={}))


def _turn(a: Array, lies: Lies, block: Block) -> Array:
    return turned.marks(a, block.rows) if lies.role == "marks" else turned.turn(a, block.heads, block.rows)
