"""Weights as lists of arrays in Keras's own order and layout: `get_weights` and `set_weights`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxrnn.base.errors import fail
from jaxrnn.base.hints import Spelled


class Weights(Spelled, nnx.Module):
    """A module with weights, each a Flax Variable."""

    _interface = "keras"

    @property
    def variables(self) -> list[nnx.Variable]:
        """The weights in Keras's order: kernel, recurrent kernel, bias; cell by cell, forward before backward."""
        raise NotImplementedError

    def get_weights(self) -> list[np.ndarray]:
        """All weights as NumPy arrays, as Keras's `get_weights` returns them."""
        return [np.asarray(variable[...]) for variable in self.variables]

    def set_weights(self, weights: Any) -> None:
        """Take weights as Keras's `get_weights` returns them; all of them, or none where one does not fit.

        Args:
            weights: a list of arrays.

        Raises:
            TypeError, ValueError: the number of arrays, a shape, or a dtype does not fit.
        """
        variables = self.variables
        shapes = [variable.shape for variable in variables]
        expected = f"a list of {len(variables)} arrays of shapes {shapes}"
        if not isinstance(weights, (list, tuple)):
            fail("weights", expected, weights, kind=TypeError)
        if len(weights) != len(variables):
            fail("weights", expected, weights)
        for i, (variable, value) in enumerate(zip(variables, weights, strict=True)):
            if not isinstance(value, (jax.Array, np.ndarray)) or not jnp.issubdtype(value.dtype, jnp.floating):
                fail(f"weights[{i}]", f"floats of shape {variable.shape}", value, kind=TypeError)
            if value.shape != variable.shape:
                fail(f"weights[{i}]", f"of shape {variable.shape}", value)
        for variable, value in zip(variables, weights, strict=True):
            variable.set_value(jnp.asarray(value, variable.dtype))
