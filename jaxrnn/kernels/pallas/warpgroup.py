"""What bodies see on a GPU: the arrays and registers of one warpgroup, which has 64 units of a head.

Everything is turned, `[units, rows]`: 64 units are the rows of a product, a tile of the batch's rows its columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jax import lax
from jax.experimental.pallas import mosaic_gpu as plgpu

from jaxrnn.base.typing import Array

LAYOUT = plgpu.Layout.WGMMA


class Walk(NamedTuple):
    """The way of a block through time: all steps, with what it holds in registers."""

    T: int
    descending: bool
    held: Sequence[Register]
    products: Any  # of a `Multiplier`, which is told of steps
    tiles: int = 1

    def now(self) -> int:
        return 0

    def over(self, i: int, step: Any) -> None:
        """`step(s)` for all steps."""

        def body(k: Any, values: Any) -> Any:
            self._hold(values)
            s = self.T - 1 - k if self.descending else k
            self.products.begin(s)
            step(s)
            return tuple(r.value for r in self.held)

        self._hold(lax.fori_loop(0, self.T, body, tuple(r.value for r in self.held)))

    def _hold(self, values: Any) -> None:
        for register, a in zip(self.held, values, strict=True):
            register.value = a


@dataclass
class Register:
    """A state of 64 units, from one step to the next: bodies read and write it as they do fast memory."""

    value: Any = None

    def __getitem__(self, everything: Any) -> Any:
        return self.value

    def __setitem__(self, everything: Any, value: Any) -> None:
        self.value = laid(value)


@dataclass(frozen=True)
class Place:
    """What a warpgroup sees of an array: at a step, or a step and a gate, one tile."""

    ref: Any
    own: tuple[Any, ...]  # its place in the axes of heads, units and rows
    shape: tuple[int, int]

    @property
    def dtype(self) -> Any:
        return self.ref.dtype

    def __getitem__(self, at: Any) -> Any:
        return load(self._at(at), LAYOUT)

    def __setitem__(self, at: Any, value: Any) -> None:
        plgpu.store(self._at(at), laid(value), optimized=False)  # type: ignore[attr-defined]  # of JAX 0.12

    def _at(self, at: Any) -> Any:
        lead = () if at is Ellipsis else at if isinstance(at, tuple) else (at,)
        return self.ref.at[(*lead, *self.own)]


@dataclass(frozen=True)
class Marks:
    """The marks of a tile's rows, the same for all units."""

    ref: Any
    rows: Any
    tile: tuple[int, int]

    def __getitem__(self, s: Any) -> Any:
        marks = load(self.ref.at[s, self.rows], LAYOUT.reduce(0))
        return lax.broadcast_in_dim(marks, self.tile, (1,))


def laid(a: Array) -> Array:
    """In the registers in which products are."""
    return plgpu.layout_cast(a, LAYOUT)


def load(place: Any, layout: Any) -> Array:
    """What stands there, in registers."""
    return plgpu.load(place, layout=layout, optimized=False)  # type: ignore[call-arg]  # of JAX 0.12
