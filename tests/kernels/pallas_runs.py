"""Kernels for TPUs or GPUs, run in JAX's interpreters, whose fast memory holds NaN until it is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.kernels.pallas import interpreted, tiles
from tests.laws import programs
from tests.table import CASES, B, Steps, arrays, cotangents

# Of T = 6 and B = 3 there are two tiles each way, and the second is not full.
TILE = tiles.Tile(steps=4, rows=2)


@contextmanager
def small_tiles(gpu: bool = False) -> Iterator[None]:
    """Inside, kernels are interpreted, those for TPUs in tiles that are small. What was traced before, or in it, is
    forgotten."""
    choose = tiles.choose
    tiles.choose = lambda arrays, T, N: choose(arrays, T, N) if N != B else TILE
    jax.clear_caches()
    try:
        with interpreted(gpu):
            yield
    finally:
        tiles.choose = choose
        jax.clear_caches()


def single(tree: Any) -> Any:
    """In float32."""
    return jax.tree.map(lambda a: jnp.asarray(a, jnp.float32) if np.issubdtype(a.dtype, np.floating) else a, tree)


def run(row: str, case: str, reverse: bool, *, padding: float) -> Any:
    """((final carry, outputs), gradients) of a row of the table; `padding` is added to xs where a step is none."""
    steps = CASES[case]

    def program(args: Any, steps: Steps, cotangent: Any) -> Any:
        def forward(args: Any) -> Any:
            return programs.call(row, "pallas", args, **steps._asdict(), reverse=reverse, chunk=TILE.steps)

        outputs, pull = jax.vjp(forward, args)
        return outputs, pull(jax.tree.map(lambda w, a: w.astype(a.dtype), cotangent, outputs))[0]

    args = single(arrays(row))
    args["xs"] = jnp.where(counts(steps)[..., None], args["xs"], jnp.float32(padding) + args["xs"])
    return programs.to_numpy(jax.jit(program)(args, steps, single(cotangents(row))))


def counts(steps: Steps) -> Any:
    """`[T, B]`: whether a step counts."""
    T = steps.mask.shape[0]
    return np.asarray(steps.mask) & (np.arange(T)[:, None] < np.asarray(steps.lengths))
