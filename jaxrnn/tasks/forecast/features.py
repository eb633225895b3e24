"""What the network sees of series: values scaled by what the training part told, flags of gaps, calendar, covariates.

    z = log(1 + value / (scale * log)), or value / scale
    input[t] = (z[t] - level) / deviation or 0 in a gap, whether it was seen, calendar, covariates, whether these were
    ahead[t, k] = calendar and known covariates of t + k, the last value, the last season's mean, and the values one and
                  two seasons before t + k, as far as they were seen by t

No value is filled in: a gap is zero beside a flag that says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from jaxrnn.base.errors import fail, nearest
from jaxrnn.tasks.forecast.options import DataOptions
from jaxrnn.tasks.forecast.scores import seasonal_error
from jaxrnn.tasks.forecast.series import Series, step_of
from jaxrnn.tasks.shared.calendars import calendar, calendar_places, cycles_of
from jaxrnn.tasks.shared.scales import LEAST, divisor
from jaxrnn.train.named_axes import Place


class Scale(NamedTuple):
    """Of one series."""

    size: float  # values are divided by it
    error: float  # the mean error of "as a season before"
    level: float  # mean of z


class Encoded(NamedTuple):
    """A series for the network."""

    inputs: np.ndarray  # float32 [T, F]
    z: np.ndarray  # float64 [P + T]: 0 in gaps, and before it begins
    seen: np.ndarray  # bool [P + T]
    level: np.ndarray  # float64 [T]
    last: np.ndarray  # float64 [T]: the last z that was seen
    recent: np.ndarray  # float64 [T]: the mean of the last season
    known: np.ndarray  # float32 [T + h, C]: calendar and what else is known of each time
    scale: Scale


@dataclass(frozen=True)
class Features:
    """How series become arrays: by the options, and by what was learned from the training part."""

    data: DataOptions
    record: str  # JSON, as `learned_from` gives it

    @cached_property
    def learned(self) -> dict[str, Any]:
        """The record."""
        return json.loads(self.record)

    @property
    def deviation(self) -> float:
        """Of z from its level."""
        return self.learned["deviation"][0]

    @property
    def step(self) -> int:
        """Of the grid of times, as `step_of` tells it; 0 where rows are the steps."""
        return self.learned["step"][0]

    @property
    def dated(self) -> bool | None:
        """Whether times are dates, and no counts; None where a run of an older version does not say so."""
        found: bool | None = self.learned.get(
            "dated", [True if self.step < 0 or any(self.learned["cycles"]) else None]
        )[0]
        return found

    @cached_property
    def scales(self) -> dict[str, Scale]:
        """Of the series that trained."""
        return {name: Scale(*rest) for name, *rest in self.learned["series"]}

    @cached_property
    def columns(self) -> list[str]:
        """The covariates."""
        return [name for name, _, _ in self.learned["covariates"]]

    @cached_property
    def known_columns(self) -> list[int]:
        """Those that are known of the time to come."""
        return known_columns(self.data, self.columns)

    @cached_property
    def sizes(self) -> tuple[int, int]:
        """F and G: numbers of a step, and of a step ahead."""
        times = calendar(np.zeros(1, "datetime64[s]"), self.learned["cycles"]).shape[1]
        covariates = len(self.columns) + bool(self.columns)
        return 2 + times + covariates, times + len(self.known_columns) + 2 + 4 * len(self.data.seasons)

    @cached_property
    def places(self) -> tuple[list[Place], list[Place]]:
        """What the numbers of a step are, and those of a step ahead."""
        times = calendar_places(self.learned["cycles"])
        columns = [Place("", name, "column") for name in self.columns]
        flag = [Place("", "whether columns are known")] if columns else []
        before = [Place(f"season {n} {part}") for n in range(len(self.data.seasons)) for part in range(4)]
        known = [columns[n] for n in self.known_columns]
        inputs = [Place("value"), Place("seen"), *times, *columns, *flag]
        return inputs, [*times, *known, Place("last"), Place("recent"), *before]

    def scale(self, series: Series) -> Scale:
        """As it was learned; of a series that is new, as its own training part tells."""
        return self.scales.get(series.name) or scale_of(series.values[: series.train], self.data)

    def encode(
        self, series: Series, to_come: np.ndarray, covariates: np.ndarray, before: np.ndarray | None = None
    ) -> Encoded:
        """A series with the times [h] and the covariates [h, K] that follow it, which count as far as they're known.

        `before` are the last value and the last mean of a season before the series, NaN where there were none.
        """
        before = np.full(2, np.nan) if before is None else before
        scale, P, season = self.scale(series), self.data.kept, self.data.season
        seen = np.isfinite(series.values)
        z = np.where(seen, transform(np.where(seen, series.values, 0), scale, self.data), 0)
        z, seen = np.concatenate([np.zeros(P), z]), np.concatenate([np.zeros(P, bool), seen])
        sums, counts = (np.cumsum(np.append(0, part)) for part in (z, seen))
        number = counts[season:] - counts[:-season]
        recent = (sums[season:] - sums[:-season]) / np.maximum(number, 1)
        first = np.where(np.isnan(before), scale.level, before)
        recent = kept(np.where(number > 0, recent, np.nan)[P - season + 1 :], first[1])
        level = recent if self.data.level == "season" else np.full(len(recent), scale.level)
        last = kept(np.where(seen, z, np.nan)[P:], first[0])
        when = calendar(np.concatenate([series.times, to_come]), self.learned["cycles"])
        others = self.covariates(np.concatenate([series.covariates, covariates]))
        known = np.concatenate([when, others[:, self.known_columns]], 1)
        deviation = self.deviation
        value = np.where(seen[P:], (z[P:] - level) / deviation, 0)
        T = len(series.values)
        inputs = np.concatenate([value[:, None], seen[P:, None], when[:T], others[:T]], 1)
        return Encoded(inputs.astype(np.float32), z, seen, level, last, recent, known.astype(np.float32), scale)

    def covariates(self, values: np.ndarray) -> np.ndarray:
        """Of mean 0 and variance 1, 0 where unknown, and whether all are known: [T, K + 1]; [T, 0] of none."""
        if not self.columns:
            return np.zeros((len(values), 0))
        mean, deviation = (np.array(part) for part in list(zip(*self.learned["covariates"], strict=True))[1:])
        there = np.isfinite(values)
        scaled = np.where(there, (np.where(there, values, 0) - mean) / deviation, 0)
        return np.concatenate([scaled, there.all(1, keepdims=True)], 1)

    def ahead(self, encoded: Encoded, origins: np.ndarray) -> np.ndarray:
        """What is known at some steps [N] of the h after each: float32 [N, h, G]."""
        steps = np.arange(1, self.data.horizon + 1)
        deviation, level = self.deviation, encoded.level[origins][:, None]
        parts = [encoded.known[origins[:, None] + steps]]
        for values in (encoded.last, encoded.recent):
            relative = (values[origins][:, None] - level) / deviation
            parts.append(np.broadcast_to(relative[..., None], (len(origins), len(steps), 1)))
        for season in self.data.seasons:
            for cycle in (0, 1):
                back = steps - season * (-(-steps // season) + cycle)
                at = self.data.kept + origins[:, None] + back
                there = (at >= 0) & encoded.seen[np.maximum(at, 0)]
                value = np.where(there, (encoded.z[np.maximum(at, 0)] - level) / deviation, 0)
                parts += [value[..., None], there[..., None]]
        return np.concatenate(parts, -1).astype(np.float32)


def named_known(data: DataOptions) -> list[str]:
    """The names in `data.known`."""
    return [name.strip() for name in data.known.split(",") if name.strip()]


def known_columns(data: DataOptions, columns: list[str]) -> list[int]:
    """Numbers of the covariates that are known of the time to come."""
    names = columns if data.known == "all" else named_known(data)
    return [number for number, name in enumerate(columns) if name in names]


def kept(values: np.ndarray, first: float) -> np.ndarray:
    """Each value that is NaN becomes the one before it."""
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))
    return np.where(last >= 0, values[np.maximum(last, 0)], first)


def transform(values: np.ndarray, scale: Scale, data: DataOptions) -> np.ndarray:
    """z."""
    return np.log1p(np.maximum(values, 0) / (scale.size * data.log)) if data.log else values / scale.size


def scale_of(values: np.ndarray, data: DataOptions) -> Scale:
    """Of a training part."""
    there = values[np.isfinite(values)]
    size = float(np.abs(there).mean()) if data.scale == "series" and len(there) else 1.0
    scale = Scale(size or 1.0, seasonal_error(values, data.season), 0.0)
    return scale._replace(level=float(transform(there, scale, data).mean()) if len(there) else 0.0)


def learned_from(panel: list[Series], columns: list[str], data: DataOptions) -> dict[str, Any]:
    """What the training parts of series tell, as JSON holds it.

    Raises:
        ValueError: If `data.known` names a covariate that there is not: the model would go without it.
    """
    for name in named_known(data):
        if name not in (*columns, "all"):
            there = ", ".join(columns) or "there are none"
            fail("data.known", f"all, or covariates of the data ({there})", name, nearest(name, columns))
    parts = [series.values[: series.train] for series in panel]
    scales = [scale_of(values, data) for values in parts]
    apart = []
    for values, scale in zip(parts, scales, strict=True):
        z = transform(values[np.isfinite(values)], scale, data)
        level: float | np.ndarray = scale.level
        if data.level == "season" and len(z) > data.season:
            level = np.convolve(z, np.ones(data.season) / data.season, "valid")
            z = z[data.season - 1 :]
        apart.append(np.square(z - level))
    covariates = np.concatenate([series.covariates[: series.train] for series in panel])
    mean, spread = np.nanmean(covariates, 0), np.nanstd(covariates, 0)
    longest = max((series.times[: series.train] for series in panel), key=len)
    return {
        "series": [[series.name, *scale] for series, scale in zip(panel, scales, strict=True)],
        "covariates": [[name, float(m), divisor(s)] for name, m, s in zip(columns, mean, spread, strict=True)],
        "deviation": [max(float(np.sqrt(np.concatenate(apart).mean())), LEAST)],
        "cycles": cycles_of(longest),
        "step": [0 if data.steps == "rows" else step_of(longest)],
        "dated": [longest.dtype.kind == "M"],
    }
