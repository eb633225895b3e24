"""Inputs side by side, of which each gate reads one: a convolved input and the raw one, say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import jax.numpy as jnp

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Initializer
from jaxrnn.forms.around import Around
from jaxrnn.forms.form import Arrays, Form, Weight


@dataclass(frozen=True, repr=False)
class Sources(Around):
    """Kernels of the form inside. Inputs are sources of the same size; the first `gates[0]` gates read the first."""

    gates: tuple[int, ...]

    def __repr__(self) -> str:
        return self.shown("sources", *self.gates)

    matrices = False  # one array holds it all, but no gate reads all of the inputs

    def weights(self, inputs: int, gates: int | None, units: int, init: Initializer, argument: str) -> list[Weight]:
        if gates != sum(self.gates) or inputs % len(self.gates):
            expected = f"a form for {sum(self.gates)} gates and {len(self.gates)} sources of the same size"
            fail(argument, expected, (gates, inputs))
        return self.of.weights(inputs // len(self.gates), gates, units, init, argument)

    def inputs_of(self, shapes: Sequence[tuple[int, ...]]) -> int:
        return len(self.gates) * self.of.inputs_of(shapes)

    def product(self, arrays: Arrays, h: Array) -> Array:
        ends = tuple(accumulate(self.gates))
        index = [tuple(range(end - count, end)) for end, count in zip(ends, self.gates, strict=True)]
        parts = jnp.split(h, len(index), axis=-1)
        each = [self.of.product(self.of.pick(arrays, gates), part) for gates, part in zip(index, parts, strict=True)]
        return jnp.concatenate(each, axis=-2)

    def pick(self, arrays: Arrays, index: tuple[int, ...]) -> Arrays:
        if index != tuple(range(sum(self.gates))):
            fail("gates", "all of them, where each reads a source of its own", index)
        return arrays

    def prepared(self, arrays: Arrays) -> tuple[Form, Arrays]:
        form, arrays = self.of.prepared(arrays)
        return replace(self, of=form), arrays
