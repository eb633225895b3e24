"""NumPy's .npz: a zip of .npy members. Their headers are read first, and what they declare bounds what is unpacked."""

from __future__ import annotations

import contextlib
import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxrnn.errors import Said, fail
from jaxrnn.interop.source import Entry, Source

DEFLATE_LIMIT = 1032  # deflate cannot do better, so a member that claims to is no honest file


@contextlib.contextmanager
def reader(path: Path, prefix: str) -> Iterator[Source]:
    """The entries of a file, each member's header read."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len({m.filename for m in members}) < len(members):
            fail(path.name, "a .npz file with every name once", Said("a name that stands twice"))
        yield Source(tuple(_entry(archive, member) for member in members))


def check_member(member: zipfile.ZipInfo) -> None:
    """A member's declared size is one that its compressed bytes can hold."""
    if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        fail(member.filename, "stored or deflated", Said("another way of packing"))
    if member.file_size > member.compress_size * DEFLATE_LIMIT:
        fail(member.filename, f"at most {DEFLATE_LIMIT} times its packed size", Said(f"{member.file_size} bytes"))


def _entry(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Entry:
    check_member(member)
    name = member.filename.removesuffix(".npy")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            fail(name, "an array in NumPy's format 1 or 2", Said(f"format {version}"))
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(file, max_header_size=10_000)
        offset = file.tell()
    if dtype.hasobject:
        fail(name, "an array of numbers", Said("Python objects, which would run code when unpickled"), kind=TypeError)
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


def write(path: Path, arrays: Mapping[str, Any]) -> None:
    """Named arrays."""
    np.savez(path, **{name: np.asarray(a) for name, a in arrays.items()})  # type: ignore[arg-type]
