"""ONNX's tensors as arrays: those in the model, and those in files beside it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.interop.files.rules import check_declared
from jaxrnn.interop.source import Entry, check_once, refused


def dtype_of(tensor: Any) -> Any:
    """Its dtype, None where arrays have no such one."""
    from onnx import helper

    try:
        return np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
    except (KeyError, TypeError, ValueError):
        return None


def size_of(tensor: Any) -> int:
    """The bytes that a tensor declares."""
    dtype = dtype_of(tensor)
    return 0 if dtype is None else math.prod(tensor.dims) * int(dtype.itemsize)


def is_outside(tensor: Any) -> bool:
    """Whether a tensor's numbers are in another file."""
    return bool(tensor.data_location == 1 or tensor.external_data)


def array_of(tensor: Any, folder: Path | None) -> Any:
    """The numbers of a tensor, of the shape that it declares."""
    from onnx import numpy_helper

    if is_outside(tensor):
        return _outside(tensor, folder)
    if any(n < 0 for n in tensor.dims):
        fail(tensor.name, "of a shape", Said(f"{list(tensor.dims)}"))
    return numpy_helper.to_array(tensor)


def entry_of_tensor(tensor: Any, folder: Path | None) -> Entry:
    """A tensor as an entry, whose numbers are read when they are wanted."""
    dtype = dtype_of(tensor)
    if dtype is None or dtype.hasobject or any(n < 0 for n in tensor.dims):
        return refused(tensor.name, "an array of numbers", Said(f"ONNX's type {tensor.data_type}, {list(tensor.dims)}"))
    return Entry(tensor.name, tuple(tensor.dims), dtype, lambda: array_of(tensor, folder))


def _outside(tensor: Any, folder: Path | None) -> Any:
    """Numbers in a file of the model's own folder: as many bytes as the tensor declares, where it says they are."""
    if folder is None:
        hint = "Pass the model's path, or load it with its data."
        fail(tensor.name, "in the model itself", Said("kept in another file"), hint)
    check_once((pair.key for pair in tensor.external_data), tensor.name, "key")
    told = {pair.key: pair.value for pair in tensor.external_data}
    path = _within(told.get("location", ""), folder, tensor.name)
    dtype, size = dtype_of(tensor), size_of(tensor)
    if dtype is None or dtype.hasobject or any(n < 0 for n in tensor.dims):
        fail(tensor.name, "an array of numbers", Said(f"ONNX's type {tensor.data_type}, {list(tensor.dims)}"))
    offset, length = (
        _number(told.get(key, str(default)), tensor.name) for key, default in (("offset", 0), ("length", size))
    )
    if length != size or dtype.itemsize == 0:
        fail(tensor.name, f"of {size} bytes, as {dtype}{list(tensor.dims)} has", Said(f"{length} in {path.name}"))
    check_declared(offset + length, path.stat().st_size, tensor.name, packed=False)
    with path.open("rb") as file:
        file.seek(offset)
        return np.frombuffer(file.read(length), dtype.newbyteorder("<") if dtype.isbuiltin == 1 else dtype).reshape(
            tuple(tensor.dims)
        )


def files_beside(tensors: Iterable[Any], folder: Path | None) -> tuple[Path, ...]:
    """The files of a model's folder in which it keeps numbers."""
    told = {pair.value for t in tensors for pair in t.external_data if pair.key == "location"}
    found = set()
    for location in told:
        with contextlib.suppress(ValueError, OSError):
            if folder is not None:
                found.add(_within(location, folder, "a tensor"))
    return tuple(found)


def _within(location: str, folder: Path, name: str) -> Path:
    """A file in the model's folder, no link that leads out of it."""
    home = folder.resolve()
    path = (home / location).resolve()
    if not location or "\0" in location or not path.is_relative_to(home):
        fail(name, "in a file of the model's own folder", Said(repr(location[:100])))
    if not path.is_file():
        fail(name, f"in {location}, beside the model", Said("no such file"))
    return path


def _number(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        fail(name, "at an offset and of a length", Said(repr(text[:100])))
    return int(text)
