"""A user's own pictures or films, with what is said of each: in a table beside them, or in a text file of its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.own_files import TABLES, Row, cell, files_of, hidden, located, table_of, text_of, wrong
from jaxrnn.tasks.shared.own_splits import folder_split, named_split
from jaxrnn.tasks.shared.words import is_word, words_of

FILE = ("image", "file_name", "filename", "file", "picture", "video", "clip", "path", "name")
TEXT = ("caption", "captions", "text", "transcript", "sentence", "title")


T = TypeVar("T")


class Told(NamedTuple):
    """A file, something that is said of it, and the part that it is for, where that is said too."""

    file: Path
    words: tuple[str, ...]
    split: str | None
    where: str  # for a message: the line, or the file of the text


def spoken(text: str) -> tuple[str, ...]:
    """Words in lower case, without punctuation, in any alphabet.

    >>> spoken("Ein Ärmel, zwei!")
    ('ein', 'ärmel', 'zwei')
    """
    return tuple(piece for piece in words_of(text.lower()) if is_word(piece))


def told_of(path: str, suffixes: Sequence[str], what: str, hint: str) -> list[Told]:
    """All that is said of the files in a folder, in the order of its tables' lines, or by name.

    Raises:
        ValueError: If a line has no file or no text, or a file is missing; the message names file and line.
    """
    place = located(path, what, hint)
    if place.is_file():
        return _of_table(place, place.parent, what)
    files = files_of(path, [""], what, hint)
    there = {*files}
    tables = [file for file in files if file.name.lower().removesuffix(".gz").endswith(TABLES)]
    if tables:
        found = [one for table in tables for one in _of_table(table, place, what)]
    else:
        beside = {file: file.with_suffix(".txt") for file in files if file.name.lower().endswith(tuple(suffixes))}
        found = [
            Told(file, _words(text_of(text), text, 1), folder_split(file.relative_to(place)), str(text))
            for file, text in beside.items()
            if text in there
        ]
        if not found:
            kinds = ", ".join(TABLES)
            fail("data.path", what, Said(f"{path!r}, with no table ({kinds}) and no text beside a file"), hint)
    if not found:
        fail("data.path", what, Said(f"{path!r}, whose tables have no line"), hint)
    return found


def read_told(told: Told, read: Callable[[Path], T]) -> T:
    """What is read of the file that something is said of.

    Raises:
        ValueError: If it cannot be read; the message names the file, and the line that names it.
    """
    try:
        return read(told.file)
    except ValueError as error:
        raise ValueError(f"{told.where}: {error}") from error


def _of_table(table: Path, place: Path, what: str) -> list[Told]:
    found = []
    by_name: dict[str, list[Path]] = {}
    for path in sorted(place.rglob("*")):
        if path.is_file() and not hidden(path.relative_to(place)):
            by_name.setdefault(path.name, []).append(path)
    for row in table_of(table):
        file = _beside(row, cell(row, FILE, "the name of a file"), place, by_name)
        inside = file.relative_to(place) if file.is_relative_to(place) else Path(file.name)
        of_table = table.relative_to(place) if table.is_relative_to(place) else table.name
        split = named_split(str(row.cells.get("split") or "")) or named_split(of_table) or folder_split(inside)
        for text in _texts(row):
            where = f"line {row.line} of {str(table)!r}"
            found.append(Told(file, _words(text, row.file, row.line), split, where))
    if not found:
        fail("data.path", what, Said(f"{str(table)!r}, which has no line"))
    return found


def _texts(row: Row) -> list[str]:
    """One text, or in JSON a list of them."""
    many = next((value for name, value in row.cells.items() if name.lower() in TEXT and isinstance(value, list)), None)
    if many is None:
        return [cell(row, TEXT, "what is said of it")]
    if not many or not all(isinstance(text, str) for text in many):
        wrong(row.file, row.line, "a text or a list of texts", f"{many!r}")
    return many


def _words(text: str, file: Path, line: int) -> tuple[str, ...]:
    found = spoken(text)
    if not found:
        wrong(file, line, "a text with words", repr(text))
    return found


def _beside(row: Row, name: str, place: Path, by_name: dict[str, list[Path]]) -> Path:
    """The file of a name: beside the table, in the folder, or in one of the folders in it."""
    plain = Path(name.replace("\\", "/"))
    for base in (row.file.parent, place):
        if (base / plain).is_file():
            return base / plain
    found = by_name.get(plain.name, [])
    if len(found) != 1:
        got = f"{name!r}, which is there {len(found)} times" if found else f"{name!r}, which is not there"
        wrong(row.file, row.line, f"the name of a file in {str(place)!r}", got)
    return found[0]
