"""Matrices between symmetric and antisymmetric."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp

from jaxrnn.base.typing import Array
from jaxrnn.forms.maps import OfMatrices


@dataclass(frozen=True, repr=False)
class Blended(OfMatrices):
    """(1 - beta) (U + U^T) + beta (U - U^T) - gamma I: symmetric at beta = 0, antisymmetric at beta = 1.

    Paper: Erichson et al., Lipschitz recurrent neural networks, ICLR 2021 (arXiv:2006.12070), equation 4.
    """

    beta: float
    gamma: float
    square = True

    def __repr__(self) -> str:
        return self.shown("blended", self.beta, self.gamma)

    def of_matrix(self, matrix: Array) -> Array:
        eye = jnp.broadcast_to(jnp.eye(matrix.shape[-1], dtype=matrix.dtype), matrix.shape)
        # (1 - beta) + beta of U, and (1 - beta) - beta of its transpose.
        return matrix + (1 - 2 * self.beta) * jnp.swapaxes(matrix, -1, -2) - self.gamma * eye
