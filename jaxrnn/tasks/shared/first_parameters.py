"""The first parameters of a layer whose cell somebody named, and what to say where it does not fit its inputs."""

from __future__ import annotations

import jax

from jaxrnn.base.errors import Said, fail
from jaxrnn.core.layer import Layer
from jaxrnn.train.task import Params


def first_parameters(layer: Layer, key: jax.Array, inputs: int, cell: str) -> Params:
    """Of a layer for so many inputs.

    Raises:
        ValueError: If its cell takes as many inputs as it has units alone, and these are not.
    """
    try:
        return layer.init(key, inputs=inputs)
    except ValueError as error:
        fail("model.cell", f"a cell that takes {inputs} inputs", Said(f"{cell!r} ({error})"), "lstm and gru take any.")
