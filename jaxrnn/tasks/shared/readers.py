"""What reads a sequence from both ends: layers of any cell of the collection, given by name."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxrnn.base.errors import fail, nearest
from jaxrnn.cells import FAMILIES
from jaxrnn.compose import bidirectional, stack
from jaxrnn.core.layer import Layer

CELLS = {
    name: factory
    for family, cells in FAMILIES.items()
    if family != "time is an input"  # which no text has
    for name, factory in cells.items()
}


def check_cell(name: str) -> None:
    """See to it that a cell of a name is there.

    Raises:
        ValueError: If it isn't.
    """
    if name not in CELLS:
        fail(
            "model.cell",
            f"one of the {len(CELLS)} cells of `jaxrnn cells` that need no time",
            name,
            nearest(name, CELLS),
        )


def both_ways(cell: str, hidden: int, layers: int = 1, dropout: float = 0.0) -> Layer:
    """Bidirectional layers on top of each other; outputs of both directions side by side."""
    return stack([bidirectional(CELLS[cell](hidden)) for _ in range(layers)], dropout=dropout)


def ends(ys: jax.Array, lengths: jax.Array) -> jax.Array:
    """What each direction put out last, [B, 2 H], of outputs [T, B, 2 H]: at a row's last step, and at its first."""
    forward, backward = jnp.split(ys, 2, -1)
    last = jnp.maximum(lengths - 1, 0)[None, :, None]
    return jnp.concatenate([jnp.take_along_axis(forward, last, axis=0)[0], backward[0]], -1)
