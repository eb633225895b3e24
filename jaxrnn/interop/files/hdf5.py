"""Keras's HDF5 files: weights of Keras 3 (`.weights.h5`), whole models of Keras 1 to 3 (`.h5`), and `.keras` archives.

From a configuration only plain JSON is read. Links to elsewhere, virtual data and objects are refused. HDF5 compares a
checksum where an array was written with fletcher32, which Keras does not do.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.interop import keras_file
from jaxrnn.interop.files.hdf5_heaps import check_file, check_heaps
from jaxrnn.interop.files.rules import archive_of, check_declared, json_of
from jaxrnn.interop.keras_defaults import KERAS_3, Version
from jaxrnn.interop.source import Entry, Source, check_once, refused

CONFIG_LIMIT = 64 * 2**20
MOST_VERSION = 40  # characters


@contextlib.contextmanager
def reader(path: Path) -> Iterator[Source]:
    """The arrays of an HDF5 file, and the recurrent layers that a model's configuration describes."""
    import h5py

    with h5py.File(path, "r") as file:
        check_file(path, _lengths(file))
        entries = tuple(_walk(h5py, file))
        text, version = file.attrs.get("model_config"), _version(file)
        if text is None:
            yield keras_file.weights(entries, version)
        else:
            yield keras_file.model(json_of(text, path.name), entries, version or Version("2"))


def _version(file: Any) -> Version | None:
    """The version of Keras that wrote a file, as it says at its top or, of a whole model, above the weights."""
    text = file.attrs.get("keras_version")
    if text is None and isinstance(file.get("model_weights", getclass=True), type):
        text = file["model_weights"].attrs.get("keras_version")
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return Version(text[:MOST_VERSION]) if isinstance(text, str) else None


@contextlib.contextmanager
def keras_reader(path: Path) -> Iterator[Source]:
    """A `.keras` archive: its weights, and the recurrent layers in its configuration."""
    import h5py

    with archive_of(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        for name in ("config.json", "model.weights.h5"):
            if name not in members:
                fail(path.name, f"a Keras archive with {name}", Said(f"one with {sorted(members)}"))
        for name in ("config.json", "metadata.json"):
            if name in members and members[name].file_size > CONFIG_LIMIT:
                fail(name, f"of at most {CONFIG_LIMIT} bytes", Said(f"{members[name].file_size}"))
        config = json_of(archive.read("config.json"), path.name)
        about = json_of(archive.read("metadata.json"), path.name) if "metadata.json" in members else {}
        weights = archive.read("model.weights.h5")
    with h5py.File(io.BytesIO(weights), "r") as file:
        check_heaps(weights, _lengths(file), path.name)
        text = about.get("keras_version") if isinstance(about, dict) else None
        version = Version(text[:MOST_VERSION]) if isinstance(text, str) else KERAS_3
        yield keras_file.model(config, tuple(_walk(h5py, file)), version)


def _lengths(file: Any) -> int:
    """How many bytes a size takes in this file."""
    return int(file.id.get_create_plist().get_sizes()[1])


# ---------------------------------------------------------------- arrays


def _walk(h5py: Any, group: Any, path: str = "", seen: frozenset[int] = frozenset()) -> Iterator[Entry]:
    address = h5py.h5o.get_info(group.id).addr
    if address in seen:
        fail(path, "a tree of groups", Said("a group within itself"))
    check_once(list(group), path or "the file", "name")
    for name in group:
        at = f"{path}/{name}" if path else name
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            yield refused(at, "an array in the file itself", Said("a link to elsewhere"))
            continue
        value = group[name]
        if isinstance(value, h5py.Group):
            yield from _walk(h5py, value, at, seen | {address})
        elif isinstance(value, h5py.Dataset):
            yield _entry(h5py, value, at)
        else:
            yield refused(at, "an array", Said("a named type"))


def _entry(h5py: Any, data: Any, name: str) -> Entry:
    dtype, shape = data.dtype, data.shape
    half = dtype.kind == "V" and dtype.itemsize == 2 and data.attrs.get("dtype") == "bfloat16"  # as Keras writes it
    if shape is None or dtype.hasobject or not (half or dtype.kind in "fiub"):
        return refused(name, "an array of numbers", Said(str(dtype)))
    if data.is_virtual or data.external:
        return refused(name, "an array in the file itself", Said("numbers that are kept elsewhere"))
    packed, stored = _packed(h5py, data, name), data.id.get_storage_size()
    check_declared(stored, data.file.id.get_filesize(), name, packed=False)
    chunks = data.chunks or shape
    cut = math.prod(-(-n // chunk) for n, chunk in zip(shape, chunks, strict=True))
    if data.chunks and data.id.get_num_chunks() != cut:  # HDF5 would fill the gaps with zeros
        fail(name, f"stored in {cut} chunks", Said(f"{data.id.get_num_chunks()}"))
    for part in (shape, chunks):  # HDF5 unpacks whole chunks
        check_declared(math.prod(part) * dtype.itemsize, stored, name, packed=packed)
    if half:
        return Entry(name, shape, jnp.dtype(jnp.bfloat16), lambda: np.asarray(data[()]).view(jnp.bfloat16))
    return Entry(name, shape, dtype, lambda: np.asarray(data[()]))


def _packed(h5py: Any, data: Any, name: str) -> bool:
    """Whether the numbers are packed: once, and by what HDF5 itself and h5py bring, beside what only arranges bytes."""
    created = data.id.get_create_plist()
    filters = [created.get_filter(i)[0] for i in range(created.get_nfilters())]
    packing = [f for f in filters if f not in (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32)]
    if len(packing) > 1 or not set(packing) <= {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_LZF}:
        fail(name, "packed by gzip or lzf, and once", Said(f"HDF5's filters {filters}"))
    return bool(packing)
