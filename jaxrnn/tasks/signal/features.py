"""What the network sees of a recording, and what it is to answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.calendars import calendar, calendar_places
from jaxrnn.tasks.shared.scales import divisor
from jaxrnn.tasks.signal.options import DataOptions
from jaxrnn.tasks.signal.recordings import Recordings
from jaxrnn.train.named_axes import Place

DAY_AND_WEEK = [True, True, False]


def features(record: dict[str, Any], data: DataOptions, inputs: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Inputs [T, D] scaled, 0 in gaps, with their logarithms, whether they are there, and the calendar: float32."""
    there = np.isfinite(inputs)
    values = np.where(there, inputs, 0)
    parts = []
    for name, column in (("inputs", values), ("logs", np.log1p(np.maximum(values, 0)))):
        if name == "inputs" or data.log:
            mean, deviation = (np.array(part) for part in [*zip(*record[name], strict=True)][1:])
            parts.append(np.where(there, (column - mean) / deviation, 0))
    parts.append(there)
    if data.calendar:
        parts.append(calendar(times.astype("datetime64[s]"), DAY_AND_WEEK))
    return np.concatenate(parts, 1).astype(np.float32)


def places(record: dict[str, Any], data: DataOptions) -> list[Place]:
    """What the numbers of a step are that `features` gives."""
    roles = ("value", *(["log"] if data.log else []), "there")
    columns = [Place(role, name, "column") for role in roles for name, _, _ in record["inputs"]]
    return columns + (calendar_places(DAY_AND_WEEK) if data.calendar else [])


def widened(marks: np.ndarray, width: int) -> np.ndarray:
    """1 where an event is at most so many steps away; NaN stays."""
    found = marks.copy()
    for column in range(marks.shape[1]):
        for place in np.flatnonzero(marks[:, column] > 0):
            near = found[max(place - width, 0) : place + width + 1, column]
            near[np.isfinite(near)] = 1
    return found


def learned_from(recordings: Recordings, data: DataOptions) -> dict[str, Any]:
    """Means and deviations of the training part, as JSON holds them; a column that never changes has deviation 1.

    Raises:
        ValueError: If a column has no value there, or is named twice: what is to be found would be given.
    """
    names = [*recordings.inputs, *recordings.targets]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        fail(
            "data.inputs",
            "other columns than data.targets, each once",
            Said(f"{twice[0]!r} {names.count(twice[0])} times"),
        )
    inputs = np.concatenate([one.inputs for one in recordings.parts["training"]]).astype(np.float64)
    targets = np.concatenate([one.targets for one in recordings.parts["training"]]).astype(np.float64)
    for name, values in zip(names, np.hstack([inputs, targets]).T, strict=True):
        if not np.isfinite(values).any():
            fail("data.path", "values for training in every column", Said(f"none in {name!r}"))
    logs = np.log1p(np.maximum(inputs, 0))
    parts = {"inputs": (recordings.inputs, inputs), "targets": (recordings.targets, targets)}
    parts |= {"logs": (recordings.inputs, logs)} if data.log else {}
    return {
        part: [
            [name, float(mean), divisor(spread)]
            for name, mean, spread in zip(names, np.nanmean(values, 0), np.nanstd(values, 0), strict=True)
        ]
        for part, (names, values) in parts.items()
    }
