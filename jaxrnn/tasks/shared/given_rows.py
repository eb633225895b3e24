"""Rows that a person wants answered, with nothing said of what is right: lines of a text, files of a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from jaxrnn.tasks.shared.own_files import files_of, located, text_of

T = TypeVar("T")


class Picture(NamedTuple):
    """A file and what is in it."""

    file: str
    view: Any


def given_lines(path: Path, read: Callable[[str], T], expected: str) -> list[T]:
    """What is read of each line of a text file; an empty one has none.

    Raises:
        ValueError: If one cannot be read; the message names the file and the line.
    """
    found = []
    text = text_of(located(str(path), expected))
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        try:
            found.append(read(line))
        except ValueError as error:
            raise ValueError(f"line {number} of {str(path)!r}: {error}") from error
    return found


def given_pictures(path: Path, suffixes: Sequence[str], read: Callable[[Path], Any], expected: str) -> list[Picture]:
    """A file, or the files of a folder, by name.

    Raises:
        ValueError: If there is none, or one is damaged; the message names it.
    """
    return [Picture(str(file), read(file)) for file in files_of(str(path), suffixes, expected)]
