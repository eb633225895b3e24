"""A user's own files: which of a folder count, their text, their tables; what is wrong is said with file and line."""

from __future__ import annotations

import codecs
import csv
import io
import json
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.kinds import REMEDY, kind_of
from jaxrnn.train.sources import DAMAGED, MOST, as_text, bare, unpacked

WIDE = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UTF8 = "Save it as UTF-8; `iconv -f ENCODING -t UTF-8 FILE` does."
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
NOTES = ("readme", "license", "licence", "copying", "notice", "source")  # files about the others
LISTED = 3  # of what lies in a folder, for a message
LONGEST_CELL = 2**24  # characters: csv's own limit is one that captions of a page reach


T = TypeVar("T")


class Row(NamedTuple):
    """A line of a table."""

    file: Path
    line: int  # counted from 1
    cells: dict[str, Any]


def located(path: str, expected: str, hint: str = "") -> Path:
    """A path that is there."""
    if not path:
        fail("data.path", expected, Said("none"), hint)
    found = Path(path).expanduser()
    if not found.exists():
        fail("data.path", expected, Said(f"{path!r}, which does not exist"), hint)
    return found


def kept(read: Callable[..., T]) -> Callable[..., T]:
    """Keeps the last few of what a function read from its first argument, a path, as long as the files there are."""

    @lru_cache(8)
    def keeper(stamp: object, args: tuple) -> T:
        return read(*args)

    @wraps(read)
    def kept_or_read(*args: Any) -> T:
        return keeper(_stamp(Path(str(args[0])).expanduser()), args)

    return kept_or_read


def _stamp(place: Path) -> tuple[int, ...]:
    """What changes where files do: how many there are, how large, and when the last one was written."""
    files = [file.stat() for file in (place.rglob("*") if place.is_dir() else [place]) if file.is_file()]
    return len(files), sum(file.st_size for file in files), max((file.st_mtime_ns for file in files), default=0)


def files_of(path: str, suffixes: Sequence[str], expected: str, hint: str = "") -> list[Path]:
    """The file itself, or a folder's files of some suffixes, by name; hidden ones and what lies in hidden folders not.

    Others are said, but for a README and its like.

    Raises:
        ValueError: If there is none; the message says what lies there in their place. Or if a link leads nowhere.
    """
    place = located(path, expected, hint)
    if not place.is_dir():
        return [place]
    there = [file for file in sorted(place.rglob("*")) if not hidden(file.relative_to(place))]
    lost = [file for file in there if file.is_symlink() and not file.exists()]
    if lost:  # to leave it out would train on less than was meant
        fail(
            "data.path", "files that are there", Said(f"{str(lost[0])!r}, a link to {str(lost[0].readlink())!r}"), hint
        )
    every = [file for file in there if file.is_file()]
    found = [file for file in every if bare(file.name.lower()).endswith(tuple(suffixes))]
    if not found:
        fail("data.path", expected, Said(f"{path!r}, {_inside(every)}"), hint)
    left = [file for file in every if file not in {*found} and file.stem.lower() not in NOTES]
    if left:
        warnings.warn(f"not read are {len(left)} files of {path!r}, {_inside(left)}", stacklevel=2)
    return found


def hidden(path: Path) -> bool:
    """Whether a name in a path begins with a point, or is what archives of a Mac have beside each file."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _inside(files: list[Path]) -> str:
    """What lies in a folder, for a message."""
    if not files:
        return "a folder without a file"
    kinds = Counter(file.suffix or "no suffix" for file in files).most_common()
    more = f" and {len(kinds) - LISTED} more" if len(kinds) > LISTED else ""
    return "a folder with " + ", ".join(f"{kind} ({count})" for kind, count in kinds[:LISTED]) + more


def content_of(file: Path) -> bytes:
    """The bytes of a file, unpacked where it is .gz or .xz.

    Raises:
        ValueError: If it cannot be read, or is larger than a data set's file may be.
    """
    try:
        if file.stat().st_size > MOST:
            raise ValueError(f"{file.stat().st_size:,} bytes, and more than {MOST:,} are not read")
        return unpacked(file.name, file.read_bytes())[1]
    except DAMAGED as error:
        reason = getattr(error, "strerror", None) or error
        fail("data.path", "files that can be read", Said(f"{str(file)!r} ({reason})"))


def text_of(file: Path) -> str:
    """The text of a UTF-8 file, without a mark of its byte order, lines ended by a newline alone.

    Raises:
        ValueError: If it is no such text; the message names the file and the line.
    """
    content = content_of(file)
    if kind := kind_of(content):
        fail("data.path", f"{str(file)!r} a text", Said(f"{kind}, as its first bytes say"), REMEDY)
    if content.startswith(WIDE):
        fail("data.path", f"{str(file)!r} in UTF-8", Said("UTF-16 or UTF-32, as its first bytes say"), UTF8)
    text = as_text(content, repr(str(file)), UTF8).removeprefix("\ufeff")
    zero = text.find("\0")
    if zero >= 0:
        wrong(file, text.count("\n", 0, zero) + 1, "a text", "a zero byte, as no text has one")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def lines_of(file: Path) -> list[tuple[int, str]]:
    """The lines of a text that are not blank, with their numbers, counted from 1."""
    return [(n, line) for n, line in enumerate(text_of(file).split("\n"), 1) if line.strip()]


def answered_lines_of(file: Path, what: str) -> list[tuple[int, str]]:
    """The lines of a text that has an answer each, with their numbers; blank ones are at its end alone.

    Raises:
        ValueError: If one between others is blank: the answers behind it would be beside other lines.
    """
    found = lines_of(file)
    for number, (line, _) in enumerate(found, 1):
        if line != number:
            wrong(file, number, f"{what} in each line", "a blank one", "Without it, answers and lines go together.")
    return found


def wrong(file: Path, line: int, expected: str, got: str, hint: str = "") -> NoReturn:
    """The error of a line."""
    fail("data.path", expected, Said(f"line {line} of {str(file)!r}: {got}"), hint)


def shortened(text: str) -> str:
    """A line for a message."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def table_of(file: Path) -> list[Row]:
    """The rows of a CSV or TSV file with a header, or of one with a JSON object a line.

    Raises:
        ValueError: If a row has other columns than the header, or is no object; the message names file and line.
    """
    suffix = Path(bare(file.name)).suffix.lower()
    return _json_lines(file) if suffix in (".jsonl", ".ndjson", ".json") else _csv(file)


def _json_lines(file: Path) -> list[Row]:
    found = []
    for number, line in lines_of(file):
        try:
            cells = json.loads(line, object_pairs_hook=_once)
            if "\\u" in line:  # of two that make one letter there may be one
                json.dumps(cells, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            wrong(file, number, "a JSON object a line", f"{shortened(line)} ({error})")
        if not isinstance(cells, dict):
            wrong(file, number, "a JSON object a line", shortened(line))
        found.append(Row(file, number, cells))
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON with each key once: of two, the first would be lost."""
    if twice := _twice([name for name, _ in pairs]):
        raise ValueError(twice)
    return dict(pairs)


def _twice(names: Sequence[str]) -> str:
    """What is wrong where two columns have one name, whatever the case of its letters."""
    found = [name for name, count in Counter(name.lower() for name in names).items() if count > 1]
    return f"{found[0]!r} is there twice" if found else ""


def _csv(file: Path) -> list[Row]:
    text = text_of(file)
    first = next((line for line in text.split("\n") if line.strip()), "")
    separator = max(",;\t", key=first.count)
    before = csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    found: list[Row] = []
    header: list[str] = []
    start = 1  # of a row that may have several lines
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                if len(header) == 1:  # of one column an empty line is an empty cell
                    found.append(Row(file, start, {header[0]: ""}))
            elif not header:
                header = [cell.strip() for cell in cells]
                if twice := _twice(header):
                    wrong(file, start, "a header that names each column once", twice)
            elif len(cells) != len(header):
                columns = f"{len(header)} cells, as its header has ({', '.join(header)})"
                wrong(file, start, columns, f"{len(cells)}, {shortened(separator.join(cells))}")
            else:
                found.append(Row(file, start, dict(zip(header, cells, strict=True))))
            start = reader.line_num + 1
    except csv.Error as error:
        wrong(file, start, "a table of comma-separated values", str(error))
    finally:
        csv.field_size_limit(before)
    while found and len(header) == 1 and not found[-1].cells[header[0]].strip():
        found.pop()
    return found


def cell(row: Row, names: Sequence[str], what: str) -> str:
    """The text in the first of some columns that a row has.

    Raises:
        ValueError: If it has none, or nothing is in it.
    """
    known = {name.lower(): value for name, value in row.cells.items()}
    column = next((name for name in names if name in known), None)
    if column is None:
        there = ", ".join(known) or "none"
        wrong(row.file, row.line, f"a column {' or '.join(names)} ({what})", f"the columns {there}")
    value = known[column]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        wrong(row.file, row.line, f"{what} in {column!r}", "nothing" if not value else f"{value!r}")
    return value.strip()
