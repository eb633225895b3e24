"""Matrices of which blocks are read alone: on the diagonal and below it."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Initializer
from jaxrnn.forms.form import Weight
from jaxrnn.forms.maps import OfMatrices


@dataclass(frozen=True, repr=False)
class BlockTriangular(OfMatrices):
    """Units are in groups of equal size; each reads its own and those after it. What else is held is not read."""

    groups: int
    square = True

    def __repr__(self) -> str:
        return self.shown("block_triangular", self.groups)

    def weights(self, inputs: int, gates: int | None, units: int, init: Initializer, argument: str) -> list[Weight]:
        if units % self.groups:
            fail(argument, f"a form for {units} units, which are to be of {self.groups} groups of equal size", self)
        return super().weights(inputs, gates, units, init, argument)

    def of_matrix(self, matrix: Array) -> Array:
        group = jnp.arange(matrix.shape[-1]) // (matrix.shape[-1] // self.groups)
        read = jnp.broadcast_to(group[:, None] >= group[None, :], matrix.shape)
        return jnp.where(read, matrix, jnp.zeros_like(matrix))
