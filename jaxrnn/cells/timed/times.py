"""Times as per-step inputs: one number a row, or one a unit."""

from __future__ import annotations

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array


def by_unit(value: Array, name: str, state: Array) -> Array:
    """A per-step input of one number a row, `[*B]`, or a unit, `[*B, H]`, so that it broadcasts with the state."""
    row = value.ndim < state.ndim and value.shape == state.shape[: value.ndim]
    if not row and value.shape != state.shape:
        fail(f"per_step[{name!r}]", f"one number a row, {state.shape[:-1]} in a step, or a unit, {state.shape}", value)
    return value.astype(state.dtype).reshape(value.shape + (1,) * (state.ndim - value.ndim))
