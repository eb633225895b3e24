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

import numpy as np

from jaxrnn.errors import Said, fail

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
DAMAGED_ARRAY = (*DAMAGED, TypeError, SyntaxError, tokenize.TokenError)  # NumPy reads an array's header as Python


def read_source(path: str | Path, name: str, where: str) -> bytes:
    """The content of one file of a data set; see `read_sources`."""
    return read_sources(path, [name], where)[name]


def read_sources(path: str | Path, names: Sequence[str], where: str) -> dict[str, bytes]:
    """The contents of files of a data set, unpacked, by name.

    Args:
        path: A folder, or a zip or tar archive. Folders inside it are searched. Or the file itself, where it's one.
        names: The files' names, such as "ptb.train.txt"; a file of such a name with .gz behind is unpacked.
        where: Where a user gets the data, for the error.

    Raises:
        ValueError: If one is missing, or the archive is damaged; the message says where to get it.
    """
    if not isinstance(path, (str, Path)):
        fail("path", "a path", path, kind=TypeError)
    if isinstance(names, str) or not all(isinstance(name, str) and name for name in names) or not names:
        fail("names", "names of files", names, kind=TypeError)
    if not str(path):
        fail("data.path", _with(names), Said("none"), where)
    path = Path(path).expanduser()
    if not path.exists():
        fail("data.path", _with(names), Said(f"{str(path)!r}, which does not exist"), where)
    try:
        if path.is_file() and [*names] == [path.name]:
            return {path.name: path.read_bytes()}
        found = dict(_folder(path, names) if path.is_dir() else _archive(path, names))
    except DAMAGED as error:
        fail("data.path", _with(names), Said(f"{str(path)!r}, which cannot be read ({error})"), where)
    missing = [name for name in names if name not in found]
    if missing:
        fail("data.path", _with(missing), Said(f"{str(path)!r}, which has no {missing[0]}"), where)
    return found


def read_arrays(path: str | Path, name: str, arrays: Sequence[str], where: str) -> dict[str, np.ndarray]:
    """The named arrays of an .npz file of a data set; see `read_sources`.

    Raises:
        ValueError: If the file or one of them is missing, or it is damaged; the message says where to get it.
    """
    content = read_source(path, name, where)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            missing = [array for array in arrays if array not in file]
            found = {array: file[array] for array in arrays if array in file}
    except DAMAGED_ARRAY as error:
        fail("data.path", f"{name} with arrays", Said(f"one that cannot be read ({error})"), where)
    if missing:
        fail("data.path", f"{name} with all its arrays", Said(f"one without {', '.join(missing)}"), where)
    return found


def _with(names: Sequence[str]) -> str:
    """What is expected, for a message: a data set may have forty files."""
    return f"a folder or archive with the file {names[0]}" + (f" and {len(names) - 1} more" if names[1:] else "")


def _folder(path: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for file in sorted(path.rglob("*")):
        if file.name.removesuffix(".gz") in names:
            yield _unpacked(file.name, file.read_bytes())


def _archive(path: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for inside in archive.namelist():
                if Path(inside).name.removesuffix(".gz") in names:
                    yield _unpacked(Path(inside).name, archive.read(inside))
        return
    with tarfile.open(path) as tar:
        for member in tar:
            stream = tar.extractfile(member)
            if stream is not None and Path(member.name).name.removesuffix(".gz") in names:
                yield _unpacked(Path(member.name).name, stream.read())
        while tar.fileobj is not None and tar.fileobj.read(1 << 20):
            pass  # to the end of the file, where its checksum stands


def _unpacked(name: str, content: bytes) -> tuple[str, bytes]:
    """Name and content without .gz."""
    if not name.endswith(".gz"):
        return name, content
    if not content:
        raise EOFError("an empty .gz file")
    return name.removesuffix(".gz"), gzip.decompress(content)
