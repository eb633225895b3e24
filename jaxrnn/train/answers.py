"""A person's rows answered by a trained model, into a file that is there whole or not at all: CSV or JSON lines."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from jaxrnn.base.errors import Said, called, fail
from jaxrnn.base.files import replacing
from jaxrnn.train.progress import clock
from jaxrnn.train.protocols import Predictor
from jaxrnn.train.task import Params

FORMATS = {"csv": (".csv",), "jsonl": (".jsonl", ".ndjson")}
WINDOW = 1024  # rows that a task sorts by length and answers together
EVERY = 5.0  # seconds between lines of progress


def format_of(out: Path | None, asked: str | None) -> str:
    """What was asked for, or what the suffix of a file says; JSON lines where neither does.

    Raises:
        ValueError: If the suffix says neither.
    """
    if asked or out is None:
        return asked or "jsonl"
    found = [name for name, suffixes in FORMATS.items() if out.name.lower().endswith(suffixes)]
    if not found:
        fail("--out", "a file .csv or .jsonl, or `--format` beside it", str(out))
    return found[0]


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer as JSON holds it: arrays are lists, and numbers that are none, or without end, are None."""
    return {name: _plain(value) for name, value in answer.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_json(answer: dict[str, Any]) -> str:
    """An answer as a line of JSON."""
    return json.dumps(plain(answer), ensure_ascii=False, allow_nan=False)


def rows_of(task: Predictor, path: Path, argument: str) -> list[Any]:
    """The rows of a person's file, which has one or more; errors name it by the argument that it was given as.

    Raises:
        ValueError: If a row cannot be read, or there is none.
    """
    with called("data.path", argument):
        rows = task.inputs(path)
    if not rows:
        fail(argument, "a file with something to answer", Said(f"{str(path)!r}, where there is nothing"))
    return rows


def answered(task: Predictor, params: Params, rows: Sequence[Any], window: int = WINDOW) -> Iterator[dict[str, Any]]:
    """The answer to each row, in order; so many rows at a time are sorted by length and answered together.

    Raises:
        ValueError: If a row has no answer, or one more; that is a mistake of the task.
    """
    for start in range(0, len(rows), window):
        some = rows[start : start + window]
        count = 0
        for answer in task.predict(params, some):
            yield answer
            count += 1
        if count != len(some):
            fail("predict", f"a function that gives an answer for each of {len(some)} rows", count)


def tabled(task: Predictor, answers: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Answers as rows of a table: several each, where a task has a method `table` that makes them of one."""
    rows = getattr(task, "table", None)
    for answer in answers:
        yield from (answer,) if rows is None else rows(answer)


def write_answers(write: Callable[[str], object], answers: Iterator[dict[str, Any]], kind: str) -> None:
    """Answers, one a line; the first line of CSV has their names, and a list is JSON there.

    Raises:
        ValueError: If one has other names than the first.
    """
    names: list[str] | None = None
    for number, answer in enumerate(answers, 1):
        names = list(answer) if names is None else names
        if list(answer) != names:
            fail("predict", f"a function whose answers all have the names {', '.join(names)}", [number, *answer])
        if kind == "jsonl":
            write(as_json(answer) + "\n")
            continue
        if number == 1:
            write(_row(names))
        cells = plain(answer).values()
        write(_row([json.dumps(c, ensure_ascii=False) if isinstance(c, (list, bool)) else c for c in cells]))


def _row(cells: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


@contextmanager
def writer(out: Path | None) -> Iterator[Callable[[str], object]]:
    """Where text goes: a file, which takes the place of what is there when all is written; or the standard output.

    Raises:
        WriteError: If it cannot be written, or the disk is full; what was there before is as it was.
    """
    if out is None:
        yield sys.stdout.write
        return
    with replacing(out) as beside, beside.open("w", encoding="utf-8") as file:
        yield file.write


def told(answers: Iterator[dict[str, Any]], count: int, say: Callable[[str], object]) -> Iterator[dict[str, Any]]:
    """The same answers; every few seconds it says how far they are."""
    began = last = time.monotonic()
    for number, answer in enumerate(answers, 1):
        yield answer
        now = time.monotonic()
        if number % WINDOW == 0 and now - last > EVERY and number < count:  # those of a window come all at once
            rate = number / (now - began)
            say(f"{number:,} of {count:,} rows  {rate:,.0f} rows/s  left {clock(round((count - number) / rate))}\n")
            last = now
