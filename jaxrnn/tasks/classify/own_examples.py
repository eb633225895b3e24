"""A user's own texts or series with their labels: tables, lines, folders named as labels, arrays."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.tasks.classify.labelled import LABEL, SERIES, TEXT, VALUES, WHERE, Labelled, label_of, place
from jaxrnn.tasks.classify.labelled_series import arranged, of_arrays, of_steps, of_values
from jaxrnn.tasks.shared.alike import tell_alike
from jaxrnn.tasks.shared.own_files import (
    answered_lines_of,
    files_of,
    kept,
    lines_of,
    located,
    shortened,
    text_of,
    wrong,
)
from jaxrnn.tasks.shared.own_splits import NAMES, OwnData, named_split, parted, row_split
from jaxrnn.tasks.shared.own_tables import Row, cell, table_of
from jaxrnn.train.sources import bare

EXPECTED = "texts or series with labels"
ANSWERED = "texts, one a line or in a table's column text, or series"  # labels are what a model says
LISTED = 9  # labels in a message
LINES = (".jsonl", ".ndjson", ".json")  # of JSON
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".txt")


def own_examples(data: OwnData, path: str, channels: Sequence[str] = ()) -> dict[str, list[Labelled]]:
    """The examples of each part; equal texts are in one. Series have their channels in this order.

    Raises:
        ValueError: If a line is no example, or there are too few; the message names file and line.
    """
    found = arranged(_read(path), channels)
    labels = {one.label for one in found}
    tell_alike(sorted(labels), "labels", path)
    trains = data.held_out < 1
    if trains and len(labels) < 2:
        fail("data.path", f"{EXPECTED}, of two labels or more", Said(f"{path!r}, with one"), WHERE)
    if trains and len(labels) == len(found):
        fail("data.path", f"{EXPECTED} that occur again", Said(f"{path!r}, with another label each"), WHERE)
    texts = {one.content for one in found if isinstance(one.content, str)}
    if trains and 0 < len(texts) < len(labels):
        said = Said(f"{len(labels)} labels and {len(texts)} texts in {path!r}")
        fail("data.path", "a label before each text, and fewer labels than texts", said, WHERE)
    keys = [one.content if isinstance(one.content, str) else n for n, one in enumerate(found)]
    pairs = parted(
        [*zip(found, keys, strict=True)], lambda pair: pair[0].split, data, repr(path), EXPECTED, lambda pair: pair[1]
    )
    return {split: [one for one, _ in some] for split, some in pairs.items()}


def channels_of(path: str) -> list[str]:
    """What the channels of series are called, in their order; none where nobody says so."""
    return [*next((one.channels for one in _read(path) if one.channels), ())]


def check_known(path: str, labels: Sequence[str], channels: int | None) -> None:
    """See to it that a trained model knows the labels of examples that it is scored on, and reads such (None: texts).

    Raises:
        ValueError: If it does not; the message names file and line.
    """
    found = _read(path)
    check_kind(found, channels)
    for one in found:
        if one.label not in labels:
            some = f"{', '.join(labels[:LISTED])}{', ...' if labels[LISTED:] else ''}"
            said, hint = Said(f"{one.label!r}, {one.where}"), nearest(one.label, labels)
            fail("data.path", f"examples with labels that the model knows ({some})", said, hint)


def check_kind(some: Sequence[Labelled], channels: int | None) -> None:
    """See to it that examples are series of so many channels, or texts (None).

    Raises:
        ValueError: If one is not; the message names file and line.
    """
    for one in some:
        found = one.content.shape[1] if isinstance(one.content, np.ndarray) else None
        if found != channels:
            names = ["texts" if n is None else f"series of {n} channels" for n in (channels, found)]
            fail("data.path", f"{names[0]}, as the model has learned from", Said(f"{names[1]}, {one.where}"))


@kept
def _read(path: str) -> list[Labelled]:
    return read_examples(Path(path).expanduser() if path else path, labels=True)


def read_examples(path: Path | str, labels: bool) -> list[Labelled]:
    """All examples of a file or folder; without `labels` they may lack them, and a line of a text is one."""
    expected, where = (EXPECTED, WHERE) if labels else (ANSWERED, "")
    folder = located(str(path), expected, where)
    files = files_of(str(path), [*TABLES, ".npz", ".md"], expected, where)
    found: list[Labelled] = []
    deep: list[Path] = []  # texts in folders of folders
    for file in files:
        inside = file.relative_to(folder) if folder.is_dir() else Path(file.name)
        folders = [part for part in inside.parts[:-1] if part.lower() not in NAMES]
        name = bare(file.name.lower())
        if len(folders) > 1 and name.endswith((".txt", ".md")):
            deep.append(inside)
        if name.endswith(".npz"):
            some = of_arrays(file, labels)
        elif name.endswith((".jsonl", ".ndjson", ".json")) or (
            name.endswith((".csv", ".tsv")) and _has_header(file, labels)
        ):
            some = _table(file, labels)
        elif folders and name.endswith((".txt", ".md")):
            text = text_of(file).strip()
            if not text:
                fail("data.path", "texts", Said(f"{str(file)!r}, which is empty"), WHERE)
            some = [Labelled(text, folders[-1], None, repr(str(file)))]
        else:
            some = _lines(file, labels)
        split = named_split(inside)
        found += [one._replace(split=one.split or split) for one in some]
    if deep and labels:
        said = f"labels of {str(path)!r} are the innermost folders: that of {str(deep[0])!r} is {deep[0].parts[-2]!r}"
        warnings.warn(said, stacklevel=2)
    if not found:
        fail("data.path", expected, Said(f"{str(path)!r}, where there is none"), where)
    kinds = {np.shape(one.content)[1:] if isinstance(one.content, np.ndarray) else "text" for one in found}
    if len(kinds) > 1:
        fail("data.path", "texts, or series of as many channels", Said(f"{str(path)!r} with both or others"), WHERE)
    return arranged(found, next((one.channels for one in found if one.channels), ()))


def _has_header(file: Path, labels: bool) -> bool:
    """Whether the first line of a table names columns: some that are known, or, of a .csv without a tab, any.

    Without labels it is no text in any case.
    """
    first = next((line for line in text_of(file).split("\n") if line.strip()), "")
    names = {name.strip().strip('"').lower() for name in first.replace(";", "\t").replace(",", "\t").split("\t")}
    of_columns = Path(bare(file.name)).suffix.lower() == ".csv"
    return bool(names & {*TEXT, *SERIES}) or (
        of_columns and (not labels or "\t" not in first or bool(names & {*LABEL}))
    )


def _lines(file: Path, labels: bool) -> list[Labelled]:
    found = []
    for number, line in lines_of(file) if labels else answered_lines_of(file, "a text"):
        label, tab, text = line.partition("\t")
        if not labels:
            found.append(
                Labelled((text if tab else line).strip(), label.strip() if tab else "", None, place(file, number))
            )
            continue
        if not label.strip() or not text.strip() or "\t" in text.strip():
            wrong(file, number, "a label, a tab and a text, and no other tab", shortened(line), WHERE)
        found.append(Labelled(text.strip(), label.strip(), None, place(file, number)))
    names = [one.label for one in found]
    if labels and names and names[0].lower() in LABEL and names.count(names[0]) == 1:  # it would be a label of its own
        expected = f"a header with {' or '.join(TEXT)} beside {names[0]}, or lines without one"
        wrong(file, lines_of(file)[0][0], expected, shortened(str(found[0].content)), WHERE)
    return found


def _table(file: Path, labels: bool) -> list[Labelled]:
    rows = table_of(file)
    if not rows:
        return []
    columns = {name.lower() for name in rows[0].cells}
    if bare(file.name.lower()).endswith(LINES):
        read = of_values if columns & {*VALUES} and not columns & {*TEXT} else _of_text
        return [read(row, labels) for row in rows]
    if columns & {*SERIES} and not columns & {*TEXT}:
        return of_steps(rows, labels)
    return [_of_text(row, labels) for row in rows]


def _of_text(row: Row, labels: bool) -> Labelled:
    return Labelled(cell(row, TEXT, "a text"), label_of(row, labels), row_split(row), place(row.file, row.line))
