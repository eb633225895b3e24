"""A user's own files: which of a folder count, and their text; what is wrong is said with file and line."""

from __future__ import annotations

import codecs
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.kinds import REMEDY, kind_of
from jaxrnn.train.sources import DAMAGED, MOST, as_text, bare, unpacked

WIDE = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UTF8 = "Save it as UTF-8; `iconv -f ENCODING -t UTF-8 FILE` does."
NOTES = ("readme", "license", "licence", "copying", "notice", "source")  # files about the others
LISTED = 3  # of what lies in a folder, for a message


T = TypeVar("T")


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
