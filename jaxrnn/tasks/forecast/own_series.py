"""A user's own series, from CSV files: a value a row, or a row for all series at a time."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.forecast.options import LARGEST, DataOptions
from jaxrnn.tasks.forecast.series import Series, distance, later, step_of
from jaxrnn.tasks.forecast.sets import Panel
from jaxrnn.tasks.shared.alike import tell_alike
from jaxrnn.tasks.shared.measured_rows import DATED, LEARNED, TIMES, number_of, text_in, time_column, time_of
from jaxrnn.tasks.shared.own_files import files_of, kept, shortened, wrong
from jaxrnn.tasks.shared.own_tables import Row, table_of

EXPECTED = "series"
WHERE = (
    f"A CSV file with the columns {TIMES[0]} (or {', '.join(TIMES[1:])}) and value, and id where there are several "
    "series (with ds y and unique_id too); every other column is a covariate. Or (data.long no) time and a column for "
    "each series. A cell without a value is empty."
)
INDEX = "pandas writes its index so: `to_csv(..., index=False)` leaves it out, `index_label='time'` names it. "
ID, VALUE = "id", "value"
OTHERWISE = {ID: "unique_id", VALUE: "y"}  # beside a column ds, as other libraries of forecasts call them
SPARSE, MANY = 100, 2**20  # steps for each that is there, and steps, from which on a grid is none


class Read(NamedTuple):
    """A series as it is in a file, in the order of its rows, and where each is."""

    name: str
    times: list[np.ndarray]
    values: list[float]
    covariates: list[list[float]]
    rows: list[Row]


def own_panel(
    data: DataOptions, columns: Sequence[str] | None = None, step: int | None = None, dated: bool | None = None
) -> Panel:
    """The series in the user's files, cut in time: the last `held_out` tests, as much before that validates.

    Raises:
        ValueError: If a row is none of a series, or there are too few; the message names file and line.
    """
    panel, cut = on_grid(data, data.path, columns, step, dated), []
    for series in panel.series:
        count = len(series.values)
        held = max(round(count * data.held_out), data.horizon) if data.held_out < 1 else 0
        train = count - 2 * held if held else max(min(data.history, count // 2), data.season + 2)
        least = (2 if held else 1) * data.horizon + data.season + 2
        if train < data.season + 2 or count < least:
            few = f"{least} steps or more in every series, for its parts, a season and the horizon"
            fail("data.path", few, Said(f"{count} in {series.name!r}"), WHERE)
        if not np.isfinite(series.values[:train]).any():
            fail("data.path", "values for training in every series", Said(f"none in {series.name!r}"), WHERE)
        cut.append(series._replace(train=train, validation=count - held if held else train))
    return Panel(cut, panel.columns)


def on_grid(
    data: DataOptions,
    path: str,
    columns: Sequence[str] | None = None,
    step: int | None = None,
    dated: bool | None = None,
) -> Panel:
    """The series in files, on the grid of their times, all for training.

    Args:
        data: Their options.
        path: A file, or a folder of some.
        columns: The covariates that there must be, in their order; None for all that there are.
        step: Of the grid, as `step_of` tells it; None for that of all times in the files.
        dated: Whether times are dates, and no counts; None for either.
    """
    read, names = _read(path, data.long)
    _check_kind(read[0].times[0], read[0].rows[0], dated, LEARNED)
    missing = [name for name in columns or () if name not in names]
    if missing:
        fail("data.path", f"a column {missing[0]!r}, which the model knows", Said(f"{path!r} without one"), WHERE)
    if columns is not None and (left := [name for name in names if name not in columns]):
        warnings.warn(
            f"not read are columns of {path!r} that the model has not learned: {', '.join(left)}", stacklevel=2
        )
    places = [names.index(name) for name in (names if columns is None else columns)]
    if data.steps == "time":
        own = step_of(np.unique(np.concatenate([np.array(one.times) for one in read])))
        step = own if step is None else step
        if own != step and own * step > 0 and own % step == 0:
            said = f"times of {path!r} are {own // step} steps of the model apart: those between are gaps to it"
            warnings.warn(said, stacklevel=2)
        elif own < 0 < step:  # of dates that are a month apart, and a model of days or less
            said = f"times of {path!r} are {-own} months apart, and the model's {step:,} seconds: gaps are between"
            warnings.warn(said, stacklevel=2)
        apart = {one.name: step_of(np.array(one.times)) for one in read if len(one.times) > 1}
        sparse = [name for name, steps in apart.items() if steps != own and steps * own > 0]
        if sparse:
            some = f"{sparse[0]!r} (every {abs(apart[sparse[0]] // own)})"
            said = f"some series of {path!r} have no value in most steps of the others, such as {some}: these are gaps"
            warnings.warn(said, stacklevel=2)
    found = []
    for one in read:
        times, values = np.array(one.times), np.array(one.values)
        covariates = np.array(one.covariates, np.float64).reshape(len(times), len(names))[:, places]
        if data.log and np.nanmin(values, initial=0) < 0:
            row = one.rows[int(np.flatnonzero(values < 0)[0])]
            wrong(row.file, row.line, "values of 0 or more with data.log", f"{values[values < 0][0]}")
        most = math.exp(LARGEST) * data.log
        if data.log and data.scale == "none" and np.nanmax(values, initial=0) > most:
            row = one.rows[int(np.flatnonzero(values > most)[0])]
            expected = f"values up to {most:.0e} with data.log and without data.scale"
            wrong(row.file, row.line, expected, f"{values[values > most][0]}")
        if data.steps == "time" and step is not None:
            at = distance(times[0], times, step)
            if (at < 0).any():
                row = one.rows[int(np.flatnonzero(at < 0)[0])]
                wrong(
                    row.file,
                    row.line,
                    f"a time on the grid, {_steps(step, times)} from the first",
                    shortened(_time(row)),
                )
            if at[-1] >= max(SPARSE * len(times), MANY):
                said = Said(f"{len(times):,} among {at[-1] + 1:,} steps of {one.name!r}, as the distances of times are")
                fail("data.path", "series with most of their steps", said, "`--data.steps rows` takes rows as steps.")
            laid = np.full(at[-1] + 1, np.nan)
            laid[at] = values
            wide = np.full((at[-1] + 1, len(places)), np.nan)
            wide[at] = covariates
            times, values, covariates = later(times[0], np.arange(at[-1] + 1), step), laid, wide
        found.append(Series(one.name, values, times, covariates, len(values), len(values)))
    return Panel(found, [names[place] for place in places])


@kept
def _read(path: str, long: str) -> tuple[list[Read], list[str]]:
    """The series and what the covariates are called."""
    found: dict[str, Read] = {}
    names: list[str] | None = None
    dated = None
    files = files_of(path, (".csv", ".tsv"), EXPECTED, WHERE)
    for file in files:
        for row in table_of(file):
            known = {name.lower(): name for name in row.cells}
            time, (number, value) = time_column(row.cells), (_called(known, name) for name in (ID, VALUE))
            tall = value is not None if long == "auto" else long == "yes"
            if time is None or (tall and value is None):
                there = f"the columns {', '.join(column or 'one without a name' for column in row.cells)}"
                wrong(file, row.line, "a column time, and value", there, (INDEX if "" in row.cells else "") + WHERE)
            others = [name for name in row.cells if name not in ((number, time, value) if tall else (time,))]
            if "" in others:
                wrong(file, row.line, "columns that all have a name", "one without", INDEX + WHERE)
            if names is None:
                names = others if tall else []
            elif tall and others != names:
                wrong(
                    file, row.line, f"the covariates {', '.join(names)}, as before", ", ".join(others) or "none", WHERE
                )
            when = time_of(row, time, WHERE)
            _check_kind(when, row, dated, "as before")
            dated = when.dtype.kind == "M"
            if tall:
                name = text_in(row, number, WHERE) if number else (file.stem if len(files) > 1 else VALUE)
                _append(found, name, when, row, str(value), names)
            else:
                for other in others:
                    _append(found, other, when, row, other, [])
    if not found:
        fail("data.path", EXPECTED, Said(f"{path!r}, which has no line"), WHERE)
    tell_alike(found, "series", path)
    return [*found.values()], names or []


def _called(known: Mapping[str, str], name: str) -> str | None:
    """The column of a name, or, beside one of ds, of what it is called there."""
    return known.get(name) or (known.get(OTHERWISE[name]) if "ds" in known else None)


def _check_kind(when: np.ndarray, row: Row, dated: bool | None, since: str) -> None:
    """Times are all dates, or all counts: a count would be read as seconds since 1970."""
    if dated is not None and dated != (when.dtype.kind == "M"):
        wrong(row.file, row.line, f"{DATED[dated]} as its time, {since}", shortened(_time(row)), WHERE)


def _steps(step: int, times: np.ndarray) -> str:
    """A step in words."""
    if step < 0:
        return f"{-step} months"
    return f"steps of {step:,}{' seconds' if times.dtype.kind == 'M' else ''}"


def _append(found: dict[str, Read], name: str, when: np.ndarray, row: Row, value: str, names: list[str]) -> None:
    one = found.setdefault(name, Read(name, [], [], [], []))
    if one.times:
        if when == one.times[-1]:
            wrong(row.file, row.line, f"one value of {name!r} at a time", f"{_time(row)} again", WHERE)
        if when < one.times[-1]:
            wrong(row.file, row.line, "times in their order", f"{_time(row)} after a later one", WHERE)
    one.times.append(when)
    one.values.append(number_of(row, value, WHERE))
    one.covariates.append([number_of(row, other, WHERE) for other in names])
    one.rows.append(row)


def _time(row: Row) -> str:
    return str(row.cells[str(time_column(row.cells))])
