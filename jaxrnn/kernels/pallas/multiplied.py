"""Products of a head's units on a GPU, all warpgroups together.

What is multiplied is put into shared memory for all of them, in two places by turns, so that one barrier is enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu

from jaxrnn.base.typing import Array
from jaxrnn.kernels.pallas.rules import MOSAIC_GPU, Rules
from jaxrnn.kernels.pallas.step import Product
from jaxrnn.kernels.pallas.warpgroup import Place, laid


@dataclass(frozen=True)
class Matrix:
    """A gate's matrix of a head, in shared memory, `[out, in]`: what stands for it in a step's equations."""

    ref: Any
    gate: int

    @property
    def dtype(self) -> Any:
        return self.ref.dtype

    def rows(self, mine: Any, *, back: bool) -> Any:
        """Those of the units that are a warpgroup's; of the transpose, on the way back."""
        return self.ref.at[self.gate, :, mine].T if back else self.ref.at[self.gate, mine, :]


@dataclass(frozen=True)
class Matrices:
    """All gates of a kernel."""

    ref: Any

    def __getitem__(self, gate: int) -> Matrix:
        return Matrix(self.ref, gate)


@dataclass
class Multiplier:
    """Products of all warpgroups' units. `places`: of every array that a step multiplies, two to take turns."""

    places: Any  # [count, 2, rows, units] in shared memory
    ready: Any  # the barrier at which warpgroups wait for each other
    mine: Any  # the units of this warpgroup
    real: Any  # [64, rows] bool: units beyond a head's own multiply as zeros; None: there are none
    tile: tuple[int, int]
    turn: Any = None
    free: Iterator[int] = field(default_factory=lambda: iter(()))
    last: tuple[Any, Any] = (None, None)

    def begin(self, s: Any) -> None:
        """A step."""
        self.turn, self.free, self.last = lax.rem(s, 2), iter(range(self.places.shape[0])), (None, None)

    def put(self, *arrays: Array) -> list[Any]:
        """Where arrays of all units lie, `[units, rows]`, once all warpgroups have written theirs."""
        places = [self.places.at[next(self.free), self.turn] for _ in arrays]
        for place, a in zip(places, arrays, strict=True):
            a = a if self.real is None else jnp.where(self.real, a, jnp.zeros_like(a))
            place.T[self.mine, :] = laid(a.astype(self.places.dtype))
        plgpu.commit_smem()
        plgpu.barrier_arrive(self.ready)
        plgpu.barrier_wait(self.ready)
        return [place.T for place in places]

    def sum(self, matrices: Sequence[Matrix], places: Sequence[Any], *, back: bool) -> Array:
        """The products with these, added up."""

        def scope(sums: Any) -> Array:
            for matrix, place in zip(matrices, places, strict=True):
                plgpu.wgmma(sums, matrix.rows(self.mine, back=back), place)
            return sums[...]

        return pl.run_scoped(scope, plgpu.ACC(self.tile, jnp.float32))

    def dot(self, h: Array, matrix: Matrix, *, dimension_numbers: Any, **_: Any) -> list[Array]:
        """A product in a step's equations: what one array is multiplied with lies there once."""
        if self.last[0] is not h:
            self.last = (h, self.put(h))
        ((_, (axis,)), _) = dimension_numbers
        return [self.sum([matrix], self.last[1], back=axis == 1)]


@dataclass(frozen=True)
class Again:
    """What came of a product with a state, at the step where it is read."""

    product: Product
    before: Place
    matrices: Matrices
    products: Multiplier

    def __getitem__(self, at: Any) -> Any:
        j, s = at
        if j == 0:
            h = self.before[s].astype(self.matrices.ref.dtype)
            self.products.last = (self, self.products.put(h))
        return self.products.sum([self.matrices[self.product.gates[j]]], self.products.last[1], back=False)


@dataclass
class Target:
    """What bodies ask of a GPU."""

    products: Multiplier

    @property
    def rules(self) -> Rules:
        whole = lambda a, **_: [a if jnp.ndim(a) else lax.broadcast_in_dim(a, self.products.tile, ())]  # noqa: E731
        return {**MOSAIC_GPU, "dot_general": self.products.dot, "broadcast_in_dim": whole}

    def multiply_again(self, products: Any, again: Any, before: Any, kernels: Any) -> None:
        """At the step where it is read: see `Again`."""

    def pull(self, product: Product, cotangents: Sequence[Array], kernels: Any) -> Array:
        """The cotangent of what was multiplied."""
        matrices = [kernels[product.kernel][gate] for gate in product.gates]
        return self.products.sum(matrices, self.products.put(*cotangents), back=True)
