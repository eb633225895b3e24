"""Forecasts of what was held out, horizon by horizon, each from all that was before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from jaxrnn.tasks.forecast.series import part_of
from jaxrnn.tasks.forecast.windows import Collate, held_out_window
from jaxrnn.train import in_order
from jaxrnn.train.group_arrays import fetched
from jaxrnn.train.task import Batch, Params


class Forecasts(NamedTuple):
    """Those of one series."""

    values: np.ndarray  # [n, h], what came
    quantiles: np.ndarray  # [n, h, Q]
    series: np.ndarray  # int [n], which one it is
    origins: np.ndarray  # int [n], the last step that each knows
    loss: float  # the sum


def forecasts(task: Any, params: Params, place: Callable[[Batch], Batch], split: str) -> Iterator[Forecasts]:
    """Forecasts of a part, series by series, the shortest first."""
    panel, h = task.panel.series, task.data.horizon
    parts = [part_of(one, split) for one in panel]
    windows = [held_out_window(n, begin, end, h) for n, (begin, end) in enumerate(parts)]
    collate = Collate(windows, panel, task.all_encoded, task.features, multiple=64)
    rows = min(task.data.rows, len(panel))
    for numbers in in_order(collate.lengths, rows):
        batch = collate(numbers)
        out, losses = task.judged(params, place(batch) if rows == task.data.rows else batch)
        z, lost = task.network.quantiles(fetched(out)), fetched(losses).astype(np.float64)
        for row, number in enumerate(numbers[numbers >= 0]):
            window, scale = windows[number], task.all_encoded[windows[number].series].scale
            count = len(window.origins)
            found = task.values(z[row, :count], np.asarray(batch.level[row, :count], np.float64), np) * scale.size
            found = np.maximum(found, 0) if task.data.log else found
            values = panel[window.series].values[window.origins[:, None] + np.arange(1, h + 1)]
            yield Forecasts(values, found, np.full(count, window.series), window.origins, float(lost[row].sum()))
