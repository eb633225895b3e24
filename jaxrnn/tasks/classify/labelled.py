"""A labelled example of a user's, and how its columns may be called."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxrnn.tasks.shared.own_tables import Row, cell

WHERE = (
    "Lines of a label, a tab and a text; a .csv or .jsonl with columns label and text; one folder a label, with a text "
    "a file; or series: .jsonl with label and values ([[...], ...], a list a step), .csv with series, label and a "
    "column a channel (a row a step), .npz with x, offset and label."
)
LABEL = ("label", "class", "category", "language", "target")
TEXT = ("text", "sentence", "content", "document")
VALUES = ("values", "series", "channels")
SERIES = ("series", "id")  # of a .csv: which series a row is a step of


class Labelled(NamedTuple):
    """A text or series, its label where that is known, and the part that it is for where that is said."""

    content: str | np.ndarray
    label: str
    split: str | None
    where: str  # for a message
    channels: tuple[str, ...] = ()  # of a series, what they are called where that is said


def place(file: Path, line: int) -> str:
    """A line of a file, for a message."""
    return f"line {line} of {str(file)!r}"


def label_of(row: Row, labels: bool) -> str:
    """What a row says of its label; nothing without `labels`."""
    return cell(row, LABEL, "a label") if labels else ""
