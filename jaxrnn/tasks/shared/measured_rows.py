"""Times and numbers in the cells of a user's tables; `where` says what such a table is, for the error."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from jaxrnn.tasks.shared.own_files import shortened, wrong
from jaxrnn.tasks.shared.own_tables import Row

TIMES = ("time", "date", "datetime", "timestamp", "ds")  # what a column of times may be called
DATED = {True: "a date", False: "a whole number"}
LEARNED = "as the model has learned from"


def time_column(names: Collection[str]) -> str | None:
    """The column of times: of several that may be it, the first as `TIMES` has them, whatever the case of its letters.

    >>> time_column(["Date", "value"]), time_column(["date", "time"]), time_column(["value"])
    ('Date', 'time', None)
    """
    known = {name.lower(): name for name in names}
    return next((known[name] for name in TIMES if name in known), None)


def time_of(row: Row, name: str, where: str) -> np.ndarray:
    """The date in a cell, with or without a time of the day, or the whole number."""
    text = text_in(row, name, where)
    try:
        return when(text)
    except ValueError as error:
        got = f"{shortened(text)} ({error})"
        wrong(row.file, row.line, "a time such as 2024-05-31, 2024-05-31T13:00 or 17", got, where)


def text_in(row: Row, name: str, where: str) -> str:
    """The text in a cell; of JSON, where it may be missing, a number's, and nothing where it is null."""
    if name not in row.cells:
        wrong(row.file, row.line, f"a column {name!r}", f"the columns {', '.join(row.cells)}", where)
    value = row.cells[name]
    if value is None or isinstance(value, str):
        return (value or "").strip()
    if not all_numbers(value) or isinstance(value, list):
        wrong(row.file, row.line, f"a number or a text in {name!r}", shortened(repr(value)), where)
    return repr(value)


def when(text: str) -> np.ndarray:
    """A time as datetime64[s] [], or as int64 [] where it is a whole number.

    Raises:
        ValueError: If it is neither.
    """
    text = text.strip()
    if re.fullmatch(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", text):  # as numbers, months would have gaps
        raise ValueError("a date without its dashes")
    if re.fullmatch(r"-?\d{1,18}", text):
        return np.array(int(text), np.int64)
    if not re.match(r"\d{4}-\d\d", text):  # NumPy knows "now", and what nothing is
        raise ValueError("no time")
    if re.search(r"[T ].*[+-]", text):  # hours of the day would be those of UTC
        raise ValueError("one with an offset: write the time that clocks show")
    return np.array(np.datetime64(text.removesuffix("Z").replace(" ", "T"), "s"))


def header_hint(cells: Sequence[str]) -> str:
    """What to do where a line of a stream is the header of a table: no cell of it is a number."""
    numbers = any(re.match(r"\s*[-+.]?\d", cell) for cell in cells)
    return "" if numbers or not any(cells) else "A stream has no header: `tail -n +2 FILE` leaves it out."


def number_of(row: Row, name: str, where: str, *, gaps: bool = True) -> float:
    """The number in a cell, NaN where it is empty and there may be gaps; one that float32 holds, too."""
    text = text_in(row, name, where)
    try:
        found = float(text) if text or not gaps else np.nan
    except ValueError:
        found = np.inf
    if abs(found) > float(np.finfo(np.float32).max) or (np.isnan(found) and text) or "_" in text:  # Python reads 1_000
        comma = "Decimals are written with a point. " if re.fullmatch(r"-?[\d.]*,\d+", text) else ""
        expected = f"a finite number in {name!r}{', or nothing' if gaps else ''}"
        wrong(row.file, row.line, expected, shortened(text), comma + where)
    return found


def all_numbers(value: Any) -> bool:
    """Whether a value of JSON is a number, or lists of such: NumPy reads texts and truths as numbers too.

    >>> [all_numbers(value) for value in ([[1, 2.5], []], ["1"], [True], None)]
    [True, False, False, False]
    """
    if isinstance(value, list):
        return all(map(all_numbers, value))
    return isinstance(value, (int, float)) and not isinstance(value, bool)
