"""Opening a file by its suffix, and turning whatever its bytes provoke into one error that names the file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jaxrnn.base.errors import fail
from jaxrnn.interop.files import hdf5, npz, onnx_file, orbax, safetensors, torch_file
from jaxrnn.interop.files.rules import check_together
from jaxrnn.interop.source import Entry, FileError, Source, below
from jaxrnn.interop.weight_norm import folded

Opened = contextlib.AbstractContextManager[Source]


def in_memory(source: Source) -> Opened:
    """A source that needs no closing."""
    return contextlib.nullcontext(source)


MOST_WORDS = 400  # of another library's message, some of which quote the file

# Suffix -> a reader of (path, prefix) that holds the file open inside `with`.
READERS: dict[str, Callable[[Path, str], Opened]] = {
    ".safetensors": safetensors.reader,
    ".npz": npz.reader,
    ".weights.h5": hdf5.reader,
    ".h5": hdf5.reader,
    ".hdf5": hdf5.reader,
    ".keras": hdf5.keras_reader,
    ".pt": torch_file.reader,
    ".pth": torch_file.reader,
    ".ckpt": torch_file.reader,
    ".onnx": onnx_file.reader,
}


def path_of(value: Any, argument: str) -> Path:
    """A path, from what a person may give for one."""
    if not isinstance(value, (str, os.PathLike)) or not isinstance(os.fspath(value), str):
        fail(argument, "a path", value, kind=TypeError)
    if not os.fspath(value) or "\0" in os.fspath(value):
        fail(argument, "a path that a system can have", os.fspath(value))
    return Path(value)


def _reader_of(path: Path) -> Callable[[Path, str], Opened]:
    if path.is_dir():
        return orbax.reader
    suffix = next((s for s in READERS if path.name.endswith(s)), None)
    if suffix is None:
        hint = f"Known are {', '.join(READERS)} and the folders of Orbax."
        fail("source", "a file whose suffix tells its format", str(path), hint)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    return READERS[suffix]


@contextlib.contextmanager
def opened(path: Path, prefix: str) -> Iterator[Source]:
    """The entries of a file below `prefix`."""
    reader = _reader_of(path)
    with contextlib.ExitStack() as stack:
        with one_error(path):
            source = stack.enter_context(reader(path, prefix))
            check_together(source.entries, path)
        source = source if source.layer is not None else below(folded(source), prefix)
        yield source._replace(entries=tuple(e._replace(read=_guarded(path, e)) for e in source.entries))


def _guarded(path: Path, entry: Entry) -> Callable[[], Any]:
    def read() -> Any:
        with one_error(path):
            return entry.read()

    return read


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
