"""Batches of sequences with the steps at which forecasts begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxrnn.programs.serialized import serialized
from jaxrnn.tasks.forecast.features import Encoded, Features, transform
from jaxrnn.tasks.forecast.options import DataOptions
from jaxrnn.tasks.forecast.series import Series
from jaxrnn.train import EMPTY, pad


@serialized
class Windows(NamedTuple):
    """A batch; rows first. Where `seen` is false, nothing was observed, and the target is zero."""

    inputs: np.ndarray  # float32 [B, T, F]
    lengths: np.ndarray  # int32 [B]
    origins: np.ndarray  # int32 [B, N]: the last step that each forecast knows
    ahead: np.ndarray  # float32 [B, N, h, G]
    level: np.ndarray  # float32 [B, N]: what z is told from
    targets: np.ndarray  # float32 [B, N, h]: values in units of the series' size
    z: np.ndarray  # float32 [B, N, h]: the same as the network sees them, from the level, in deviations
    seen: np.ndarray  # bool [B, N, h]
    weight: np.ndarray  # float32 [B]: size by error


class Window(NamedTuple):
    """A sequence of a series and the steps, counted in the series, at which forecasts begin."""

    series: int
    begin: int
    origins: np.ndarray


def training_windows(number: int, series: Series, data: DataOptions) -> list[Window]:
    """Those of a series: every `every`th step is in one, the last that has a whole horizon in the training part first.

    Before its first forecast a sequence has `history` steps, or what there is of them.
    """
    first = min(data.history, series.train // 2)
    origins = np.arange(series.train - data.horizon - 1, max(first, 1) - 2, -data.every)[::-1]
    each = max(data.span // data.every, 1)
    cuts = np.arange(len(origins) % each, len(origins), each)
    return [
        Window(number, max(int(part[0]) + 1 - data.history, 0), part)
        for part in np.split(origins, cuts)
        if len(part) and _any_seen(series, part, data.horizon)
    ]


def with_gaps(series: Series, number: int, data: DataOptions) -> Series:
    """A series with some stretches of a horizon's length hidden, drawn by its number."""
    stretches = -(-len(series.values) // data.horizon)
    hidden = np.random.default_rng((data.seed, number)).random(stretches) < data.hidden
    return series._replace(
        values=np.where(np.repeat(hidden, data.horizon)[: len(series.values)], np.nan, series.values)
    )


def held_out_window(number: int, begin: int, end: int, horizon: int) -> Window:
    """All of a series before a part [begin, end) and in it, with forecasts of the part, horizon by horizon."""
    return Window(number, 0, np.arange(begin - 1, end - horizon, horizon))


def _any_seen(series: Series, origins: np.ndarray, horizon: int) -> bool:
    return bool(np.isfinite(series.values[origins[0] + 1 : origins[-1] + 1 + horizon]).any())


class Collate:
    """Makes batches of windows, by their numbers."""

    def __init__(
        self,
        windows: Sequence[Window],
        panel: Sequence[Series],
        encoded: Sequence[Encoded],
        features: Features,
        multiple: int = 8,
    ) -> None:
        self.windows, self.panel, self.encoded, self.features, self.multiple = (
            windows,
            panel,
            encoded,
            features,
            multiple,
        )
        self.most = max(len(window.origins) for window in windows)

    @property
    def lengths(self) -> np.ndarray:
        """Of the sequences."""
        return np.array([int(window.origins[-1]) + 1 - window.begin for window in self.windows])

    def __call__(self, rows: np.ndarray) -> Windows:
        """The batch of some windows."""
        data, (_, size) = self.features.data, self.features.sizes
        B, N, h = len(rows), self.most, data.horizon
        origins, level = np.zeros((B, N), np.int32), np.zeros((B, N), np.float32)
        ahead, weight = np.zeros((B, N, h, size), np.float32), np.zeros(B, np.float32)
        targets, z, seen = (np.zeros((B, N, h), kind) for kind in (np.float32, np.float32, bool))
        sequences = [self.encoded[w.series].inputs[w.begin : int(w.origins[-1]) + 1] for w in self.windows]
        padded = pad(sequences, rows, self.multiple)
        for n, window in enumerate(self.windows[row] if row != EMPTY else None for row in rows):
            if window is None:
                continue
            one, count = self.encoded[window.series], len(window.origins)
            values = self.panel[window.series].values[window.origins[:, None] + np.arange(1, h + 1)]
            there = np.isfinite(values)
            values = np.where(there, values, 0)
            origins[n, :count] = window.origins - window.begin
            level[n, :count] = one.level[window.origins]
            ahead[n, :count] = self.features.ahead(one, window.origins)
            targets[n, :count] = values / one.scale.size
            relative = transform(values, one.scale, data) - one.level[window.origins][:, None]
            z[n, :count] = np.where(there, relative / self.features.deviation, 0)
            seen[n, :count] = there
            weight[n] = one.scale.size / one.scale.error if one.scale.error > 0 else 1.0
        return Windows(padded.values, padded.lengths, origins, ahead, level, targets, z, seen, weight)
