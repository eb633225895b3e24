"""A user's own pen strokes, a drawing a line of JSON."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.handwriting.stroke_files import Lines
from jaxrnn.tasks.shared.measured_rows import all_numbers
from jaxrnn.tasks.shared.own_files import files_of, kept, located, shortened, wrong
from jaxrnn.tasks.shared.own_splits import OwnData, named_split, parted, row_split
from jaxrnn.tasks.shared.own_tables import Row, table_of

EXPECTED = "drawings"
LARGEST = float(np.finfo(np.float32).max) / 4  # of a coordinate, whose differences are taken
WHERE = (
    'A file of JSON lines such as {"strokes": [[[x, y], [x, y]], [[x, y]]], "text": "hi"}, y downwards; or of Quick, '
    'Draw!\'s, {"drawing": [[[x, x], [y, y]]]}.'
)


class Drawing(NamedTuple):
    """A drawing, what it says, and the part that it is for, where that is said."""

    points: np.ndarray  # float32 [T, 3]
    text: str
    split: str | None
    where: str  # for a message


def own_strokes(data: OwnData, path: str) -> dict[str, Lines]:
    """The drawings of each part.

    Raises:
        ValueError: If a line is no drawing, or there are too few; the message names file and line.
    """
    parts = parted(_read(path), lambda one: one.split, data, repr(path), EXPECTED)
    return {split: Lines([one.points for one in some], [one.text for one in some]) for split, some in parts.items()}


def check_texts(path: str) -> None:
    """A model that writes texts needs some."""
    every = _read(path)
    if empty := [one for one in every if not one.text]:
        said = Said(f"{len(empty)} of {len(every)} drawings without one in {path!r}, the first in {empty[0].where}")
        fail("data.path", 'drawings with a "text" each, for a model that writes (model.text)', said, WHERE)


@kept
def _read(path: str) -> list[Drawing]:
    place = located(path, EXPECTED, WHERE)
    found = []
    for file in files_of(path, (".jsonl", ".ndjson", ".json"), EXPECTED, WHERE):
        of_file = named_split(file.relative_to(place)) if place.is_dir() else None
        for row in table_of(file):
            points, text = _points(row), row.cells.get("text", "")
            if not isinstance(text, str):
                wrong(file, row.line, "a text in 'text'", shortened(repr(text)), WHERE)
            split = row_split(row) or of_file
            found.append(Drawing(points, text, split, f"line {row.line} of {str(file)!r}"))
    if not found:
        fail("data.path", EXPECTED, Said(f"{path!r}, which has no line"), WHERE)
    return found


def _points(row: Row) -> np.ndarray:
    """Offsets and ends of strokes, [T, 3], of a line with places."""
    quick = "strokes" not in row.cells and "drawing" in row.cells
    strokes: Any = row.cells.get("drawing" if quick else "strokes")
    if strokes is None:
        wrong(row.file, row.line, 'a drawing in "strokes"', f"the keys {', '.join(row.cells) or 'of nothing'}", WHERE)
    try:
        if not all_numbers(strokes):
            raise ValueError("points are numbers")
        places = [np.array(stroke[:2] if quick else stroke, np.float64) for stroke in strokes]
        places = [stroke.T if quick else stroke for stroke in places if stroke.size]
        if not all(stroke.ndim == 2 and stroke.shape[1] in (2, 3) for stroke in places):
            raise ValueError("a stroke is a list of points [x, y]")
        if not all((np.abs(stroke) < LARGEST).all() for stroke in places):  # NaN is neither
            raise ValueError("points are finite numbers, as float32 has them")
        if sum(map(len, places)) < 2:
            raise ValueError("a drawing has two points or more")
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        wrong(row.file, row.line, 'a drawing in "strokes"', f"{shortened(repr(strokes))} ({error})", WHERE)
    flat = np.concatenate([stroke[:, :2] for stroke in places])
    ends = np.concatenate([np.arange(len(stroke)) == len(stroke) - 1 for stroke in places])
    offsets = np.diff(flat, axis=0, prepend=flat[:1])
    return np.concatenate([offsets, ends[:, None]], 1).astype(np.float32)
