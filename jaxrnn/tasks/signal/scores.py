"""Figures of signals: how much of a target's variance is told, and how many events are found."""

from __future__ import annotations

import numpy as np
from scipy.signal import find_peaks


def explained(values: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """R2 and the mean absolute error of what was found, where values are not NaN."""
    seen = np.isfinite(values)
    values, found = values[seen].astype(np.float64), found[seen].astype(np.float64)
    error, spread = np.square(values - found).sum(), np.square(values - values.mean()).sum()
    return float(1 - error / spread) if spread else np.nan, float(np.abs(values - found).mean())


def peaks(logits: np.ndarray, refractory: int) -> np.ndarray:
    """Steps where events are more likely than not, the likeliest within each `refractory` steps."""
    return find_peaks(np.concatenate([[-np.inf], logits, [-np.inf]]), height=0.0, distance=refractory)[0] - 1


def matched(marks: np.ndarray, found: np.ndarray, tolerance: int) -> int:
    """How many events are found: each by one, within a tolerance, in the order of time."""
    count, n, m = 0, 0, 0
    while n < len(marks) and m < len(found):
        if abs(found[m] - marks[n]) <= tolerance:
            count, n, m = count + 1, n + 1, m + 1
        elif found[m] < marks[n]:
            m += 1
        else:
            n += 1
    return count


def detection(right: int, marks: int, found: int) -> dict[str, float]:
    """Sensitivity, precision and their harmonic mean."""
    return {
        "F1": 2 * right / (marks + found) if marks + found else 1.0,
        "sensitivity": right / marks if marks else 1.0,
        "precision": right / found if found else 1.0,
    }
