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
    columns: Columns,
    **per_step: Array,
) -> tuple[Carry, Array]:
    """Equations whose recurrent kernel is a vector a gate."""
    own = {name: a for name, a in theta.items() if name != RECURRENT}
    return inner(carry, x, _ByUnits(recur, theta[RECURRENT], gates, columns), own, **per_step)


@dataclass
class _ByUnits:
    """`recur`, but that the recurrent kernel multiplies unit by unit."""

    recur: Any
    vectors: tuple[Array, ...]  # of the stored gates
    gates: tuple[str, ...]
    columns: Columns

    def __call__(self, h: Array, gates: tuple[str, ...] | None = None, kernel: str = RECURRENT) -> Any:
        if kernel != RECURRENT:
            return self.recur(h, gates, kernel)
        names = gates or self.gates
        columns = tuple(self.columns[self.gates.index(g)] for g in names)
        return gate_tuple(names)(*each_of([h * v for v in self.vectors], columns, jnp.zeros_like(h)))
