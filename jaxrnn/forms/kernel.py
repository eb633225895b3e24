"""A kernel as the engine has it: arrays in a form, and which of them each gate reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.typing import Array
from jaxrnn.forms.form import Arrays, Columns, Form


@partial(jax.tree_util.register_dataclass, data_fields=["arrays"], meta_fields=["form", "columns"])
@dataclass(frozen=True)
class Kernel:
    """The arrays of a kernel, as a `Form` reads them; a pytree of them."""

    form: Form  # what the arrays are
    arrays: Arrays
    columns: Columns | None  # None: a kernel without gates

    @property
    def inputs(self) -> int:
        """R."""
        return self.form.inputs_of([a.shape for a in self.arrays])

    @property
    def units(self) -> int:
        """H."""
        return self.form.units_of([a.shape for a in self.arrays])

    @property
    def dtype(self) -> Any:
        return self.form.dtype_of(self.arrays)

    @property
    def stored(self) -> int:
        """How many gates have arrays of their own."""
        return len({c for c in self.columns or () if c is not None})

    def astype(self, dtype: Any) -> Kernel:
        form, arrays = self.form.astype(self.arrays, dtype)
        return replace(self, form=form, arrays=arrays)

    def prepared(self) -> Kernel:
        """What is multiplied, where that is a function of what is held."""
        form, arrays = self.form.prepared(self.arrays)
        return replace(self, form=form, arrays=arrays)

    def turned(self) -> Kernel:
        """The same kernel as backward passes like it to lie."""
        form, arrays = self.form.turned(self.arrays)
        return replace(self, form=form, arrays=arrays)

    def picked(self, index: tuple[int, ...] | None) -> Arrays:
        """The arrays of some of the gates that are stored; None: of all."""
        return self.arrays if index is None else self.form.pick(self.arrays, index)

    def product(self, h: Array, index: tuple[int, ...] | None = None) -> Array:
        """`[*B, R]` times the kernel: `[*B, G, H]` of the gates that are stored, or `[*B, H]` without gates."""
        return self.form.product(self.picked(index), h)

    def read(self, symbols: Array) -> Array:
        """The product with one-hot vectors."""
        return self.form.read(self.arrays, symbols)


def by_columns(stored: Array, columns: Columns) -> Array:
    """`[..., G, H]` of all gates from that of the stored ones; zero where there is none."""
    if columns == tuple(range(stored.shape[-2])):
        return stored
    if not stored.shape[-2]:
        return jnp.zeros((*stored.shape[:-2], len(columns), stored.shape[-1]), stored.dtype)
    gates = [None if c is None else stored[..., c, :] for c in columns]
    nothing = jnp.zeros_like(stored[..., 0, :])
    return jnp.stack([nothing if g is None else g for g in gates], -2)


def each_of(values: Any, columns: Columns, nothing: Any) -> tuple[Any, ...]:
    """Of each gate its stored value, or `nothing`."""
    return tuple(nothing if c is None else values[c] for c in columns)
