"""Every unit reads every input: a matrix a gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import jax.numpy as jnp
from jax import lax

from jaxrnn.base.typing import Array, Initializer
from jaxrnn.forms.form import Arrays, Form, Weight, pick_gates, sums
from jaxrnn.forms.picked import rows_of
from jaxrnn.forms.tile import Tile, Tiles


@dataclass(frozen=True)
class Dense(Form):
    """`[R, G, H]`; without gates `[R, H]`. The gate axis is kept apart so that H can be sharded."""

    def __repr__(self) -> str:
        return "dense"

    matrices = True
    summed = 0

    def weights(self, inputs: int, gates: int | None, units: int, init: Initializer, argument: str) -> list[Weight]:
        return [Weight((inputs, units) if gates is None else (inputs, gates, units), init)]

    def inputs_of(self, shapes: Sequence[tuple[int, ...]]) -> int:
        return shapes[0][0]

    def product(self, arrays: Arrays, h: Array) -> Array:
        axes = (((h.ndim - 1,), (0,)), ((), ()))
        return lax.dot_general(h, arrays[0], axes, preferred_element_type=sums(h.dtype))

    def turned(self, arrays: Arrays) -> tuple[Form, Arrays]:
        return Turned(), (jnp.moveaxis(arrays[0], 0, -1),)

    def read(self, arrays: Arrays, symbols: Array) -> Array:
        return rows_of(arrays[0], symbols)

    def tiles(self, gates: Sequence[int], inputs: int, stored: int, units: int) -> Tiles:
        runs = [list(run) for _, run in groupby(enumerate(gates), lambda at: at[1] - at[0])]  # of neighbours
        return Tiles(
            tuple(
                Tile(0, run[0][1] * units, stored * units, inputs, len(run) * units, write=run[0][0] * units)
                for run in runs
            )
        )


@dataclass(frozen=True)
class Turned(Dense):
    """A dense kernel with the axis of inputs last. JAX transposes a product with it to products that take and give it
    as it lies; a gradient added up block by block is not turned each time."""

    def inputs_of(self, shapes: Sequence[tuple[int, ...]]) -> int:
        return shapes[0][-1]

    def units_of(self, shapes: Sequence[tuple[int, ...]]) -> int:
        return shapes[0][-2]

    def product(self, arrays: Arrays, h: Array) -> Array:
        return lax.dot_general(h, arrays[0], (((h.ndim - 1,), (arrays[0].ndim - 1,)), ((), ())))

    def pick(self, arrays: Arrays, index: tuple[int, ...]) -> Arrays:
        return (pick_gates(arrays[0], index, 0),)


dense = Dense()
