"""Cells that run as they say: on a lifted scan, with what Flax's RNN knows of lengths, streams and variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flax import nnx

from jaxrnn.flax_common.lifted import held_step

STATE_AXES: Mapping[Any, Any] = {nnx.Param: None, ...: nnx.Carry}  # parameters are read by all steps, the rest goes on


def run_lifted(
    step: Callable[[Any, Any, Any], tuple[Any, Any]],
    cell: Any,
    carry: Any,
    held: Any,
    *,
    reverse: bool,
    unroll: int = 1,
    state_axes: Mapping[Any, Any] = STATE_AXES,
    broadcast_rngs: Any = None,
) -> tuple[Any, Any]:
    """`step(cell, carry, x)` over `held`, the inputs `[T, *B, ...]` and which of them count."""
    axes = nnx.StateAxes({nnx.All(nnx.RngState, broadcast_rngs): None, **state_axes})

    @nnx.split_rngs(splits=1, only=broadcast_rngs, squeeze=True)  # a fresh key for every call
    @nnx.compat.scan(in_axes=(axes, nnx.Carry, 0), out_axes=(nnx.Carry, 0), reverse=reverse, unroll=unroll)
    def run(cell: Any, carry: Any, read: Any) -> tuple[Any, Any]:
        return held_step(lambda carry, x: step(cell, carry, x), carry, read)

    return run(cell, carry, held)
