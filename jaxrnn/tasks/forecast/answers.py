"""What a trained model says: forecasts of a user's file, and of values as they come in, one a line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.programs.serialized import serialized
from jaxrnn.tasks.forecast.features import Encoded
from jaxrnn.tasks.forecast.own_series import on_grid
from jaxrnn.tasks.forecast.series import Series, ahead, distance, later
from jaxrnn.tasks.shared.measured_rows import DATED, LEARNED, header_hint, when
from jaxrnn.train.task import Params

NONE = -1
FAR = 100_000  # steps that are skipped at most: gaps are read one by one


class Past(NamedTuple):
    """A series, and what is known of the time after it."""

    series: Series
    times: np.ndarray  # datetime64[s] or int64 [h]
    covariates: np.ndarray  # float64 [h, K]


@serialized
class Stream(NamedTuple):
    """What a forecast needs of all values so far."""

    carry: Any  # of the encoder, [1, ...]
    values: np.ndarray  # float64 [P]: the last ones, NaN in gaps
    days: np.ndarray  # int32 [P]: of their times; or counts
    seconds: np.ndarray  # int32 [P]: in the day; NONE for a count
    length: np.ndarray  # int32 []: how many of them there are
    series: np.ndarray  # int32 []: which of those that trained; negative for another, by its name
    before: np.ndarray  # float64 [2]: the last value and the last mean of a season, as the network sees them


def pasts(task: Any, path: str) -> list[Past]:
    """The series of a file; rows after the last value say what is known of the time to come."""
    features, data = task.features, task.data
    step, h = features.step, data.horizon
    found = []
    for series in on_grid(data, path, features.columns, step or None, features.dated).series:
        count = int(np.flatnonzero(np.isfinite(series.values)).max(initial=-1)) + 1
        if features.known_columns:
            count = max(count, len(series.values) - h)  # what is missing before that is a gap
        else:
            count = len(series.values)
        if not np.isfinite(series.values[:count]).any():
            fail("data.path", "series with values", Said(f"none in {series.name!r} of {path!r}"))
        known = series.covariates[count : count + h]
        if features.known_columns and np.isfinite(known[:, features.known_columns]).all(1).sum() != h:
            names = ", ".join(features.columns[n] for n in features.known_columns)
            said = Said(f"{len(known)} in {path!r}")
            fail("data.path", f"{h} rows after the last value of {series.name!r}, with {names}", said)
        past = Series(series.name, series.values[:count], series.times[:count], series.covariates[:count], count, count)
        times = series.times[count:][:h] if len(known) == h else ahead(past.times, h, step, data.season)
        others = known if len(known) == h else np.full((h, len(features.columns)), np.nan)
        found.append(Past(past, times, others))
    return found


def predicted(task: Any, params: Params, inputs: Sequence[Past]) -> Iterator[dict[str, Any]]:
    """The forecasts of series."""
    for past in inputs:
        encoded = task.features.encode(past.series, past.times, past.covariates)
        lengths = np.array([len(encoded.inputs)], np.int32)
        state = _states(task, params, jnp.asarray(encoded.inputs[None]), lengths)
        yield _said(task, params, past.series.name, past.times, encoded, state)


def _states(task: Any, params: Params, inputs: jax.Array, lengths: np.ndarray) -> jax.Array:
    dtype = params["readout"]["bias"].dtype
    return task.network.read(params, inputs.astype(dtype), lengths)[-1]


def _said(
    task: Any, params: Params, name: str, times: np.ndarray, encoded: Encoded, state: jax.Array
) -> dict[str, Any]:
    """The forecasts after the last step of a series, from the encoder's state [1, H] there."""
    last = np.array([len(encoded.inputs) - 1])
    steps = jnp.asarray(task.features.ahead(encoded, last), state.dtype)
    z = task.network.quantiles(np.asarray(task.network.forecast(params, state, steps)))
    values = task.values(z, encoded.level[last], np)[0] * encoded.scale.size
    values = np.maximum(values, 0) if task.data.log else values
    levels = {f"q{level:.3g}": values[:, n].tolist() for n, level in enumerate(task.network.levels)}
    return {"id": name, "time": [*map(str, times)], "median": values[:, len(levels) // 2].tolist(), **levels}


def initial_stream(task: Any, params: Params) -> Stream:
    """Before the first value."""
    if task.features.known_columns:
        names = ", ".join(task.features.columns[n] for n in task.features.known_columns)
        fail("RUN", "a model that knows nothing of the time to come", names, "`jaxrnn predict RUN FILE` takes it.")
    P = task.data.kept
    return Stream(
        task.network.layer.initial_carry((1,), params["rnn"]),
        np.full(P, np.nan),
        np.zeros(P, np.int32),
        np.zeros(P, np.int32),
        np.zeros((), np.int32),
        np.array(NONE, np.int32),
        np.full(2, np.nan),
    )


def streamed(task: Any, params: Params, stream: Stream, line: str) -> tuple[dict[str, Any], Stream]:
    """The forecasts after one more value: "time,value", with an id before and covariates after as the model has them.

    Times that are skipped are gaps.
    """
    features, names = task.features, [*task.features.scales]
    many = len(names) > 1
    cells = next(csv.reader([line], skipinitialspace=True), [])
    wanted = [*(["id"] if many else []), "time", "value", *features.columns]
    if len(cells) != len(wanted):
        fail("line", f"{len(wanted)} cells: {','.join(wanted)}", line)
    name = cells.pop(0).strip() if many else names[0]
    number = names.index(name) if name in names else ~(crc32(name.encode()) >> 1)
    if stream.length and number != stream.series:
        whose = repr(names[int(stream.series)]) if stream.series >= 0 else "of the first line"
        fail("line", f"the series {whose}, whose state this is", name)
    try:
        time, (value, *covariates) = when(cells[0]), [float(cell) if cell.strip() else np.nan for cell in cells[1:]]
    except ValueError:
        fail("line", f"a time and numbers, or nothing: {','.join(wanted)}", line, header_hint(cells))
    dated = time.dtype.kind == "M"
    before = stream.seconds[-1] != NONE if stream.length else features.dated
    if before is not None and dated != before:
        since = "as before" if stream.length else LEARNED
        fail("line", f"{DATED[bool(before)]} as its time, {since}", cells[0])
    times, step = _times(stream, time.dtype), features.step
    skipped = np.zeros(0, time.dtype)
    if len(times):
        if not time > times[-1]:
            fail("line", f"a time after {times[-1]}", str(time))
        apart = int(distance(times[-1], time[None], step)[0]) if step else 1
        if apart < 1:
            fail("line", f"a time on the grid that {times[-1]} is on", str(time))
        if apart > FAR:
            fail("line", f"a time that is no more than {FAR:,} steps after {times[-1]}", str(time))
        skipped = later(times[-1], np.arange(1, apart), step) if step else skipped
    none = [np.nan] * len(covariates)
    for gap in skipped:
        stream, encoded, _ = _step(task, params, stream, gap, np.nan, none, name, number)
    stream, encoded, state = _step(task, params, stream, time, value, covariates, name, number)
    to_come = ahead(_times(stream, time.dtype), task.data.horizon, step, task.data.season)
    return _said(task, params, name, to_come, encoded, state), stream


def _step(
    task: Any, params: Params, stream: Stream, time: Any, value: float, covariates: list[float], name: str, number: int
) -> tuple[Stream, Encoded, jax.Array]:
    """One step of the encoder."""
    P, h = task.data.kept, task.data.horizon
    dated = np.asarray(time).dtype.kind == "M"
    whole = int(np.asarray(time).astype(np.int64))
    day, second = divmod(whole, 86_400) if dated else (whole, NONE)
    shift = lambda array, new: np.append(np.asarray(array)[1:], np.asarray(new, array.dtype))  # noqa: E731
    count = min(int(stream.length) + 1, P)
    moved = stream._replace(
        values=shift(stream.values, value),
        days=shift(stream.days, day),
        seconds=shift(stream.seconds, second),
        length=np.array(count, np.int32),
        series=np.array(number, np.int32),
    )
    times = _times(moved, np.asarray(time).dtype)
    seen = np.full((count, len(covariates)), np.nan)
    seen[-1] = covariates
    series = Series(name, moved.values[P - count :], times, seen, count, count)
    to_come = ahead(times, h, task.features.step, task.data.season) if count > 1 else np.repeat(time, h)
    encoded = task.features.encode(series, to_come, np.full((h, len(covariates)), np.nan), moved.before)
    dtype = params["readout"]["bias"].dtype
    carry, state = task.network.step(params, stream.carry, jnp.asarray(encoded.inputs[-1:], dtype))
    return moved._replace(carry=carry, before=np.array([encoded.last[-1], encoded.recent[-1]])), encoded, state


def _times(stream: Stream, dtype: np.dtype) -> np.ndarray:
    """Of the values that there are."""
    first = len(stream.days) - int(stream.length)
    days, seconds = (np.asarray(part, np.int64)[first:] for part in (stream.days, stream.seconds))
    return (days * 86_400 + seconds).astype("datetime64[s]") if dtype.kind == "M" else days
