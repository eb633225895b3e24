"""Inputs side by side, of which each gate reads one: the raw input and a convolved one, say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Initializer
from jaxrnn.forms.around import Around
from jaxrnn.forms.form import Arrays, Form, Weight


@dataclass(frozen=True, repr=False)
class Sources(Around):
    """Kernels of the form inside, as many gates as `reads` has entries: the number of the source that each reads."""

    reads: tuple[int, ...]

    def __repr__(self) -> str:
        return self.shown("sources", *self.reads)

    matrices = False  # one array holds it all, but no gate reads all of the inputs

    @property
    def count(self) -> int:
        return max(self.reads) + 1

    def weights(self, inputs: int, gates: int | None, units: int, init: Initializer, argument: str) -> list[Weight]:
        if gates != len(self.reads) or inputs % self.count:
            expected = f"a form for {len(self.reads)} gates and {self.count} sources of the same size"
            fail(argument, expected, (gates, inputs))
        return self.of.weights(inputs // self.count, gates, units, init, argument)

    def inputs_of(self, shapes: Sequence[tuple[int, ...]]) -> int:
        return self.count * self.of.inputs_of(shapes)

    def product(self, arrays: Arrays, h: Array) -> Array:
        orders = [tuple(g for g, read in enumerate(self.reads) if read == source) for source in range(self.count)]
        apart = jnp.split(h, self.count, axis=-1)
        products = [self.of.product(self.of.pick(arrays, g), x) for g, x in zip(orders, apart, strict=True)]
        order = [gate for gates in orders for gate in gates]
        together = jnp.concatenate(products, axis=-2)
        if order == sorted(order):
            return together
        return jnp.stack([together[..., order.index(gate), :] for gate in range(len(order))], axis=-2)

    def pick(self, arrays: Arrays, index: tuple[int, ...]) -> Arrays:
        if index != tuple(range(len(self.reads))):
            fail("gates", "all of them, where each reads a source of its own", index)
        return arrays

    def prepared(self, arrays: Arrays) -> tuple[Form, Arrays]:
        form, arrays = self.of.prepared(arrays)
        return replace(self, of=form), arrays
