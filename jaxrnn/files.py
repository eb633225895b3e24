"""Files that are there whole, or as they were before: a kill or a full disk leaves no half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class WriteError(OSError):
    """A file could not be written; the message says which and why. What was there before is as it was."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write beside `path`, which takes its place when all has gone well and is on the disk.

    Its name is random, so that no file of the user's is in the way, and ends as that of `path` does: writers go by it.

    Raises:
        WriteError: the system does not let it be written, or the disk is full.
    """
    beside = path.with_name(f".{secrets.token_hex(8)}.{path.name[-200:]}")
    try:
        try:
            yield beside
            flush(beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        flush(path.parent)
    except OSError as error:
        raise WriteError(f"could not write {path}: {error.strerror or error}") from error


def flush(*paths: Path) -> None:
    """Have the operating system put files and folders on the disk."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Write all of a file or nothing.

    Raises:
        WriteError: see `replacing`.
    """
    with replacing(path) as beside:
        beside.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write all of a text or nothing.

    Raises:
        WriteError: see `replacing`.
    """
    write_bytes(path, text.encode("utf-8"))
