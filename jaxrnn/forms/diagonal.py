"""Each unit reads itself alone.

Papers:
    Li et al., Independently recurrent neural network (IndRNN), CVPR 2018 (arXiv:1803.04831).
    Danieli et al., ParaRNN, arXiv:2510.21450.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Initializer
from jaxrnn.forms.form import Arrays, Form, Weight
from jaxrnn.functions.initializers import Uniform


@dataclass(frozen=True)
class Diagonal(Form):
    """`[G, H]`: h.g = u_g * h. Drawn uniformly within [-1, 1) where nothing is said."""

    elementwise = True

    def __repr__(self) -> str:
        return "diagonal"

    def weights(self, inputs: int, gates: int | None, units: int, init: Initializer, argument: str) -> list[Weight]:
        if inputs != units:
            fail(argument, f"a form for {inputs} inputs and {units} units, which are to be equal for diagonal", self)
        return [Weight((units,) if gates is None else (gates, units), init)]

    def inputs_of(self, shapes: Sequence[tuple[int, ...]]) -> int:
        return shapes[0][-1]

    def product(self, arrays: Arrays, h: Array) -> Array:
        (vectors,) = arrays
        if vectors.ndim > 1:
            h = h[..., None, :]
        return h * jnp.expand_dims(vectors, tuple(range(h.ndim - vectors.ndim)))

    def init(self, side: str) -> Initializer | None:
        return Uniform(1.0)


diagonal = Diagonal()
