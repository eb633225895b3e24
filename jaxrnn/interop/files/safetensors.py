"""The safetensors format, by its own library: it checks names, shapes and sizes against the file when it opens one.

The format has no checksum: a digit that changed on the disk is read as it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrnn.interop.files.rules import json_of
from jaxrnn.interop.source import Entry, Source, refused

# The format's codes, which tell a dtype before an array is read. NumPy can hold no others.
DTYPES: dict[str, Any] = {
    "F64": np.dtype("f8"),
    "F32": np.dtype("f4"),
    "F16": np.dtype("f2"),
    "BF16": jnp.dtype(jnp.bfloat16),
    "I64": np.dtype("i8"),
    "I32": np.dtype("i4"),
    "I16": np.dtype("i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("u8"),
    "U32": np.dtype("u4"),
    "U16": np.dtype("u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


@contextlib.contextmanager
def reader(path: Path) -> Iterator[Source]:
    """The entries of a file."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        with path.open("rb") as raw:  # the library, which has checked the length, lets the last of two names win
            json_of(raw.read(int.from_bytes(raw.read(8), "little")), path.name)
        yield Source(tuple(_entry(file, name) for name in file.keys()))  # noqa: SIM118, it is no mapping


def _entry(file: Any, name: str) -> Entry:
    header = file.get_slice(name)
    code = header.get_dtype()
    if code not in DTYPES:
        return refused(name, f"of a dtype out of {tuple(DTYPES)}", code)
    return Entry(name, tuple(header.get_shape()), DTYPES[code], partial(file.get_tensor, name))


def arrays_of(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The arrays of a file, all of which NumPy has, and what is said beside them."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118, no mapping


def content(arrays: Mapping[str, Any], about: dict[str, str] | None = None) -> bytes:
    """The file of named arrays, and what is said beside them."""
    from safetensors.numpy import save

    # The library stores the bytes as they lie in memory: those of a transposed view would be in the wrong order.
    # (`ascontiguousarray` would give a number an axis.)
    return save({name: np.asarray(array, order="C") for name, array in arrays.items()}, about)
