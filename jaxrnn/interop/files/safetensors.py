"""The safetensors format: the length of a header, the header in JSON, and the arrays, one after the other."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from jaxrnn.errors import fail
from jaxrnn.interop.source import Entry, Source

DTYPES: dict[str, Any] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
HEADER_LIMIT = 100_000_000  # as in the reference implementation


@contextlib.contextmanager
def reader(path: Path, prefix: str) -> Iterator[Source]:
    """The entries of a file whose header agrees with its size."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, HEADER_LIMIT):
            fail(path.name, "a safetensors file", f"a header of {length} bytes in a file of {size}")
        header = _header(path, file.read(length))
        start = 8 + length
        entries, end = [], 0
        for name, (dtype, shape, begin, stop) in sorted(header.items(), key=lambda item: item[1][2:]):
            if begin != end or stop - begin != math.prod(shape) * dtype.itemsize:
                expected = f"{math.prod(shape) * dtype.itemsize} bytes from {end} on, by its shape {list(shape)}"
                fail(name, expected, f"bytes {begin} to {stop}")
            end = stop
            entries.append(Entry(name, shape, dtype, _read(path, start + begin, shape, dtype)))
        if start + end != size:
            fail(path.name, f"of {start + end} bytes, as its header says", f"{size} bytes")
        yield Source(tuple(entries))


def _header(path: Path, text: bytes) -> dict[str, tuple[Any, tuple[int, ...], int, int]]:
    try:
        parsed = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        fail(path.name, "a safetensors file, whose header is JSON", f"{type(error).__name__}: {error}")
    if not isinstance(parsed, Mapping):
        fail(path.name, "a safetensors file, whose header is a table of arrays", type(parsed).__name__)
    header = {}
    for name, value in parsed.items():
        if name == "__metadata__":
            continue
        row = value if isinstance(value, Mapping) else {}
        shape: Any = row.get("shape")
        offsets: Any = row.get("data_offsets")
        dtype = row.get("dtype")
        if not (_counts(shape) and _counts(offsets) and len(offsets) == 2 and isinstance(dtype, str)):
            fail(name, "a row of dtype, shape and data_offsets", repr(value)[:200])
        if dtype not in DTYPES:
            fail(name, f"of a dtype out of {tuple(DTYPES)}", repr(dtype), kind=TypeError)
        header[name] = (DTYPES[dtype], tuple(shape), *offsets)
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        raise ValueError("a name stands twice")
    return names


def _counts(value: Any) -> bool:
    whole = isinstance(value, list) and all(type(n) is int and 0 <= n < 2**48 for n in value)
    return whole and len(value) <= 32


def _read(path: Path, start: int, shape: tuple[int, ...], dtype: Any) -> Any:
    def read() -> Any:
        return np.fromfile(path, dtype, math.prod(shape), offset=start).reshape(shape)

    return read


def write(path: Path, arrays: Mapping[str, Any]) -> None:
    """Named arrays, in the order of their names; aligned as the reference implementation has it."""
    codes = {dtype: code for code, dtype in DTYPES.items()}
    header, end = {}, 0
    values = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    for name, value in values.items():
        code = codes.get(value.dtype)
        if code is None:
            fail(name, f"of a dtype out of {tuple(DTYPES)}", value, kind=TypeError)
        header[name] = {"dtype": code, "shape": list(value.shape), "data_offsets": [end, end + value.nbytes]}
        end += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for value in values.values():
            file.write(value.tobytes())
