"""The recurrent layers in a Keras model's configuration, nested ones too, and which takes whose outputs. Plain JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from jaxrnn.base.errors import Said, fail
from jaxrnn.interop.keras_names import RECURRENT

# Layers that hand on what they get, where a model is used.
PASSING = ("Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization")
WRAPPERS = ("TimeDistributed",)
BESIDE = ("mask", "training")  # arguments of a call that are no inputs


class Described(NamedTuple):
    """One recurrent layer: its path by names, those of them that a whole model's file in HDF5 is sure to have, the path
    in a weights file of Keras 3, its class and configuration."""

    path: tuple[str, ...]
    groups: tuple[str, ...]
    classes: tuple[str, ...]
    class_name: str
    config: Mapping[str, Any]
    follows: str | None = None  # the path, of a layer within the same model


class Node(NamedTuple):
    """A layer of a model: its names, its configuration, and what a functional model calls it with."""

    name: str
    snake: str
    class_name: str
    config: Any
    calls: Any


def described(model: Any) -> list[Described]:
    """The recurrent layers of a model; none where its configuration is a subclass's own."""
    config = model.get("config") if isinstance(model, Mapping) else None
    return [] if _nodes(config) is None else list(_inside(config, (), (), ()))


def _nodes(config: Any) -> list[Any] | None:
    """The layers in a model's configuration; Keras 2.0's Sequential is a list of them."""
    nodes = config.get("layers") if isinstance(config, Mapping) else config
    return nodes if isinstance(nodes, list) else None


Names = tuple[str, ...]


def _inside(config: Any, path: Names, groups: Names, classes: Names) -> Iterator[Described]:
    nodes = list(_named(_nodes(config)))
    for node in nodes:
        yield from _at(node, nodes, (*path, node.name), (*groups, node.name), (*classes, node.snake))


def _at(node: Node, nodes: list[Node], path: Names, groups: Names, classes: Names) -> Iterator[Described]:
    """What one layer of a model is or has in it."""
    if node.class_name in RECURRENT and isinstance(node.config, Mapping):
        above = _followed(node, nodes)
        follows = None if above is None else "/".join((*path[:-1], above))
        yield Described(path, groups, classes, node.class_name, node.config, follows)
    elif node.class_name in WRAPPERS and isinstance(node.config, Mapping):
        for inner in _named([node.config.get("layer")]):
            yield from _at(inner, [inner], (*path, inner.name), groups, (*classes, "layer"))
    elif _nodes(node.config) is not None and node.class_name != "StackedRNNCells":
        yield from _inside(node.config, path, groups, classes)


def _named(nodes: Any) -> Iterator[Node]:
    used: Counter[str] = Counter()
    for node in nodes:
        class_name = node.get("class_name") if isinstance(node, Mapping) else None
        config = node.get("config") if isinstance(node, Mapping) else None
        if not isinstance(class_name, str) or not isinstance(config, Mapping | list):
            expected = "a Keras model's configuration, whose layers have class_name and config"
            fail("source", expected, Said(repr(node)[:100]))
        snake = snake_case(class_name)
        number = used[snake]
        used[snake] += 1
        numbered = f"{snake}_{number}" if number else snake
        own = config.get("name") if isinstance(config, Mapping) else None
        yield Node(str(own or node.get("name") or numbered), numbered, class_name, config, node.get("inbound_nodes"))


def snake_case(name: str) -> str:
    """Keras's spelling of a class in paths: SimpleRNN is simple_rnn."""
    out = ""
    for i, c in enumerate(name):
        after_lower = i and name[i - 1].islower()
        before_lower = i and name[i - 1].isupper() and i + 1 < len(name) and name[i + 1].islower()
        out += f"_{c}" if c.isupper() and (after_lower or before_lower) else c
    return out.lower()


# ---------------------------------------------------------------- which layer takes whose outputs


def _followed(node: Node, nodes: list[Node]) -> str | None:
    """The recurrent layer whose outputs, all of them and in the order of time, a layer takes as they are."""
    by_name = {one.name: one for one in nodes}
    seen = {node.name}
    while True:
        name = _input(node, nodes)
        if name is None or name in seen or name not in by_name:
            return None
        seen.add(name)
        node = by_name[name]
        if node.class_name in RECURRENT:
            return name if _whole(node.class_name, node.config) else None
        if node.class_name not in PASSING:
            return None


def _input(node: Node, nodes: list[Node]) -> str | None:
    """The layer whose first output is a layer's only input: the one before in a Sequential, else as its call says."""
    if not any(one.calls for one in nodes):
        at = nodes.index(node)
        return nodes[at - 1].name if at else None
    calls = node.calls if isinstance(node.calls, list | tuple) else []
    found = list(_tensors(calls[0])) if len(calls) == 1 else []
    return found[0][0] if len(found) == 1 and found[0][1:] == (0, 0) else None


def _tensors(call: Any) -> Iterator[tuple[str, int, int]]:
    """What one call takes: of Keras 3 by its history, of Keras 2 as [name, call, output, arguments]."""
    if isinstance(call, Mapping):
        history = call.get("keras_history")
        if isinstance(history, list | tuple) and len(history) == 3:
            yield tuple(history)
            return
        for name, value in call.items():
            if name not in BESIDE:
                yield from _tensors(value)
    elif isinstance(call, list | tuple) and len(call) in (3, 4) and isinstance(call[0], str):
        yield tuple(call[:3])
        if len(call) == 4:
            yield from _tensors(call[3])
    elif isinstance(call, list | tuple):
        for value in call:
            yield from _tensors(value)


def _whole(class_name: str, config: Any) -> bool:
    """Whether a layer puts out every step in the order of time."""
    if not isinstance(config, Mapping):
        return False
    if class_name == "Bidirectional":
        inner = config.get("layer")
        inner = inner.get("config") if isinstance(inner, Mapping) else None
        return config.get("merge_mode", "concat") is not None and isinstance(inner, Mapping) and _sequences(inner)
    return _sequences(config) and not config.get("go_backwards", False)


def _sequences(config: Mapping[str, Any]) -> bool:
    return config.get("return_sequences") is True
