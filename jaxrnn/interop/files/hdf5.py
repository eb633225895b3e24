"""Keras's HDF5 files: weights of Keras 3 (`.weights.h5`), whole models of Keras 1 to 3 (`.h5`), and `.keras` archives.

From a configuration only plain JSON is read. Links to elsewhere, virtual data and objects are refused. HDF5 compares a
checksum where an array was written with fletcher32, which Keras does not do.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.interop.files.hdf5_heaps import check_file, check_heaps
from jaxrnn.interop.files.rules import archive_of, check_declared, json_of
from jaxrnn.interop.keras_layers import RECURRENT, layer_of, variable
from jaxrnn.interop.source import Entry, Source, check_once, refused, segments

CONFIG_LIMIT = 64 * 2**20


@contextlib.contextmanager
def reader(path: Path, prefix: str) -> Iterator[Source]:
    """The arrays of an HDF5 file, and the recurrent layer that a model's configuration describes."""
    import h5py

    with h5py.File(path, "r") as file:
        check_file(path, _lengths(file))
        entries = tuple(_walk(h5py, file))
        text = file.attrs.get("model_config")
        if text is None:
            yield Source(tuple(e._replace(name=variable(e.name)) for e in entries))
            return
        version = str(file.attrs.get("keras_version", "2"))
        yield _recurrent(json_of(text, path.name), entries, prefix, 3 if version.startswith("3") else 2)


@contextlib.contextmanager
def keras_reader(path: Path, prefix: str) -> Iterator[Source]:
    """A `.keras` archive: its weights, and the recurrent layer in its configuration."""
    import h5py

    with archive_of(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        for name in ("config.json", "model.weights.h5"):
            if name not in members:
                fail(path.name, f"a Keras archive with {name}", Said(f"one with {sorted(members)}"))
        if members["config.json"].file_size > CONFIG_LIMIT:
            fail("config.json", f"of at most {CONFIG_LIMIT} bytes", Said(f"{members['config.json'].file_size}"))
        config = json_of(archive.read("config.json"), path.name)
        weights = archive.read("model.weights.h5")
    with h5py.File(io.BytesIO(weights), "r") as file:
        check_heaps(weights, _lengths(file), path.name)
        yield _recurrent(config, tuple(_walk(h5py, file)), prefix, 3)


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


# ---------------------------------------------------------------- the recurrent layers of a model


def _recurrent(model: Any, entries: tuple[Entry, ...], prefix: str, keras: int) -> Source:
    """The entries of one recurrent layer of a model, named by place, and that layer."""
    source = Source(_without_optimizer(entries))
    layers = list(_layers(model))
    if not layers:
        fail("source", f"a model with a layer out of {sorted(RECURRENT)}", Said("none in its configuration"))
    wanted = segments(prefix)
    # A layer's own name, and that in a weights file, may each be the other one of another layer.
    ways = (1, 0) if wanted[:-1] else (0, 1)
    named = [[layer for layer in layers if layer[way] == wanted[-1]] for way in ways] if wanted else [layers]
    found = next((some for some in named if some), [])
    if len(found) != 1:
        names = [layer[0] for layer in layers]
        fail("prefix", f"the name of one recurrent layer, out of {names}", prefix)
    name, snake, class_name, config = found[0]
    legacy = any(segments(e.name)[0] == "model_weights" for e in source.entries)  # by layers' own names
    inside = [e for e in source.entries if (name if legacy else snake) in segments(e.name)[:3]]
    if not wanted and len(inside) < len(source.entries):
        fail("prefix", "given for a model with other weights", Said("''"), f"Pass prefix={name!r}.")
    if not inside:
        fail(name, "a layer with weights in the file", Said("none"))
    layer = layer_of(class_name, config, keras)
    return Source(tuple(_placed(inside, class_name, config)), layer, "keras")


def _without_optimizer(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    return tuple(e for e in entries if segments(e.name)[0] not in ("optimizer", "optimizer_weights"))


def _layers(model: Any) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """Name, name in a weights file, class and configuration of the recurrent layers of a model."""
    config = model.get("config") if isinstance(model, Mapping) else None
    nodes = config.get("layers") if isinstance(config, Mapping) else config
    if not isinstance(nodes, list):
        fail("source", "a Keras model's configuration, with layers", Said(type(nodes).__name__))
    used: Counter[str] = Counter()
    for node in nodes:
        class_name = node.get("class_name") if isinstance(node, Mapping) else None
        inner = node.get("config") if isinstance(node, Mapping) else None
        if not isinstance(class_name, str) or not isinstance(inner, Mapping):
            fail(
                "source",
                "a Keras model's configuration, whose layers have class_name and config",
                Said(repr(node)[:100]),
            )
        snake = _snake(class_name)
        number = used[snake]
        used[snake] += 1
        if class_name in RECURRENT:
            yield str(inner.get("name")), f"{snake}_{number}" if number else snake, class_name, inner


def _snake(name: str) -> str:
    """Keras's spelling of a class in paths: SimpleRNN is simple_rnn."""
    out = ""
    for i, c in enumerate(name):
        after_lower = i and name[i - 1].islower()
        before_lower = i and name[i - 1].isupper() and i + 1 < len(name) and name[i + 1].islower()
        out += f"_{c}" if c.isupper() and (after_lower or before_lower) else c
    return out.lower()


def _placed(entries: list[Entry], class_name: str, config: Mapping[str, Any]) -> Iterator[Entry]:
    """The arrays of a layer by the names that our rows have: the direction, the number of the cell, the variable."""
    cells = _cell_names(config)
    for entry in entries:
        parts = segments(entry.name)
        way = ""
        if class_name == "Bidirectional":
            way = next((f"{w}/" for w in ("forward", "backward") for p in parts if p.startswith(f"{w}_")), "")
        number = next((i for p in reversed(parts[:-1]) for i, names in enumerate(cells) if p in names), 0)
        yield entry._replace(name=f"layer_{number}/{way}{segments(variable(entry.name))[-1]}")


def _cell_names(config: Mapping[str, Any]) -> list[set[str]]:
    """How each cell of a stack is called in paths: by its own name, or by its class and number."""
    cell = config.get("cell")
    inner = cell.get("config") if isinstance(cell, Mapping) else None
    nodes = inner.get("cells") if isinstance(inner, Mapping) else None
    used: Counter[str] = Counter()
    names = []
    for node in nodes if isinstance(nodes, list) else ():
        if not isinstance(node, Mapping) or not isinstance(node.get("class_name"), str):
            fail("cells", "a list of configurations", Said(repr(node)[:100]))
        snake = _snake(node["class_name"])
        number = used[snake]
        used[snake] += 1
        own = node.get("config")
        called = {str(own.get("name"))} if isinstance(own, Mapping) else set()
        names.append(called | {f"{snake}_{number}" if number else snake})
    return names
