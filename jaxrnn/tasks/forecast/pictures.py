"""Pictures of forecasts: what was before, what came, and fans of quantiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from jaxrnn.tasks.forecast.held_out import Forecasts
from jaxrnn.tasks.forecast.series import Series

COLUMNS = 2


class Fan(NamedTuple):
    """One forecast."""

    name: str
    times: np.ndarray  # [B + h]
    values: np.ndarray  # [B + h]: B before the forecast, and what came
    quantiles: np.ndarray  # [h, Q]


def fans_of(series: Sequence[Series], part: Forecasts, seed: int) -> Iterator[Fan]:
    """Forecasts of one series, in an order that is drawn, with twice as many steps before each."""
    one, h = series[part.series[0]], part.values.shape[1]
    for n in np.random.default_rng(seed).permutation(len(part.origins)):
        end = int(part.origins[n]) + 1
        places = slice(max(end - 2 * h, 0), end + h)
        yield Fan(one.name, one.times[places], one.values[places], part.quantiles[n])


def fan_figure(fans: Sequence[Fan], levels: np.ndarray) -> Figure:
    """Panels with what was before and what came in black, the median in colour, quantiles as bands around it."""
    rows = -(-len(fans) // COLUMNS)
    figure = Figure(figsize=(10, 2.4 * rows), layout="constrained")
    middle = len(levels) // 2
    for n, fan in enumerate(fans):
        axes = figure.add_subplot(rows, COLUMNS, n + 1)
        to_come = fan.times[-len(fan.quantiles) :]
        for k in range(middle):
            label = f"{levels[k]:.0%} to {levels[-1 - k]:.0%}" if n == 0 else None
            low, high = fan.quantiles[:, k], fan.quantiles[:, -1 - k]
            axes.fill_between(to_come, low, high, color="tab:blue", alpha=0.12 + 0.06 * k, linewidth=0, label=label)
        axes.plot(to_come, fan.quantiles[:, middle], color="tab:blue", label="median" if n == 0 else None)
        axes.plot(fan.times, fan.values, color="black", linewidth=1, label="observed" if n == 0 else None)
        axes.set_title(fan.name, fontsize=9)
        axes.tick_params(labelsize=8)
        if fan.times.dtype.kind == "M":
            locator = AutoDateLocator(minticks=3, maxticks=8)
            axes.xaxis.set_major_locator(locator)
            axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        if n == 0:
            axes.legend(fontsize=7, loc="upper left")
    return figure
