"""metrics.jsonl: one JSON object a line, each with its step and no clock time, so that equal runs write equal files.

Every `loop.log_every` steps a line has `step`, the means of what the loss says over the steps since the line before
(`loss`, `grad_norm` and a task's own), `learning_rate` and `skipped`; every `loop.validate_every` steps one has `step`
and `validation_loss` and the other figures of the validation, `validation_` before each name. null is what is not
finite. A resumed run drops the lines after its checkpoint and writes them again. Other programs may rely on that.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jaxrnn.base.files import WriteError, write_bytes

METRICS = "metrics.jsonl"
Callback = Callable[[dict[str, Any]], None]  # is given each line as it is written


class MetricsError(ValueError):
    """A metrics file cannot be read; the message names it and the line."""


def _parsed(line: bytes) -> dict[str, Any] | None:
    """What a line says, or None where it is none."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and type(found.get("step")) is int else None


def unreadable_line(content: bytes) -> int | None:
    """The number of the first line that is none, counted from 1; what follows the last line's end is no line yet."""
    lines = content.splitlines(keepends=True)
    return next((n for n, line in enumerate(lines, 1) if line.endswith(b"\n") and _parsed(line) is None), None)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a metrics file; a last line that was cut off is left out.

    Raises:
        MetricsError: If a line is not one of metrics.
    """
    if not path.exists():
        return []
    content = path.read_bytes()
    line = unreadable_line(content)
    if line is not None:
        raise MetricsError(f"{path}: line {line} is not a line of metrics")
    return [json.loads(line) for line in content.splitlines(keepends=True) if line.endswith(b"\n")]


class MetricsFile:
    """Append-only writer.

    Args:
        path: The file.
        step: Where the run goes on: every line of a later step is dropped first (a killed run wrote those).
        known: How many of its bytes are known to be of steps up to that; what follows is dropped unread.
        callbacks: Are given each line too; one that raises is warned of, and then left out.

    Raises:
        MetricsError: If a line is not one of metrics.
        WriteError: If it cannot be written.
    """

    def __init__(self, path: Path, step: int, known: int | None = None, callbacks: Sequence[Callback] = ()) -> None:
        self._path, self._callbacks = path, [*callbacks]
        if known is None:
            kept = b"".join(json.dumps(line).encode() + b"\n" for line in read_metrics(path) if line["step"] <= step)
        else:
            kept = path.read_bytes()[:known]
        write_bytes(path, kept)
        self._file = path.open("ab", buffering=0)

    def write(self, line: dict[str, Any]) -> None:
        """Append one line and hand it to the operating system.

        Raises:
            WriteError: If it cannot be written, on a full disk for example.
        """
        content = json.dumps(line, allow_nan=False).encode() + b"\n"
        try:
            while content:
                content = content[self._file.write(content) :]
        except OSError as error:
            raise WriteError(f"could not write {self._path}: {error.strerror}") from error
        for callback in [*self._callbacks]:
            try:
                callback({**line})
            except Exception as error:  # a logger's network, for example: training needs it not
                warnings.warn(f"{callback!r} is left out from here on: {error!r}", stacklevel=2)
                self._callbacks.remove(callback)

    def sync(self) -> None:
        """Wait until all lines are on the disk."""
        os.fsync(self._file.fileno())

    def __enter__(self) -> MetricsFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class NoMetrics:
    """In the place of a MetricsFile on processes that write none."""

    def write(self, line: dict[str, Any]) -> None:
        """Nothing: the first process writes it."""

    def sync(self) -> None:
        """Nothing."""

    def __enter__(self) -> NoMetrics:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing."""
