"""Series as models of forecasts read them: values with gaps, times on a grid, covariates, and three parts in time."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

Times: TypeAlias = Any  # an array of datetime64[s] or int64, or one of them, for which NumPy's stubs have no name

MONTH = -1  # in place of a step's seconds: so many months are Grid(MONTH * number)


class Series(NamedTuple):
    """What was observed of one thing, and where it is cut: [0, train) trains, then comes validation, then the test."""

    name: str
    values: np.ndarray  # float64 [T]: NaN where nothing was observed
    times: np.ndarray  # datetime64[s] [T], or int64 [T] where time is counted
    covariates: np.ndarray  # float64 [T, K]: NaN where unknown
    train: int
    validation: int


def part_of(series: Series, split: str) -> tuple[int, int]:
    """Where a part of a series begins and ends; where all is held out, each part is all there is."""
    if split == "training":
        return 0, series.train
    if split == "validation" and series.train < series.validation:
        return series.train, series.validation
    return series.validation, len(series.values)


def step_of(times: np.ndarray) -> int:
    """The largest step of which all distances of times, increasing, are multiples: seconds, or counts where times are;
    months, negative, where all are of one day of the month, or its last.

    >>> step_of(np.array(["2024-01-31", "2024-02-29", "2024-05-31"], "datetime64[s]"))
    -1
    """
    if len(times) < 2:
        return 1
    if times.dtype.kind == "M" and (np.diff(times) >= np.timedelta64(28, "D")).all():
        within = times - times.astype("datetime64[M]")
        if len({*within.tolist()}) == 1 or _ends(times).all():
            return MONTH * int(np.gcd.reduce(np.diff(_months(times))))
    return int(np.gcd.reduce(np.diff(times.astype(np.int64))))


def distance(first: Times, times: np.ndarray, step: int) -> np.ndarray:
    """How many steps times are after the first, where they are on its grid; else -1."""
    if step < 0:
        steps = (_months(times) - _months(first)) // -step
        return np.where(later(first, steps, step) == times, steps, -1)
    apart = times.astype(np.int64) - first.astype(np.int64)
    return np.where(apart % step == 0, apart // step, -1)


def later(time: Times, steps: Times, step: int) -> Any:
    """The times so many steps after one; what ends a month does so in all."""
    if step > 0:
        return time + (steps * step).astype("timedelta64[s]" if time.dtype.kind == "M" else np.int64)
    month = time.astype("datetime64[M]") + (steps * -step).astype("timedelta64[M]")
    if _ends(time):
        last = (month + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
        return last + (time - time.astype("datetime64[D]"))
    return month.astype("datetime64[s]") + (time - time.astype("datetime64[M]"))


def ahead(times: np.ndarray, horizon: int, step: int, season: int) -> np.ndarray:
    """The next times [h]; where rows are the steps (0), such as they were a season before."""
    if step:
        return later(times[-1], np.arange(1, horizon + 1), step)
    found = [*times[-season - 1 :]]
    for _ in range(horizon):
        back = season if len(found) > season else len(found) - 1
        found.append(found[-1] + (found[-back] - found[-1 - back]))
    return np.array(found[-horizon:], times.dtype)


def _ends(times: Times) -> Any:
    """Whether times are on the last day of a month."""
    return (times + np.timedelta64(1, "D")).astype("datetime64[M]") > times.astype("datetime64[M]")


def _months(times: Times) -> Any:
    return times.astype("datetime64[M]").astype(np.int64)
