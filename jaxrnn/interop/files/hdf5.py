"""Keras's HDF5 files: weights of Keras 3 (`.weights.h5`), whole models of Keras 1 to 3 (`.h5`), and `.keras` archives.

From a configuration only plain JSON is read. Links to elsewhere, virtual data and objects are refused.
"""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxrnn.errors import Said, fail
from jaxrnn.interop.files.npz import DEFLATE_LIMIT, check_member
from jaxrnn.interop.keras_layers import RECURRENT, layer_of, variable
from jaxrnn.interop.source import Entry, Source, segments

CONFIG_LIMIT = 64 * 2**20


@contextlib.contextmanager
def reader(path: Path, prefix: str) -> Iterator[Source]:
    """The arrays of an HDF5 file, and the recurrent layer that a model's configuration describes."""
    import h5py

    with h5py.File(path, "r") as file:
        entries = tuple(_walk(h5py, file))
        text = file.attrs.get("model_config")
        if text is None:
            yield Source(tuple(e._replace(name=variable(e.name)) for e in entries))
            return
        version = str(file.attrs.get("keras_version", "2"))
        yield _recurrent(_json(text, path.name), entries, prefix, 3 if version.startswith("3") else 2)


@contextlib.contextmanager
def keras_reader(path: Path, prefix: str) -> Iterator[Source]:
    """A `.keras` archive: its weights, and the recurrent layer in its configuration."""
    import h5py

    with zipfile.ZipFile(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        for name in ("config.json", "model.weights.h5"):
            if name not in members:
                fail(path.name, f"a Keras archive with {name}", Said(f"one with {sorted(members)}"))
            check_member(members[name])
        if members["config.json"].file_size > CONFIG_LIMIT:
            fail("config.json", f"of at most {CONFIG_LIMIT} bytes", Said(f"{members['config.json'].file_size}"))
        config = _json(archive.read("config.json"), path.name)
        with archive.open("model.weights.h5") as packed:
            while packed.read(2**20):
                pass  # to its end, where the checksum is
        with archive.open("model.weights.h5") as packed, h5py.File(packed, "r") as file:
            yield _recurrent(config, tuple(_walk(h5py, file)), prefix, 3)


def _json(text: Any, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        return fail(name, "a Keras file, whose configuration is JSON", Said(f"{type(error).__name__}: {error}"))


# ---------------------------------------------------------------- arrays


def _walk(h5py: Any, group: Any, path: str = "", seen: frozenset[int] = frozenset()) -> Iterator[Entry]:
    address = h5py.h5o.get_info(group.id).addr
    if address in seen:
        fail(path, "a tree of groups", Said("a group within itself"))
    for name in group:
        at = f"{path}/{name}" if path else name
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            fail(at, "an array in the file itself", Said("a link to elsewhere"))
        value = group[name]
        if isinstance(value, h5py.Group):
            yield from _walk(h5py, value, at, seen | {address})
        elif isinstance(value, h5py.Dataset):
            yield _entry(value, at)
        else:
            fail(at, "an array", Said("a named type"), kind=TypeError)


def _entry(data: Any, name: str) -> Entry:
    dtype, shape = data.dtype, data.shape
    if shape is None or dtype.hasobject or dtype.kind not in "fiub":
        fail(name, "an array of numbers", Said(str(dtype)), kind=TypeError)
    if data.is_virtual or data.external:
        fail(name, "an array in the file itself", Said("numbers that are kept elsewhere"))
    stored, declared = data.id.get_storage_size(), data.size * dtype.itemsize
    if declared > stored * (DEFLATE_LIMIT if data.compression else 1):
        fail(name, f"at most as large as what is stored, {stored} bytes", Said(f"{dtype}{list(shape)}"))
    return Entry(name, shape, dtype, lambda: np.asarray(data[()]))


# ---------------------------------------------------------------- the recurrent layers of a model


def _recurrent(model: Any, entries: tuple[Entry, ...], prefix: str, keras: int) -> Source:
    """The entries of one recurrent layer of a model, named by place, and that layer."""
    source = Source(_without_optimizer(entries))
    layers = list(_layers(model))
    if not layers:
        fail("source", f"a model with a layer out of {sorted(RECURRENT)}", Said("none in its configuration"))
    wanted = segments(prefix)
    found = [layer for layer in layers if not wanted or wanted[-1] in (layer[0], layer[1])]
    if len(found) != 1:
        names = [layer[0] for layer in layers]
        fail("prefix", f"the name of one recurrent layer, out of {names}", prefix)
    name, snake, class_name, config = found[0]
    inside = [e for e in source.entries if {name, snake} & set(segments(e.name)[:3])]
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
