"""Gates of fewer units than the cell has, beside others of all: an input is projected for both in one go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp

from jaxrnn.base.typing import Array, Initializer
from jaxrnn.forms.around import Around
from jaxrnn.forms.form import Arrays, Columns, Form, Weight
from jaxrnn.functions.initializers import PerGate


@dataclass(frozen=True, repr=False)
class Narrow(Around):
    """Kernels of the `gates` for their first `width` units, in arrays of their own; zero is the product at the rest.

    For the side of the input, whose product is one of all gates.
    """

    gates: tuple[str, ...]
    width: int
    suffix: str  # of the arrays' names

    def __repr__(self) -> str:
        return f"{self.of!r}, and for {', '.join(self.gates)} of {self.width} units"

    @property
    def matrices(self) -> bool:  # type: ignore[override]
        return False

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.of.names, *(name + self.suffix for name in self.of.names))

    def columns(self, gates: tuple[str, ...], argument: str) -> Columns:
        inner = self.of.columns(tuple(g for g in gates if g not in self.gates), argument)
        own, first = iter(inner), len({c for c in inner if c is not None})
        return tuple(first + self.gates.index(g) if g in self.gates else next(own) for g in gates)

    def weights(self, inputs: int, gates: int | None, units: int, init: Initializer, argument: str) -> list[Weight]:
        wide = (gates or 0) - len(self.gates)
        first, second = (
            (PerGate(init.inits[:wide]), PerGate(init.inits[wide:])) if isinstance(init, PerGate) else (init, init)
        )
        return [
            *self.of.weights(inputs, wide, units, first, argument),
            *self.of.weights(inputs, len(self.gates), self.width, second, argument),
        ]

    def units_axis(self, index: int) -> int | None:
        return self.of.units_axis(index % len(self.of.names))

    def product(self, arrays: Arrays, h: Array) -> Array:
        return self._joined(arrays, lambda form, arrays: form.product(arrays, h))

    def read(self, arrays: Arrays, symbols: Array) -> Array:
        return self._joined(arrays, lambda form, arrays: form.read(arrays, symbols))

    def prepared(self, arrays: Arrays) -> tuple[Form, Arrays]:
        return self, arrays

    def _joined(self, arrays: Arrays, multiply: Callable[[Form, Arrays], Array]) -> Array:
        count = len(self.of.names)
        wide, narrow = (multiply(*self.of.prepared(part)) for part in (arrays[:count], arrays[count:]))
        rest = jnp.zeros((*narrow.shape[:-1], wide.shape[-1] - self.width), narrow.dtype)
        return jnp.concatenate([wide, jnp.concatenate([narrow, rest], -1)], -2)
