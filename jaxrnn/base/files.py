"""Files that are there whole, or as they were before: a kill or a full disk leaves no half of one."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = re.compile(r"\.jaxrnn-[0-9a-f]{16}\..*", re.DOTALL)


class WriteError(OSError):
    """A file could not be written; the message says which and why. What was there before is as it was."""


def _beside(path: Path) -> Path:
    """A random name in the same folder, that no file of the user's has; it ends as `path` does: writers go by it."""
    return path.with_name(f".jaxrnn-{secrets.token_hex(8)}.{path.name[-40:]}")  # a name has 255 bytes at most


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write beside `path`, which takes its place when all has gone well and is on the disk.

    It takes over the permissions of what was there. A link stays one: what it points to is replaced. A device or a
    pipe, such as /dev/stdout, is written to.

    Raises:
        WriteError: the system does not let it be written, or the disk is full.
    """
    try:
        path = Path(os.path.realpath(path))  # `resolve` raises another error for a link to itself
        there = path.exists()
        if there and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if there and not path.is_file() and not path.is_dir():
            yield path
            return
        beside = _beside(path)
        try:
            yield beside
            if there:
                shutil.copymode(path, beside)
            flush(beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        flush(path.parent)
    except OSError as error:
        raise _failed(path, error) from error


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A new folder to fill, which is called `path` when all has gone well and is on the disk; there must be none yet.

    Raises:
        WriteError: the system does not let it be written, or the disk is full.
    """
    beside = _beside(path)
    try:
        try:
            beside.mkdir()
            yield beside
            flush(*beside.rglob("*"), beside)
            beside.rename(path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        flush(path.parent)
    except OSError as error:
        raise _failed(path, error) from error


def remove(folder: Path) -> None:
    """Delete a folder: first its name, so that no half of it is ever taken for a whole."""
    beside = _beside(folder)
    folder.rename(beside)
    shutil.rmtree(beside)


def sweep(folder: Path) -> None:
    """Delete what killed processes left half-written or half-deleted in a folder, which must be nobody else's now."""
    for path in list(folder.iterdir()):
        if UNFINISHED.fullmatch(path.name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


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


def _failed(path: Path, error: OSError) -> WriteError:
    if isinstance(error, WriteError):  # of a file inside: it has been said
        return error
    return WriteError(f"could not write {path}: {error.strerror or error}")
