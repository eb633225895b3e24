"""NumPy's .npz: a zip of .npy members. Their headers are read first, and what they declare bounds what is unpacked.
Each member's checksum is compared when it is read."""

from __future__ import annotations

import contextlib
import io
import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.interop.files.rules import archive_of
from jaxrnn.interop.source import Entry, Source, check_once, refused


@contextlib.contextmanager
def reader(path: Path) -> Iterator[Source]:
    """The entries of a file, each member's header read."""
    with archive_of(path) as archive:
        entries = tuple(_entry(archive, member) for member in archive.infolist())
        check_once((e.name for e in entries), path.name, "name")
        yield Source(entries)


def _entry(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Entry:
    name = member.filename.removesuffix(".npy")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            fail(name, "an array in NumPy's format 1 or 2", Said(f"format {version}"))
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(file, max_header_size=10_000)
        offset = file.tell()
    if dtype.hasobject:
        return refused(name, "an array of numbers", Said("Python objects, which would run code when unpickled"))
    if dtype.kind == "V":
        hint = "NumPy stores bfloat16 so, and nothing tells it from other bytes."
        return refused(name, "an array of numbers", Said(f"{dtype}, opaque bytes"), hint)
    if math.prod(shape) * dtype.itemsize != member.file_size - offset:
        fail(name, f"{member.file_size - offset} bytes of numbers", Said(f"{dtype}{list(shape)} in its header"))

    def read() -> Any:
        out = np.empty(math.prod(shape) * dtype.itemsize, np.uint8)
        with archive.open(member) as file:
            file.seek(offset)
            view, at = memoryview(out), 0  # type: ignore[arg-type]
            while at < len(out) and (count := file.readinto(view[at:])):  # type: ignore[attr-defined]
                at += count
            if at < len(out) or file.read(1):
                fail(name, f"{len(out)} bytes of numbers", Said(f"{at}"))
        return out.view(dtype).reshape(shape, order="F" if fortran else "C")

    return Entry(name, shape, dtype, read)


def content(arrays: Mapping[str, Any]) -> bytes:
    """The file of named arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.asarray(a) for name, a in arrays.items()})  # type: ignore[arg-type]
    return buffer.getvalue()
