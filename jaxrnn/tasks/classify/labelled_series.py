"""Labelled series of several channels: lists in lines of JSON, rows of a table, arrays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.classify.labelled import LABEL, SERIES, VALUES, WHERE, Labelled, label_of, place
from jaxrnn.tasks.shared.measured_rows import all_numbers, number_of
from jaxrnn.tasks.shared.own_files import content_of, shortened, wrong
from jaxrnn.tasks.shared.own_splits import row_split
from jaxrnn.tasks.shared.own_tables import Row
from jaxrnn.train import read_arrays


def of_values(row: Row, labels: bool) -> Labelled:
    """A row is a series, a list of numbers a step."""
    values = next(value for name, value in row.cells.items() if name.lower() in VALUES)
    return Labelled(_series(values, row), label_of(row, labels), row_split(row), place(row.file, row.line))


def of_steps(rows: list[Row], labels: bool) -> list[Labelled]:
    """A row is a step; rows of one series stand together."""
    names = [name for name in rows[0].cells if name.lower() in SERIES]
    known = {*names, *(name for name in rows[0].cells if name.lower() in (*LABEL, "split"))}
    channels = tuple(name.lower() for name in rows[0].cells if name not in known)
    found: list[Labelled] = []
    seen: set[str] = set()
    for number, group in groupby(rows, lambda row: str(row.cells[names[0]])):
        some = [*group]
        if number in seen:
            wrong(some[0].file, some[0].line, "rows of one series together", f"{number!r} again", WHERE)
        seen.add(number)
        values = [[number_of(row, name, WHERE, gaps=False) for name in row.cells if name not in known] for row in some]
        said = {label_of(row, labels) for row in some}
        if len(said) > 1:
            wrong(some[0].file, some[0].line, "one label a series", f"{len(said)} in {number!r}")
        splits = {row_split(row) for row in some}
        if len(splits) > 1:
            wrong(some[0].file, some[0].line, "one split a series", f"{len(splits)} in {number!r}")
        where = place(some[0].file, some[0].line)
        found.append(Labelled(_series(values, some[0]), said.pop(), splits.pop(), where, channels))
    return found


def arranged(some: list[Labelled], channels: Sequence[str]) -> list[Labelled]:
    """Series with their channels in this order, where both say what these are called.

    Raises:
        ValueError: If they are called otherwise; the message names file and line.
    """
    wanted, found = tuple(channels), []
    for one in some:
        if wanted and one.channels and one.channels != wanted:
            if {*one.channels} != {*wanted}:
                said = Said(f"{', '.join(one.channels)}, {one.where}")
                fail("data.path", f"series of the channels {', '.join(wanted)}", said, WHERE)
            places = [one.channels.index(name) for name in wanted]
            one = one._replace(content=np.asarray(one.content)[:, places], channels=wanted)
        found.append(one)
    return found


def of_arrays(file: Path, labels: bool) -> list[Labelled]:
    """The series of an .npz, one behind the other, each from its offset on."""
    names = ["x", "offset", *(["label"] if labels else [])]
    content_of(file)
    found = read_arrays(file, file.name, names, WHERE)
    x, offset = found["x"], found["offset"]
    said = found["label"] if labels else np.full(max(len(offset) - 1, 0), "")
    x = x[:, None] if x.ndim == 1 else x
    whole = offset.ndim == 1 and offset.dtype.kind in "iu" and len(offset) == len(said) + 1 > 1
    if (
        x.ndim != 2
        or x.dtype.kind not in "iuf"
        or not whole
        or offset[0]
        or offset[-1] != len(x)
        or (np.diff(offset) < 1).any()
    ):
        shapes = ", ".join(f"{name} {array.dtype} {list(array.shape)}" for name, array in found.items())
        expected = "x [steps, channels], offset [series + 1] from 0 to all steps, and label [series]"
        fail("data.path", expected, Said(f"{str(file)!r} with {shapes}"), WHERE)
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    if not np.isfinite(x).all():
        fail("data.path", "finite numbers of float32", Said(f"NaN or inf in x of {str(file)!r}"), WHERE)
    series = zip(np.split(x, offset[1:-1]), said, strict=True)
    return [Labelled(one, str(label), None, f"series {n} of {str(file)!r}") for n, (one, label) in enumerate(series)]


def _series(values: Any, row: Row) -> np.ndarray:
    """Steps of as many finite numbers each; [T] is one channel."""
    try:
        if not all_numbers(values):
            raise TypeError
        with np.errstate(over="ignore"):
            found = np.asarray(values, np.float32)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros(0, np.float32)
    found = found[:, None] if found.ndim == 1 else found
    if found.ndim != 2 or not found.size or not np.isfinite(found).all():
        wrong(row.file, row.line, "a series, a list of numbers a step", shortened(str(values)), WHERE)
    return found
