"""What holds for every format, whoever wrote the file.

Every name stands once. An array declares no more bytes than are stored for it, or, where it is packed, no more than
deflate could have packed into them; the same bounds all arrays together by the size of the file. Checksums are
compared where a format has them: zip's of every member (.npz, .keras, .pt), and HDF5's fletcher32 of numbers.
Safetensors, ONNX, plain HDF5 and torch's oldest format have none: a digit that changed on the disk is read as it is.
"""

from __future__ import annotations

import contextlib
import json
import math
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jaxrnn.base.errors import Said, fail
from jaxrnn.interop.source import Entry, check_once

DEFLATE_LIMIT = 1032  # deflate cannot do better, so a file that claims to is no honest one


def check_declared(declared: int, stored: int, name: str, *, packed: bool) -> None:
    """What an array, a member or a whole file asks for is no more than its bytes can hold."""
    if declared > stored * (DEFLATE_LIMIT if packed else 1):
        limit = f"{DEFLATE_LIMIT} times its {stored} packed bytes" if packed else f"the {stored} bytes that are stored"
        fail(name, f"at most {limit}", Said(f"{declared} bytes"))


def check_together(entries: Iterable[Entry], path: Path, beside: Iterable[Path] = ()) -> None:
    """All arrays of a file and those beside it, against their size: names may share what is stored, as tied weights
    do."""
    declared = sum(math.prod(e.shape) * e.dtype.itemsize for e in entries if e.dtype is not None)
    parts = path.rglob("*") if path.is_dir() else {path, *beside}
    check_declared(declared, sum(p.stat().st_size for p in parts if p.is_file()), path.name, packed=True)


@contextlib.contextmanager
def archive_of(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip archive whose members have names of their own and honest sizes; reading one to its end tells damage."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        check_once((m.filename for m in members), path.name, "file in it")
        for member in members:
            if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                fail(member.filename, "stored or deflated", Said("another way of packing"))
            check_declared(member.file_size, member.compress_size, member.filename, packed=True)
        check_declared(sum(m.file_size for m in members), path.stat().st_size, path.name, packed=True)
        yield archive


def json_of(text: Any, where: str) -> Any:
    """JSON whose objects have every key once."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        check_once((key for key, _ in pairs), where, "key of its JSON")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError, RecursionError) as error:
        return fail(where, "a file whose configuration is JSON", Said(f"{type(error).__name__}: {error}"))
