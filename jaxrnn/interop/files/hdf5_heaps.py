"""A check of HDF5's heaps of texts before HDF5 reads one: over a damaged heap, HDF5 1.14 may run without end."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from jaxrnn.base.errors import Said, fail

HEAP = b"GCOL\x01\x00\x00\x00"  # the signature and version of a global heap, wherever in a file it is
OBJECT = struct.Struct("<HHIQ")  # index, references, reserved, size; index 0 is the rest of the heap


def check_file(path: Path, lengths: int) -> None:
    """Every heap of a file, whose sizes take so many bytes."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        check_heaps(content, lengths, path.name)


def check_heaps(content: bytes | mmap.mmap, lengths: int, name: str) -> None:
    """The objects of every heap fill it, one after the other. (Sizes of other than eight bytes are not h5py's.)"""
    at = content.find(HEAP) if lengths == 8 else -1
    while at >= 0:
        end = at + int.from_bytes(content[at + 8 : at + 16], "little")
        if not _filled(content, at + 16, end):
            fail(name, "an HDF5 file whose heaps are whole", Said(f"another one at byte {at}"))
        at = content.find(HEAP, at + 1)


def _filled(content: bytes | mmap.mmap, at: int, end: int) -> bool:
    while at + OBJECT.size <= end <= len(content):
        index, _, _, size = OBJECT.unpack(content[at : at + OBJECT.size])
        if index == 0:
            return bool(at + size == end)
        at += OBJECT.size + (size + 7) // 8 * 8
    return at <= end <= len(content)
