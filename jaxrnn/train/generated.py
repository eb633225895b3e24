"""Batches that are drawn, not read: each is a function of its split and its number alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxrnn.base.checks import check_function
from jaxrnn.base.errors import fail
from jaxrnn.train.options import position
from jaxrnn.train.task import Batch

SEEDS = {"training": 0, "validation": 1, "test": 2}


class Generated:
    """Endless iterator of batches, the n-th of them drawn by a generator that split and n seed.

    Args:
        draw: Makes a batch of the numbers that a generator gives.
        split: One of `SEEDS`; no two share a batch.

    Raises:
        ValueError: If there is no such split.

    >>> coins = Generated(lambda rng: rng.integers(0, 2, size=5))
    >>> first, second = next(coins), next(coins)
    >>> coins.set_state({"batch": 1})
    >>> bool((next(coins) == second).all())
    True
    """

    def __init__(self, draw: Callable[[np.random.Generator], Batch], split: str = "training") -> None:
        check_function(draw, "draw", "a function of a NumPy generator")
        if not isinstance(split, str) or split not in SEEDS:
            fail("split", f"one of {', '.join(SEEDS)}", split)
        self._draw, self._seed, self._batch = draw, SEEDS[split], 0

    def get_state(self) -> dict[str, int]:
        """The position of the next batch."""
        return {"batch": self._batch}

    def set_state(self, state: dict[str, int]) -> None:
        """Go to a position that `get_state` gave."""
        (self._batch,) = position(state, "batch")

    def __iter__(self) -> Generated:
        return self

    def __next__(self) -> Any:
        batch = self._draw(np.random.default_rng((self._seed, self._batch)))
        self._batch += 1
        return batch
