"""Choices by chance that are the same on every machine and in every version of Python.

Of the standard library's generator only `random()` and the way it is seeded are promised to stay
(https://docs.python.org/3/library/random.html#notes-on-reproducibility), so all else is made of these two here.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """A stream of choices.

    Args:
        seed: 0 or more; another seed, another stream.

    >>> draws = Draws(0)
    >>> draws.below(10), draws.one("abc"), draws.some("abcdef", 3)
    (8, 'c', ['c', 'a', 'e'])
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def below(self, n: int) -> int:
        """One of 0 to n - 1."""
        return int(self._random() * n)

    def chance(self, share: float) -> bool:
        """True in this share of the cases."""
        return self._random() < share

    def one(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """Different ones of the items, in any order."""
        left = list(items)
        for n in range(count):
            other = n + self.below(len(left) - n)
            left[n], left[other] = left[other], left[n]
        return left[:count]

    def mixed(self, items: Sequence[T]) -> list[T]:
        """All items, in any order."""
        return self.some(items, len(items))
