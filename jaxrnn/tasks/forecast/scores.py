"""Figures of forecasts, in NumPy: errors of the median, and the continuous ranked probability score of quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np


def seasonal_error(values: np.ndarray, season: int) -> float:
    """The mean absolute error of "as a season before", by which MASE is scaled; NaN where nothing can be compared."""
    errors = np.abs(values[season:] - values[:-season])
    return float(np.nanmean(errors)) if np.isfinite(errors).any() else np.nan


def pinball(values: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Twice the quantile loss, mean over the levels: [...] of values [...] and quantiles [..., Q].

    The more levels, the nearer it is to the continuous ranked probability score, whose integral it is a sum of.
    """
    below = values[..., None] - quantiles
    return 2 * np.maximum(levels * below, (levels - 1) * below).mean(-1)


def figures(
    values: np.ndarray, quantiles: np.ndarray, levels: np.ndarray, owner: np.ndarray, scales: np.ndarray
) -> dict[str, float]:
    """Figures of forecasts [N, h] that are scored where values are not NaN.

    Args:
        values: [N, h], what came.
        quantiles: [N, h, Q]; the middle one is what was forecast.
        levels: [Q], in (0, 1), an odd number of them.
        owner: int [N], of which series.
        scales: [series], the error by which MASE is scaled. Where it is 0 or NaN, a series does not count for MASE.

    Returns:
        MAE, RMSE, CRPS over all values; MASE and sMAPE (per cent), and sCRPS (scaled as MASE), means over series.
    """
    seen = np.isfinite(values)
    median = quantiles[..., len(levels) // 2]
    error = np.where(seen, np.abs(values - median), 0)
    total = np.abs(values) + np.abs(median)
    relative = np.where(seen & (total > 0), 200 * error / np.where(total > 0, total, 1), 0)
    score = np.where(seen, pinball(np.where(seen, values, 0), quantiles, levels), 0)
    by_series = [np.zeros(len(scales)) for _ in range(4)]
    for sums, part in zip(by_series, (seen, error, relative, score), strict=True):
        np.add.at(sums, owner, part.sum(1))
    count, errors, relatives, scored = by_series
    there = count > 0
    scaled = there & (scales > 0)

    def of_series(sums: np.ndarray, which: np.ndarray, by: Any) -> float:
        return float(np.mean(sums[which] / count[which] / by)) if which.any() else float("nan")

    with np.errstate(invalid="ignore"):
        return {
            "MAE": float(errors.sum() / count.sum()),
            "RMSE": float(np.sqrt(np.square(error).sum() / count.sum())),
            "MASE": of_series(errors, scaled, scales[scaled]),
            "sMAPE": of_series(relatives, there, 1),
            "CRPS": float(scored.sum() / count.sum()),
            "sCRPS": of_series(scored, scaled, scales[scaled]),
        }
