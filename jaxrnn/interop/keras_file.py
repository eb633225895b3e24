"""Keras's weights in a file, and a model's recurrent layers as its configuration describes them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from jaxrnn.base.errors import Said, fail
from jaxrnn.interop.keras_config import Described, described, snake_case
from jaxrnn.interop.keras_cudnn import usual
from jaxrnn.interop.keras_defaults import KERAS_3, Version
from jaxrnn.interop.keras_layers import layer_of
from jaxrnn.interop.keras_names import VARIABLES
from jaxrnn.interop.source import Entry, Part, Source, segments

CELL = re.compile(r"cells?|\w*_cell(_\d+)?|cell_\d+")  # what a cell is called in paths
OPTIMIZER = (("optimizer",), ("optimizer_weights",))
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")  # of a model's layers in weights files, the latter of Keras 2
WEIGHTS = "model_weights"  # of whole models before .keras, below whose layers' own names they are


def variable(name: str) -> str:
    """`cell/vars/0` as `cell/kernel`: Keras 3 numbers the variables of a layer, of which those of cells are ours."""
    parts = segments(name)
    if len(parts) > 2 and parts[-2] == "vars" and parts[-1] in ("0", "1", "2") and CELL.fullmatch(parts[-3]):
        return "/".join((*parts[:-2], VARIABLES[int(parts[-1])]))
    return name


def weights(entries: Sequence[Entry], version: Version | None) -> Source:
    """The variables of a file that holds no configuration."""
    named = tuple(e._replace(name=variable(e.name)) for e in entries if segments(e.name)[:1] not in OPTIMIZER)
    numbered = any("vars" in segments(e.name) for e in entries)
    texts = any(e.name.endswith(":0") for e in entries)
    version = KERAS_3 if version is None and (numbered or not texts) else version
    writer = f"Keras {version.text}" if version is not None and version != KERAS_3 else ""
    return Source(usual(named), defaults=(version or Version("")).defaults, writer=writer)


def model(config: Any, entries: Sequence[Entry], version: Version) -> Source:
    """The recurrent layers of a model; the names of a subclass's weights are all that there is of it."""
    source = weights(entries, version)
    layers = described(config)
    if not layers:
        if isinstance(config, Mapping) and not isinstance(config.get("config"), Mapping | list):
            fail("source", "a Keras model's configuration", Said(f"{type(config.get('config')).__name__}"))
        return source
    parts = [_part(source.entries, layer, version) for layer in layers]
    return source._replace(parts=(Part("", partial(_only, source.entries, parts)), *parts))


def _only(entries: Sequence[Entry], parts: Sequence[Part]) -> Source:
    """The one layer of a model that has nothing else."""
    names = [part.name for part in parts]
    if len(parts) != 1:
        fail("prefix", f"the name of one recurrent layer, out of {names}", "")
    found = parts[0].read()
    if len(found.entries) < len(entries):
        fail("prefix", "given for a model with other weights", Said("''"), f"Pass prefix={names[0]!r}.")
    return found


def _part(entries: Sequence[Entry], layer: Described, version: Version) -> Part:
    """Names by class and number are Keras 3's alone, and not those of a whole model in HDF5."""
    legacy = any(segments(e.name)[0] == WEIGHTS for e in entries)
    name = "/".join(layer.path)
    also = {f"{WEIGHTS}/{name}"} if legacy else {"/".join(layer.classes), f"layers/{'/layers/'.join(layer.classes)}"}
    if layer.path[:-1]:
        also |= {layer.path[-1]}  # by itself, where no other layer is called so
    return Part(name, partial(_read, entries, layer, version, legacy), tuple(also - {name}), layer.follows)


def _read(entries: Sequence[Entry], layer: Described, version: Version, legacy: bool) -> Source:
    inside = [e for e in entries if _is_under(segments(e.name), layer, legacy)]
    if not inside:
        fail("/".join(layer.path), "a layer with weights in the file", Said("none"))
    found = layer_of(layer.class_name, layer.config, version)
    return Source(tuple(_placed(inside, layer.class_name, layer.config)), found, "keras", layer.path)


def _is_under(parts: tuple[str, ...], layer: Described, legacy: bool) -> bool:
    """In whole models the outermost layer's name comes first, and what is in it may stand anywhere below; in weights
    files each layer has a name by class and number, below one of `CONTAINERS`."""
    if legacy:
        return parts[1:2] == layer.groups[:1] and _is_in_order(layer.groups[1:], parts[2:])
    walked = [part for part in parts if part not in CONTAINERS]
    return tuple(walked[: len(layer.classes)]) == layer.classes


def _is_in_order(wanted: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    rest = iter(parts)
    return all(name in rest for name in wanted)


def _placed(entries: list[Entry], class_name: str, config: Mapping[str, Any]) -> Iterator[Entry]:
    """The arrays of a layer by the names that our rows have: the direction, the number of the cell, the variable."""
    cells = _cell_names(config)
    for entry in entries:
        parts = segments(entry.name)
        way = ""
        if class_name == "Bidirectional":
            way = next((f"{w}/" for w in ("forward", "backward") for p in parts if p.startswith(f"{w}_")), "")
        number = next((i for p in reversed(parts[:-1]) for i, names in enumerate(cells) if p in names), 0)
        yield entry._replace(name=f"layer_{number}/{way}{parts[-1]}")


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
        snake = snake_case(node["class_name"])
        number = used[snake]
        used[snake] += 1
        own = node.get("config")
        called = {str(own.get("name"))} if isinstance(own, Mapping) else set()
        names.append(called | {f"{snake}_{number}" if number else snake})
    return names
