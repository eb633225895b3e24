"""Times and numbers in the cells of a user's tables; `where` says what such a table is, for the error."""

from __future__ import annotations

import re

import numpy as np

from jaxrnn.tasks.shared.own_files import Row, shortened, wrong


def time_of(row: Row, text: str, where: str) -> np.ndarray:
    """A date with or without a time of the day, or a whole number."""
    try:
        return when(text)
    except ValueError:
        wrong(row.file, row.line, "a time such as 2024-05-31, 2024-05-31T13:00 or 17", shortened(text), where)


def when(text: str) -> np.ndarray:
    """A time as datetime64[s] [], or as int64 [] where it is a whole number.

    Raises:
        ValueError: If it is neither.
    """
    text = text.strip()
    if re.fullmatch(r"-?\d{1,9}", text):
        return np.array(int(text), np.int64)
    if not re.match(r"\d{4}-\d\d", text):  # NumPy knows "now", and what nothing is
        raise ValueError(f"no time: {text!r}")
    return np.array(np.datetime64(text.removesuffix("Z").replace(" ", "T"), "s"))


def number_of(row: Row, name: str, where: str) -> float:
    """The number in a cell, NaN where it is empty."""
    text = row.cells[name].strip()
    try:
        found = float(text) if text else np.nan
    except ValueError:
        found = np.inf
    if np.isinf(found) or (np.isnan(found) and text):
        wrong(row.file, row.line, f"a finite number in {name!r}, or nothing", shortened(text), where)
    return found
