"""What measurements are divided by."""

from __future__ import annotations

LEAST = 1e-6  # of a deviation


def divisor(deviation: float) -> float:
    """The deviation; 1 of what never changes: divided by next to nothing, its first change would be enormous.

    >>> divisor(0.5), divisor(0.0)
    (0.5, 1.0)
    """
    return float(deviation) if deviation > LEAST else 1.0
