"""Per-step inputs of one shape: what equations would broadcast, row over row, is refused."""

from __future__ import annotations

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Axis


def of_shape(value: Array, name: str, shape: tuple[Axis, ...]) -> Array:
    """A per-step input, if it has this shape in a step, its batch axes first."""
    if value.shape != shape:
        fail(f"per_step[{name!r}]", f"of shape {shape} in a step", value)
    return value
