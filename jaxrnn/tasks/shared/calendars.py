"""Times of the day, the week and the year, as a network reads them."""

from __future__ import annotations

import numpy as np

from jaxrnn.train.named_axes import Place

DAY = 86_400  # seconds
CYCLES = (DAY, 7 * DAY, 365 * DAY)


def cycles_of(times: np.ndarray) -> list[bool]:
    """Whether day, week and year count: those that are longer than a step, and that the times hold twice."""
    if times.dtype.kind != "M" or len(times) < 2:
        return [False] * len(CYCLES)
    seconds = times.astype(np.int64)
    step, whole = np.diff(seconds).min(), seconds[-1] - seconds[0]
    return [bool(2 * step <= cycle and 2 * cycle <= whole + step) for cycle in CYCLES]


def calendar(times: np.ndarray, cycles: list[bool]) -> np.ndarray:
    """Where times are in the day, the week and the year, as far as these count: float64 [T, C].

    Of day and year sines and cosines of one and two turns; of the week the day, one of seven.
    """
    found: list[np.ndarray] = []
    if any(cycles):
        times = times.astype("datetime64[s]")
        seconds, year = times.astype(np.int64), times.astype("datetime64[Y]")
        whole = (year + np.timedelta64(1, "Y")).astype("datetime64[s]") - year.astype("datetime64[s]")
        if cycles[0]:
            found += _turns(seconds % DAY / DAY)
        if cycles[1]:
            found += [*np.eye(7)[(seconds // DAY + 3) % 7].T]  # 1970 began on a Thursday
        if cycles[2]:
            found += _turns((times - year.astype("datetime64[s]")) / whole)
    return np.stack(found, 1) if found else np.zeros((len(times), 0))


def calendar_places(cycles: list[bool]) -> list[Place]:
    """What the columns of `calendar` are."""
    named = zip((("day", 4), ("week", 7), ("year", 4)), cycles, strict=True)
    return [Place(str(n), f"the {name}") for (name, size), counts in named if counts for n in range(size)]


def _turns(share: np.ndarray) -> list[np.ndarray]:
    return [wave(2 * np.pi * n * share) for n in (1, 2) for wave in (np.sin, np.cos)]
