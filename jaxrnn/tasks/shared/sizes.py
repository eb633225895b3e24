"""Few sizes for sequences of many lengths: each size is a compilation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxrnn.train import EMPTY


def power(sequences: Sequence[Sequence | np.ndarray], rows: np.ndarray, least: int) -> int:
    """The power of two, `least` or more, that the longest of some rows fits into.

    >>> power(["to", "be", "or not"], np.array([2, 0, EMPTY]), least=4)
    8
    """
    return max(least, 1 << (max((len(sequences[row]) for row in rows if row != EMPTY), default=1) - 1).bit_length())
