"""Opening a file, and turning whatever its bytes provoke into one error that names the file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jaxrnn.base.errors import fail
from jaxrnn.interop.files.formats import reader_of
from jaxrnn.interop.files.rules import check_together
from jaxrnn.interop.parts import chosen, renamed
from jaxrnn.interop.source import Entry, FileError, Part, Source

Opened = contextlib.AbstractContextManager[Source]


def in_memory(source: Source) -> Opened:
    """A source that needs no closing."""
    return contextlib.nullcontext(source)


MOST_WORDS = 400  # of another library's message, some of which quote the file


def path_of(value: Any, argument: str) -> Path:
    """A path, from what a person may give for one."""
    if not isinstance(value, (str, os.PathLike)) or not isinstance(os.fspath(value), str):
        fail(argument, "a path", value, kind=TypeError)
    if not os.fspath(value) or "\0" in os.fspath(value):
        fail(argument, "a path that a system can have", os.fspath(value))
    return Path(value)


@contextlib.contextmanager
def opened(
    path: Path, prefix: str, format: str | None = None, names: Mapping[str, str] | None = None
) -> Iterator[Source]:
    """The entries of a file below `prefix`."""
    with whole(path, format) as source:
        yield chosen(source if names is None else renamed(source, names), prefix)


@contextlib.contextmanager
def whole(path: Path, format: str | None = None, argument: str = "source") -> Iterator[Source]:
    """All that is in a file."""
    reader = reader_of(path, format, argument)
    with contextlib.ExitStack() as stack:
        with one_error(path):
            source = stack.enter_context(reader(path))
            check_together(source.entries, path, source.beside)
        parts = tuple(part._replace(read=partial(_part, path, part)) for part in source.parts)
        yield _guarded(path, source)._replace(parts=parts)


def _guarded(path: Path, source: Source) -> Source:
    """The source whose numbers, if they cannot be read, are one error."""
    return source._replace(entries=tuple(_native(e)._replace(read=partial(_numbers, path, e)) for e in source.entries))


def _numbers(path: Path, entry: Entry) -> Any:
    with one_error(path):
        numbers, native = entry.read(), _native(entry).dtype
        return numbers if native is entry.dtype else numbers.astype(native)


def _native(entry: Entry) -> Entry:
    """An entry in this machine's order of bytes, which other machines' files need not have."""
    swapped = isinstance(entry.dtype, np.dtype) and not entry.dtype.isnative
    return entry._replace(dtype=entry.dtype.newbyteorder("=")) if swapped else entry


def _part(path: Path, part: Part) -> Source:
    with one_error(path):
        return _guarded(path, part.read())


@contextlib.contextmanager
def one_error(path: Path) -> Iterator[None]:
    """A changed byte shows as one of many kinds: from zlib, JSON, HDF5, protobuf, pickle or Orbax."""
    try:
        yield
    except (ImportError, FileError):
        raise
    except Exception as error:
        kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
        first = next(iter(str(error).splitlines()), "")
        raise FileError(f"{path.name} cannot be read: {kind}{first[:MOST_WORDS]}") from error
