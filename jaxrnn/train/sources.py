"""Files of a data set where a user keeps them: in a folder, or in the archive as it was downloaded."""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path

from jaxrnn.errors import fail

DAMAGED = (OSError, EOFError, ValueError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError)


def read_source(path: str | Path, name: str, where: str) -> bytes:
    """The content of one file of a data set, unpacked.

    Args:
        path: A folder, or a zip or tar archive. Folders inside it are searched.
        name: The file's name, such as "ptb.train.txt"; a file of that name with .gz behind is unpacked.
        where: Where a user gets the data, for the error.

    Raises:
        ValueError: If there is no such file, or the archive is damaged; the message says where to get it.
    """
    path, names = Path(path).expanduser(), (name, f"{name}.gz")
    expected = f"a folder or archive with the file {name}"
    if not path.exists():
        fail("data.path", expected, f"{str(path)!r}, which does not exist", where)
    try:
        content = _find(path, names)
    except DAMAGED as error:
        fail("data.path", expected, f"{str(path)!r}, which cannot be read ({error})", where)
    if content is None:
        fail("data.path", expected, f"{str(path)!r}, which has none", where)
    return content


def _find(path: Path, names: tuple[str, str]) -> bytes | None:
    """The first file of one of the names."""
    if path.is_dir():
        found = sorted(file for n in names for file in path.rglob(n))
        return _unpacked(found[0].name, found[0].read_bytes()) if found else None
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.namelist() if Path(m).name in names]
            return _unpacked(members[0], archive.read(members[0])) if members else None
    with tarfile.open(path) as tar:
        for member in tar:
            stream = tar.extractfile(member) if Path(member.name).name in names else None
            if stream is not None:
                return _unpacked(member.name, stream.read())
    return None


def _unpacked(name: str, content: bytes) -> bytes:
    return gzip.decompress(content) if name.endswith(".gz") else content
