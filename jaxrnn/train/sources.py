"""Files of a data set where a user keeps them: in a folder, or in the archive as it was downloaded."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxrnn.base.checks import check_text
from jaxrnn.base.errors import Said, fail

DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,  # zipfile's, where the bytes seem to ask for another compression
    RuntimeError,  # the same for encryption
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
)
# NumPy reads an array's header as Python, and makes room for what it says.
DAMAGED_ARRAY = (*DAMAGED, TypeError, SyntaxError, tokenize.TokenError, MemoryError)
MOST = 2**30  # bytes of one file of a data set, unpacked: a small archive may ask for any number


def read_source(path: str | Path, name: str, where: str) -> bytes:
    """The content of one file of a data set; see `read_sources`.

    Args:
        path: The folder of the data set, or an archive of it.
        name: The file's name there.
        where: Where to get it, in words, for the message of an error.

    Returns:
        Its bytes.

    Raises:
        ValueError: If the file is missing or damaged; the message says where to get it.

    >>> import pathlib, tempfile
    >>> from jaxrnn.train import read_source
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "train.txt").write_text("to be")
    ...     read_source(folder, "train.txt", "Write some.")
    b'to be'
    """
    _check_names([name], "name", "the name of a file")
    return read_sources(path, [name], where)[name]


def read_sources(path: str | Path, names: Sequence[str], where: str) -> dict[str, bytes]:
    """The contents of files of a data set, unpacked, by name.

    Args:
        path: A folder, or a zip or tar archive. Folders inside it are searched. Or the file itself, packed or not.
        names: The files' names, such as "ptb.train.txt"; a file of such a name with .gz or .xz behind is unpacked.
        where: Where a user gets the data, for the error.

    Returns:
        Bytes by name.

    Raises:
        ValueError: If one is missing, or the archive is damaged; the message says where to get it.

    >>> import pathlib, tempfile
    >>> from jaxrnn.train import read_sources
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "train.txt").write_text("to be")
    ...     read_sources(folder, ["train.txt"], "Write some.")
    {'train.txt': b'to be'}
    """
    if not isinstance(path, (str, Path)):
        fail("path", "a path", path, kind=TypeError)
    _check_names(names, "names", "names of files")
    check_text(where, "where")
    if not str(path):
        fail("data.path", _with(names), Said("none"), where)
    path = Path(path).expanduser()
    if not path.exists():
        fail("data.path", _with(names), Said(f"{str(path)!r}, which does not exist"), where)
    try:
        if path.is_file() and [*names] == [path.name]:
            return {path.name: path.read_bytes()}
        if path.is_file() and [*names] == [bare(path.name)]:
            _check_bytes(path.stat().st_size, path.name)
            return dict([unpacked(path.name, path.read_bytes())])
        found = _folder(path, names) if path.is_dir() else _archive(path, names)
    except DAMAGED as error:
        fail("data.path", _with(names), Said(f"{str(path)!r}, which cannot be read ({error})"), where)
    missing = [name for name in names if name not in found]
    if missing:
        fail("data.path", _with(missing), Said(f"{str(path)!r}, which has no {missing[0]}"), where)
    return found


def read_text(path: str | Path, name: str, where: str) -> str:
    """The text of one file of a data set, which is UTF-8; see `read_sources`.

    Args:
        path: The folder of the data set, or an archive of it.
        name: The file's name there.
        where: Where to get it, in words, for the message of an error.

    Returns:
        The text.

    Raises:
        ValueError: If the file is missing or damaged; the message says where to get it.

    >>> import pathlib, tempfile
    >>> from jaxrnn.train import read_text
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "train.txt").write_text("to be")
    ...     read_text(folder, "train.txt", "Write some.")
    'to be'
    """
    return as_text(read_source(path, name, where), name, where)


def as_text(content: bytes, name: str, where: str) -> str:
    """The text of a file of a data set.

    Raises:
        ValueError: If it is no UTF-8; the message names the file and the line.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        fail("data.path", f"{name} in UTF-8", Said(f"the byte {content[error.start]:#04x} in its line {line}"), where)


def read_arrays(path: str | Path, name: str, arrays: Sequence[str], where: str) -> dict[str, np.ndarray]:
    """The named arrays of an .npz file of a data set; see `read_sources`.

    Args:
        path: The folder of the data set, or an archive of it.
        name: The file's name there.
        arrays: Their names.
        where: Where to get it, in words, for the message of an error.

    Returns:
        The arrays by name.

    Raises:
        ValueError: If the file or one of them is missing, or it is damaged; the message says where to get it.

    >>> import tempfile, numpy as np
    >>> from jaxrnn.train import read_arrays
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/pens.npz", offset=[0, 2])
    ...     read_arrays(folder, "pens.npz", ["offset"], "Draw some.")["offset"].tolist()
    [0, 2]
    """
    _check_names(arrays, "arrays", "names of arrays")
    content = read_source(path, name, where)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            inside = archive.infolist()
        _check_bytes(sum(member.file_size for member in inside), name)
        for member in inside:
            _check_once(name, *(f"its array {other.filename}" for other in inside if other.filename == member.filename))
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            missing = [array for array in arrays if array not in file]
            found = {array: file[array] for array in arrays if array in file}
    except DAMAGED_ARRAY as error:
        fail("data.path", f"{name} with arrays", Said(f"one that cannot be read ({error})"), where)
    if missing:
        fail("data.path", f"{name} with all its arrays", Said(f"one without {', '.join(missing)}"), where)
    return found


def _check_names(names: Any, argument: str, expected: str) -> None:
    if not isinstance(names, (list, tuple)) or not names or not all(isinstance(name, str) and name for name in names):
        fail(argument, expected, names, kind=TypeError)


def _with(names: Sequence[str]) -> str:
    """What is expected, for a message: a data set may have forty files."""
    return f"a folder or archive with the file {names[0]}" + (f" and {len(names) - 1} more" if names[1:] else "")


def _folder(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    """A file may lie there packed and unpacked; two that differ are none."""
    found: dict[str, bytes] = {}
    places: dict[str, Path] = {}
    for file in sorted(path.rglob("*")):
        if bare(file.name) in names and not file.is_dir():
            _check_bytes(file.stat().st_size, file.name)
            name, content = unpacked(file.name, file.read_bytes())
            if found.setdefault(name, content) != content:
                _check_once(name, str(places[name].relative_to(path)), str(file.relative_to(path)))
            places[name] = file
    return found


def _archive(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    places: dict[str, str] = {}
    for inside, content in _members(path, names):
        name, content = unpacked(Path(inside).name, content)
        if name in found:
            _check_once(name, places[name], inside)
        found[name], places[name] = content, inside
    return found


def _check_once(name: str, *places: str) -> None:
    """One place for a name: of two files nobody knows which is meant."""
    if len(places) > 1:
        raise ValueError(f"{name} is there {len(places)} times: {', '.join(places)}")


def _check_bytes(size: int, name: str) -> None:
    if size > MOST:
        raise ValueError(f"{name} has {size:,} bytes, and more than {MOST:,} are not read")


def _members(path: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the wanted files in an archive."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for inside in archive.infolist():
                if bare(Path(inside.filename).name) in names and not inside.is_dir():
                    _check_bytes(inside.file_size, inside.filename)
                    yield inside.filename, archive.read(inside)
        return
    with tarfile.open(path) as tar:
        for member in tar:
            if bare(Path(member.name).name) not in names:
                continue
            try:
                stream = tar.extractfile(member)
            except (KeyError, RecursionError) as error:
                raise tarfile.TarError(f"{member.name} is a link to {member.linkname}, which is not in it") from error
            if stream is not None:
                content = stream.read(MOST + 1)
                _check_bytes(len(content), member.name)
                yield member.name, content
        while tar.fileobj is not None and tar.fileobj.read(1 << 20):
            pass  # to the end of the file, where its checksum stands


def bare(name: str) -> str:
    """A file's name as it is once the file is unpacked."""
    return name.removesuffix(".gz").removesuffix(".xz")


def unpacked(name: str, content: bytes) -> tuple[str, bytes]:
    """Name and content without .gz or .xz."""
    if bare(name) == name:
        return name, content
    if not content:
        raise EOFError(f"an empty {Path(name).suffix} file")
    packed = io.BytesIO(content)
    with gzip.GzipFile(fileobj=packed) if name.endswith(".gz") else lzma.LZMAFile(packed) as file:
        plain = file.read(MOST + 1)
    _check_bytes(len(plain), name)
    return bare(name), plain
