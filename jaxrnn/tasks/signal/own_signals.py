"""A user's own recordings: columns of CSV files, or arrays of .npz files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.measured_rows import DATED, TIMES, number_of, time_column, time_of, when
from jaxrnn.tasks.shared.own_files import content_of, files_of, kept, shortened, wrong
from jaxrnn.tasks.shared.own_splits import SPLITS, named_split, parted
from jaxrnn.tasks.shared.own_tables import Row, table_of
from jaxrnn.tasks.signal.options import DataOptions
from jaxrnn.tasks.signal.recordings import Recording, Recordings
from jaxrnn.train import read_arrays

EXPECTED = "recordings"
WHERE = (
    "CSV or .npz files with a column (array) for each name in data.inputs and data.targets; an empty cell, NaN in an "
    "array, is a gap. A file is a recording; one alone is cut in time."
)
DATES = f"With data.calendar there are dates in a column {TIMES[0]} (or {', '.join(TIMES[1:])})."


def names_of(text: str) -> list[str]:
    """Names with commas between."""
    return [name.strip() for name in text.split(",") if name.strip()]


def own_recordings(data: DataOptions) -> Recordings:
    """The recordings of each part; a single one is cut in time, its end tests.

    Raises:
        ValueError: If a row is none, or there are too few; the message names file and line.
    """
    inputs, targets = names_of(data.inputs), names_of(data.targets)
    place = Path(data.path).expanduser()
    files = read_files(data.path, tuple(inputs), tuple(targets), data.calendar)
    for file, recording in files if data.events else ():
        odd = np.argwhere(~(np.isnan(recording.targets) | np.isin(recording.targets, (0, 1))))
        if len(odd):
            (step, column), value = odd[0], recording.targets[tuple(odd[0])]
            said = Said(f"{value:g} in step {step + 1} of {targets[column]!r} in {str(file)!r}")
            fail("data.path", "events of 0 and 1, with data.events", said, WHERE)
    read = [(recording, named_split(file.relative_to(place)) if place.is_dir() else None) for file, recording in files]
    if len(read) == 1 and data.held_out < 1:
        one, count = read[0][0], len(read[0][0].inputs)
        cuts = [round(count * (1 - 2 * data.held_out)), round(count * (1 - data.held_out))]
        if count < 9:
            fail("data.path", "9 steps or more", Said(f"{count} in {data.path!r}"), WHERE)
        pieces = [np.split(array, cuts) for array in one[1:]]
        parts = {split: [Recording(one.name, *(of[n] for of in pieces))] for n, split in enumerate(SPLITS)}
    else:
        some = parted(read, lambda one: one[1], data, repr(data.path), EXPECTED)
        parts = {split: [recording for recording, _ in of] for split, of in some.items()}
    return Recordings(parts, inputs, targets)


@kept
def read_files(
    path: str, inputs: Sequence[str], targets: Sequence[str], calendar: bool
) -> list[tuple[Path, Recording]]:
    """Each file's recording; without targets where none are asked for."""
    found = []
    for file in files_of(path, (".csv", ".tsv", ".npz"), EXPECTED, WHERE):
        wanted = [*inputs, *targets]
        if file.suffix.lower() == ".npz":
            content_of(file)
            arrays = read_arrays(file, file.name, [*wanted, *(["time"] if calendar else [])], WHERE)
            if any(array.ndim != 1 or array.shape != arrays[wanted[0]].shape for array in arrays.values()):
                fail("data.path", "arrays [T] of one length", Said(f"others in {str(file)!r}"), WHERE)
            if any(arrays[name].dtype.kind not in "biuf" for name in wanted):
                fail("data.path", "arrays of numbers", Said(f"others in {str(file)!r}"), WHERE)
            values = np.stack([np.asarray(arrays[name], np.float64) for name in wanted], 1)
            times = np.arange(len(values))
            if calendar:
                times = _dates_in(arrays["time"], file)
        else:
            rows = table_of(file)
            if not rows:
                fail("data.path", EXPECTED, Said(f"{str(file)!r}, which has no line"), WHERE)
            there = ", ".join(rows[0].cells)
            missing = [name for name in wanted if name not in rows[0].cells]
            if missing:
                wrong(file, rows[0].line, f"a column {missing[0]!r}", f"the columns {there}", WHERE)
            values = np.array([[number_of(row, name, WHERE) for name in wanted] for row in rows])
            times = _dates(rows) if calendar else np.arange(len(rows))
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
        if np.isinf(values).any():
            fail("data.path", "finite numbers of float32, or gaps", Said(f"infinity in {str(file)!r}"), WHERE)
        found.append((file, Recording(file.stem, values[:, : len(inputs)], values[:, len(inputs) :], times)))
    return found


def _dates_in(times: np.ndarray, file: Path) -> np.ndarray:
    """Times of an array, which are dates too."""
    try:
        found = np.array([*map(when, times.tolist())]) if times.dtype.kind == "U" else times
    except ValueError:
        found = times
    if found.dtype.kind != "M" or np.isnat(found).any():
        fail("data.path", "times of datetime64, all known", Said(f"others, {times.dtype}, in {str(file)!r}"), DATES)
    return found.astype("datetime64[s]")


def _dates(rows: Sequence[Row]) -> np.ndarray:
    """The times of rows, which have days and weeks: a count has none."""
    name = time_column(rows[0].cells)
    if name is None:
        wrong(rows[0].file, rows[0].line, "a column of times", f"the columns {', '.join(rows[0].cells)}", DATES)
    found = []
    for row in rows:
        found.append(time_of(row, name, WHERE))
        if found[-1].dtype.kind != "M":
            wrong(row.file, row.line, f"{DATED[True]} as its time", shortened(str(row.cells[name])), DATES)
    return np.array(found)
