"""Medians, quartiles, and ratios that are taken round by round, so that a slow minute hits both sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Summary(NamedTuple):
    """A distribution over rounds."""

    low: float  # first quartile
    median: float
    high: float  # third quartile


def summarize(rounds: Sequence[float]) -> Summary:
    """Median and quartiles.

    >>> summarize([4.0, 1.0, 2.0, 3.0, 5.0])
    Summary(low=2.0, median=3.0, high=4.0)
    """
    return Summary(*(float(q) for q in np.quantile(np.asarray(rounds, float), [0.25, 0.5, 0.75])))


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> Summary:
    """How many times as much theirs take, pair by pair: above one, ours are faster.

    >>> ratio([2.0, 4.0, 9.0], [1.0, 2.0, 3.0]).median
    2.0
    """
    return summarize([a / b for a, b in zip(theirs, ours, strict=True)])


def geometric_mean(values: Sequence[float]) -> float:
    """The geometric mean of positive numbers.

    >>> round(geometric_mean([1.0, 4.0]), 9)
    2.0
    """
    return float(np.exp(np.mean(np.log(values))))
