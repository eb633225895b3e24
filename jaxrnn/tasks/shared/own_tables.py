"""A user's own tables: the rows of CSV, TSV and JSON lines; what is wrong is said with file and line."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxrnn.tasks.shared.own_files import lines_of, shortened, text_of, wrong
from jaxrnn.train.sources import bare

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
ARRAY = "Of a file that is one array, `jq -c '.[]' FILE > FILE.jsonl` makes such lines."
LONGEST_CELL = 2**24  # characters: csv's own limit is one that captions of a page reach


class Row(NamedTuple):
    """A line of a table."""

    file: Path
    line: int  # counted from 1
    cells: dict[str, Any]


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
            hint = ARRAY if line.lstrip().startswith("[") else ""
            wrong(file, number, "a JSON object a line", f"{shortened(line)} ({error})", hint)
        if not isinstance(cells, dict):
            wrong(file, number, "a JSON object a line", shortened(line), ARRAY if isinstance(cells, list) else "")
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
        wrong(row.file, row.line, f"{what} in {column!r}", repr(value) if value or value is False else "nothing")
    return value.strip()
