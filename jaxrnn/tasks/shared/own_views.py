"""A user's own pictures or films, with what is said of each: in a table beside them, or in a text file of its name."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.own_files import NOTES, files_of, hidden, located, text_of, wrong
from jaxrnn.tasks.shared.own_splits import folder_split, named_split, row_split
from jaxrnn.tasks.shared.own_tables import TABLES, Row, cell, table_of
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
        ValueError: If a line has no file or no text, a file is missing, without its text, or in two parts; the message
            names file and line.
    """
    place = located(path, what, hint)
    if place.is_file():
        if place.name.lower().endswith(tuple(suffixes)):
            fail("data.path", what, Said(f"{path!r}, of which nothing is said"), hint)
        return _each_in_one_part(_of_table(place, place.parent, what))
    files = files_of(path, [""], what, hint)
    tables = [file for file in files if file.name.lower().removesuffix(".gz").endswith(TABLES)]
    views = [file for file in files if file.name.lower().endswith(tuple(suffixes))]
    if not tables:
        return _by_name(path, views, [file for file in files if _is_text(file)], hint)
    found = [one for table in tables for one in _of_table(table, place, what)]
    if not found:
        fail("data.path", what, Said(f"{path!r}, whose tables have no line"), hint)
    named = {one.file.resolve() for one in found}
    if left := [file for file in views if file.resolve() not in named]:
        such = f"such as {str(left[0])!r}"
        warnings.warn(
            f"{len(left)} of {len(views)} files are in no table of {path!r} and left out, {such}", stacklevel=2
        )
    return _each_in_one_part(found)


def _is_text(file: Path) -> bool:
    return file.suffix.lower() == ".txt" and file.stem.lower() not in NOTES


def _by_name(path: str, views: Sequence[Path], texts: Sequence[Path], hint: str) -> list[Told]:
    """Each file with the text of its name, however its letters are stored; no file and no text may be alone."""
    if not views or not texts:
        kinds = ", ".join(TABLES)
        said = Said(f"{path!r}, with no table ({kinds}) and no text beside a file")
        fail("data.path", "files with what is said of them", said, hint)
    pairs: dict[Path, tuple[list[Path], list[Path]]] = {}
    for side, some in enumerate((views, texts)):
        for file in some:
            pairs.setdefault(file.parent / same(file.stem), ([], []))[side].append(file)
    for ours, theirs in pairs.values():
        if len(ours) != 1 or len(theirs) != 1:
            first, *more = ours or theirs
            alone = f"{str(first)!r} without {'its text' if ours else 'its file'}"
            twice = " and ".join(repr(file.name) for file in (*ours, *theirs))
            expected = "a text NAME.txt beside each file NAME, and a file beside each text"
            fail("data.path", expected, Said(twice if more or (ours and theirs) else alone), hint)
    return [
        Told(file, _words(text_of(text), text, 1), folder_split(file.relative_to(Path(path).expanduser())), str(text))
        for (file,), (text,) in pairs.values()
    ]


def _each_in_one_part(found: list[Told]) -> list[Told]:
    """What is said of a file is all for one part: else it would be tested on what was trained on."""
    parts: dict[Path, Told] = {}
    for one in found:
        first = parts.setdefault(one.file.resolve(), one)
        if first.split != one.split:
            said = Said(f"{str(one.file)!r} for {first.split}, {first.where}, and for {one.split}, {one.where}")
            fail("data.path", "each file in one of training, validation and test", said)
    return found


def same(name: str) -> str:
    """A name, whichever of two ways its letters with marks are stored: systems differ."""
    return unicodedata.normalize("NFC", name)


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
            by_name.setdefault(same(path.name), []).append(path)
    for row in table_of(table):
        file = _beside(row, cell(row, FILE, "the name of a file"), place, by_name)
        inside = file.relative_to(place) if file.is_relative_to(place) else Path(file.name)
        of_table = table.relative_to(place) if table.is_relative_to(place) else table.name
        split = row_split(row) or named_split(of_table) or folder_split(inside)
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
    found = by_name.get(same(plain.name), [])
    if len(found) > 1:  # in the folder that the name says
        found = [file for file in found if f"/{same(file.as_posix())}".endswith(f"/{same(plain.as_posix())}")] or found
    if len(found) != 1:
        got = f"{name!r}, which is there {len(found)} times" if found else f"{name!r}, which is not there"
        wrong(row.file, row.line, f"the name of a file in {str(place)!r}", got)
    return found[0]
