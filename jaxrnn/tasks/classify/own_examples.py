"""A user's own texts or series with their labels: tables, lines, folders named as labels, arrays."""

from __future__ import annotations

import math
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.own_files import (
    Row,
    cell,
    content_of,
    files_of,
    kept,
    lines_of,
    located,
    shortened,
    table_of,
    text_of,
    wrong,
)
from jaxrnn.tasks.shared.own_splits import NAMES, OwnData, named_split, parted
from jaxrnn.train import read_arrays
from jaxrnn.train.sources import bare

WHERE = (
    "Lines of a label, a tab and a text; a .csv or .jsonl with columns label and text; one folder a label, with a text "
    "a file; or series: .jsonl with label and values ([[...], ...], a list a step), .csv with series, label and a "
    "column a channel (a row a step), .npz with x, offset and label."
)
EXPECTED = "texts or series with labels"
LABEL = ("label", "class", "category", "language", "target")
TEXT = ("text", "sentence", "content", "document")
VALUES = ("values", "series", "channels")
SERIES = ("series", "id")  # of a .csv: which series a row is a step of
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".txt")


class Labelled(NamedTuple):
    """A text or series, its label where that is known, and the part that it is for where that is said."""

    content: str | np.ndarray
    label: str
    split: str | None


def own_examples(data: OwnData, path: str) -> dict[str, list[Labelled]]:
    """The examples of each part; equal texts are in one.

    Raises:
        ValueError: If a line is no example, or there are too few; the message names file and line.
    """
    found = _read(path)
    if len({one.label for one in found}) < 2:
        fail("data.path", f"{EXPECTED}, of two labels or more", Said(f"{path!r}, with one"), WHERE)
    keys = [one.content if isinstance(one.content, str) else n for n, one in enumerate(found)]
    pairs = parted(
        [*zip(found, keys, strict=True)], lambda pair: pair[0].split, data, repr(path), EXPECTED, lambda pair: pair[1]
    )
    return {split: [one for one, _ in some] for split, some in pairs.items()}


@kept
def _read(path: str) -> list[Labelled]:
    return read_examples(Path(path).expanduser() if path else path, labels=True)


def read_examples(path: Path | str, labels: bool) -> list[Labelled]:
    """All examples of a file or folder; without `labels` they may lack them, and a line of a text is one."""
    place = located(str(path), EXPECTED, WHERE)
    files = files_of(str(path), [*TABLES, ".npz", ".md"], EXPECTED, WHERE)
    found: list[Labelled] = []
    for file in files:
        inside = file.relative_to(place) if place.is_dir() else Path(file.name)
        folders = [part for part in inside.parts[:-1] if part.lower() not in NAMES]
        name = bare(file.name.lower())
        if name.endswith(".npz"):
            some = _arrays(file, labels)
        elif name.endswith((".jsonl", ".ndjson")) or (name.endswith((".csv", ".tsv")) and _has_header(file)):
            some = _table(file, labels)
        elif folders and name.endswith((".txt", ".md")):
            text = text_of(file).strip()
            if not text:
                fail("data.path", "texts", Said(f"{str(file)!r}, which is empty"), WHERE)
            some = [Labelled(text, folders[-1], None)]
        else:
            some = _lines(file, labels)
        split = named_split(inside)
        found += [one._replace(split=one.split or split) for one in some]
    if not found:
        fail("data.path", EXPECTED, Said(f"{str(path)!r}, where there is none"), WHERE)
    kinds = {np.shape(one.content)[1:] if isinstance(one.content, np.ndarray) else "text" for one in found}
    if len(kinds) > 1:
        fail("data.path", "texts, or series of as many channels", Said(f"{str(path)!r} with both or others"), WHERE)
    return found


def _has_header(file: Path) -> bool:
    """Whether the first line of a table names columns that are known."""
    first = text_of(file).partition("\n")[0]
    names = {name.strip().strip('"').lower() for name in first.replace(";", "\t").replace(",", "\t").split("\t")}
    return bool(names & {*TEXT, *SERIES}) or (file.suffix == ".csv" and bool(names & {*LABEL}))


def _lines(file: Path, labels: bool) -> list[Labelled]:
    found = []
    for number, line in lines_of(file):
        label, tab, text = line.partition("\t")
        if not labels:
            found.append(Labelled((text if tab else line).strip(), label.strip() if tab else "", None))
            continue
        if not label.strip() or not text.strip():
            wrong(file, number, "a label, a tab and a text", shortened(line), WHERE)
        found.append(Labelled(text.strip(), label.strip(), None))
    return found


def _table(file: Path, labels: bool) -> list[Labelled]:
    rows = table_of(file)
    if not rows:
        return []
    columns = {name.lower() for name in rows[0].cells}
    if bare(file.name.lower()).endswith((".jsonl", ".ndjson")):
        read = _of_values if columns & {*VALUES} and not columns & {*TEXT} else _of_text
        return [read(row, labels) for row in rows]
    if columns & {*SERIES} and not columns & {*TEXT}:
        return _steps(rows, labels)
    return [_of_text(row, labels) for row in rows]


def _of_text(row: Row, labels: bool) -> Labelled:
    return Labelled(cell(row, TEXT, "a text"), _label(row, labels), _said(row))


def _label(row: Row, labels: bool) -> str:
    return cell(row, LABEL, "a label") if labels else ""


def _said(row: Row) -> str | None:
    return named_split(str(row.cells.get("split") or ""))


def _of_values(row: Row, labels: bool) -> Labelled:
    values = next(value for name, value in row.cells.items() if name.lower() in VALUES)
    return Labelled(_series(values, row), _label(row, labels), _said(row))


def _series(values: Any, row: Row) -> np.ndarray:
    """Steps of as many finite numbers each; [T] is one channel."""
    try:
        found = np.asarray(values, np.float32)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros(0, np.float32)
    found = found[:, None] if found.ndim == 1 else found
    if found.ndim != 2 or not found.size or not np.isfinite(found).all():
        wrong(row.file, row.line, "a series, a list of numbers a step", shortened(str(values)), WHERE)
    return found


def _steps(rows: list[Row], labels: bool) -> list[Labelled]:
    """A row is a step; rows of one series stand together."""
    names = [name for name in rows[0].cells if name.lower() in SERIES]
    known = {*names, *(name for name in rows[0].cells if name.lower() in (*LABEL, "split"))}
    found: list[Labelled] = []
    seen: set[str] = set()
    for number, group in groupby(rows, lambda row: str(row.cells[names[0]])):
        some = [*group]
        if number in seen:
            wrong(some[0].file, some[0].line, "rows of one series together", f"{number!r} again", WHERE)
        seen.add(number)
        values = [[_number(row, name) for name in row.cells if name not in known] for row in some]
        said = {_label(row, labels) for row in some}
        if len(said) > 1:
            wrong(some[0].file, some[0].line, "one label a series", f"{len(said)} in {number!r}")
        found.append(Labelled(_series(values, some[0]), said.pop(), _said(some[0])))
    return found


def _number(row: Row, name: str) -> float:
    try:
        value = float(row.cells[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        wrong(row.file, row.line, f"a finite number in {name!r}", repr(row.cells[name]), WHERE)
    return value


def _arrays(file: Path, labels: bool) -> list[Labelled]:
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
    if not np.isfinite(x).all():
        fail("data.path", "finite numbers", Said(f"NaN or inf in x of {str(file)!r}"), WHERE)
    return [
        Labelled(one, str(label), None)
        for one, label in zip(np.split(x.astype(np.float32), offset[1:-1]), said, strict=True)
    ]
