"""A user's own sentence pairs: a table of them, or two files with a sentence a line, in any alphabet."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.own_files import NOTES, files_of, kept, lines_of, located, shortened, text_of, wrong
from jaxrnn.tasks.shared.own_splits import OwnData, named_split, parted, row_split
from jaxrnn.tasks.shared.own_tables import TABLES, cell, table_of

WHERE = (
    "One file with a pair a line, a tab between (or a .csv or .jsonl with columns named as data.source and data.target "
    "say), or a folder with NAME.en and NAME.de, where data.source is en and data.target de."
)
EXPECTED = "sentence pairs"
HEADERS = {("source", "target"), ("src", "tgt"), ("src", "trg")}  # names of columns, which are no pair


class Pair(NamedTuple):
    """A sentence in both languages, and the part that its file says it is for."""

    source: str
    target: str
    split: str | None


def whole_set(path: str, parts: tuple[str, ...], languages: tuple[str, str]) -> bool:
    """Whether all files PART.LANGUAGE of three parts lie in a folder; in an archive they are taken to."""
    place = Path(path).expanduser()
    if place.is_file():
        return place.suffix.lower() in (".zip", ".tar", ".tgz") or ".tar." in place.name.lower()
    names = {file.name.removesuffix(".gz") for file in place.rglob("*")} if place.is_dir() else set()
    return all(f"{part}.{language}" in names for part in parts for language in languages)


def own_pairs(data: OwnData, path: str, source: str, target: str) -> dict[str, list[Pair]]:
    """The pairs for training, validation and test; those with the same source sentence are in one part.

    Raises:
        ValueError: If a line is no pair, or files do not have equally many lines; the message names file and line.
    """
    found = _read(path, source, target)
    return parted(found, lambda pair: pair.split, data, repr(path), EXPECTED, lambda pair: pair.source)


@kept
def _read(path: str, source: str, target: str) -> list[Pair]:
    place = located(path, EXPECTED, WHERE)
    if place.is_file():
        return _table(place, source, target, None)
    files = files_of(path, [""], EXPECTED, WHERE)
    both = _parallel(place, files, source, target)
    tables = [file for file in files if file.name.lower().removesuffix(".gz").endswith((*TABLES, ".txt"))]
    if both:
        others = [
            file for file in tables if not {source, target} & {*file.name.split(".")} and file.stem.lower() not in NOTES
        ]
        if others:
            said = Said(f"{str(others[0])!r} beside files with a sentence a line")
            fail("data.path", f"{EXPECTED} of one kind, tables or two files", said, WHERE)
        return [pair for pair in both if pair.source]
    if not tables:
        names = ", ".join(repr(file.name) for file in files[:4])
        fail("data.path", EXPECTED, Said(f"{path!r} with {names}, none of which is {source} or {target}"), WHERE)
    return [pair for f in tables for pair in _table(f, source, target, named_split(f.relative_to(place)))]


def _parallel(place: Path, files: list[Path], source: str, target: str) -> list[Pair]:
    """The pairs of all files whose names differ by the language alone: a.en and a.de, or a.en.txt and a.de.txt."""
    names: dict[str, dict[str, Path]] = defaultdict(dict)
    for file in files:
        parts = file.name.removesuffix(".gz").split(".")
        for language in (source, target):
            if language in parts:
                last = len(parts) - 1 - parts[::-1].index(language)
                rest = ".".join((*parts[:last], "*", *parts[last + 1 :]))
                names[str(file.parent / rest)][language] = file
    found = []
    for of_language in names.values():
        if len(of_language) == 1:
            (language, file), *_ = of_language.items()
            other = target if language == source else source
            fail("data.path", f"{file.name} beside the same in {other}", Said("it alone"), WHERE)
        ours, theirs = of_language[source], of_language[target]
        lines = [text_of(file).removesuffix("\n").split("\n") for file in (ours, theirs)]
        if len(lines[0]) != len(lines[1]):
            said = Said(f"{len(lines[0])} and {len(lines[1])}")
            fail("data.path", f"{str(ours)!r} and {theirs.name} with equally many lines", said)
        split = named_split(ours.relative_to(place))
        for number, (one, other) in enumerate(zip(*lines, strict=True), 1):
            if bool(one.strip()) != bool(other.strip()):
                blank, full = (ours, theirs) if other.strip() else (theirs, ours)
                wrong(blank, number, "a sentence in both files", f"a blank line, where {full.name} has one")
            found.append(Pair(one.strip(), other.strip(), split))
    return found


def _table(file: Path, source: str, target: str, split: str | None) -> list[Pair]:
    suffix = Path(file.name.removesuffix(".gz")).suffix.lower()
    if suffix in (".csv", ".jsonl", ".ndjson"):
        sides = [(source.lower(), "source", "src"), (target.lower(), "target", "tgt", "trg")]
        rows = table_of(file)
        ours, theirs = ([cell(row, names, "a sentence") for row in rows] for names in sides)
        said = [row_split(row) or split for row in rows]
        return [Pair(*pair) for pair in zip(ours, theirs, said, strict=True)]
    found: list[Pair] = []
    counted = True
    for number, line in lines_of(file):
        one, *others = (part.strip() for part in line.split("\t"))
        if not others or not one or not others[0]:
            wrong(file, number, "a sentence, a tab, and the same in the other language", shortened(line), WHERE)
        if found or (one.lower(), others[0].lower()) not in HEADERS | {(source.lower(), target.lower())}:
            found.append(Pair(one, others[0], split))
        counted &= one.isdecimal() and len(others) > 1
    if found and counted:  # what stands behind a pair, such as its licence, is left out; numbers before it are no pair
        hint = f"`cut -f2,3 {file.name}` leaves the others. {WHERE}"
        fail("data.path", EXPECTED, Said(f"{str(file)!r}, whose first of three columns are numbers"), hint)
    return found
