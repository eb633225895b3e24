"""Recurrent products in which each unit reads itself alone: products of vectors, part of the equations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxrnn.base.typing import Array, Carry
from jaxrnn.core.kernels import RECURRENT
from jaxrnn.core.step import gate_tuple
from jaxrnn.forms.form import Columns
from jaxrnn.forms.kernel import each_of


def by_units(
    carry: Carry,
    x: Any,
    recur: Any,
    theta: dict[str, Any],
    *,
    inner: Callable[..., Any],
    gates: tuple[str, ...],
    kernels: tuple[tuple[str, Columns | None], ...],
    **per_step: Array,
) -> tuple[Carry, Array]:
    """Equations some of whose recurrent kernels are vectors."""
    names = dict(kernels)
    vectors = {name: theta[name] for name in names}
    own = {name: a for name, a in theta.items() if name not in names}
    return inner(carry, x, _ByUnits(recur, gates, names, vectors), own, **per_step)


@dataclass
class _ByUnits:
    """`recur`, but that some kernels multiply unit by unit."""

    recur: Any
    gates: tuple[str, ...]
    kernels: dict[str, Columns | None]  # of each such kernel the stored vectors of all gates; None without gates
    vectors: dict[str, Any]  # a tuple of the stored ones, or one

    def __call__(self, h: Array, gates: tuple[str, ...] | None = None, kernel: str = RECURRENT) -> Any:
        if kernel not in self.kernels:
            return self.recur(h, gates, kernel)
        columns = self.kernels[kernel]
        if columns is None:
            return h * self.vectors[kernel]
        names = gates or self.gates
        some = tuple(columns[self.gates.index(g)] for g in names)
        return gate_tuple(names)(*each_of([h * v for v in self.vectors[kernel]], some, jnp.zeros_like(h)))
