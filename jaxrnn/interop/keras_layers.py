"""Keras layers: live, or as a configuration in plain JSON. Keras is never imported, no class of a file ever made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jaxrnn.base.checks import check_size
from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.compose import Reverse, bidirectional, reverse, stack
from jaxrnn.core.layer import Layer
from jaxrnn.forms.convolution import convolution
from jaxrnn.interop.express import make_cell
from jaxrnn.interop.keras_config import described
from jaxrnn.interop.keras_cudnn import usual
from jaxrnn.interop.keras_defaults import KERAS_3, Version
from jaxrnn.interop.keras_names import ASKED, CONVOLUTION, CONVOLUTIONS, CUDNN, KINDS, LIVE, RECURRENT, VARIABLES
from jaxrnn.interop.source import Entry, Source, array_entry, segments
from jaxrnn.interop.subclasses import base_of, is_a

# ---------------------------------------------------------------- a configuration


def layer_of(class_name: str, config: Mapping[str, Any], keras: Version = KERAS_3) -> Layer:
    """The layer that a Keras configuration describes; an option that jaxrnn lacks is refused by name."""
    if class_name == "Bidirectional":
        forward = _straight(_inner(config, "layer", keras))
        backward = _straight(_inner(config, "backward_layer", keras)) if config.get("backward_layer") else forward
        mode = config.get("merge_mode", "concat")
        if mode not in ("concat", "sum", "mul", "ave", None):
            fail("merge_mode", "concat, sum, mul, ave or null", mode)
        return bidirectional(forward, backward, merge=mode)
    if class_name == "RNN":
        layer = _inner(config, "cell", keras)
    elif class_name == "StackedRNNCells":
        return stack([layer_of(*_class(c, "cells"), keras) for c in _list(config.get("cells"), "cells")])
    else:
        layer = _cell(class_name, config, keras)
    return reverse(layer) if config.get("go_backwards", False) else layer


def _inner(config: Mapping[str, Any], name: str, keras: Version) -> Layer:
    return layer_of(*_class(config.get(name), name), keras)


def _straight(layer: Layer) -> Layer:
    """One direction of a Bidirectional, whose backward layer goes backwards by itself."""
    return layer.layer if isinstance(layer, Reverse) else layer


def _class(node: Any, argument: str) -> tuple[str, Mapping[str, Any]]:
    config = node.get("config") if isinstance(node, Mapping) else None
    if not isinstance(config, Mapping) or not isinstance(node.get("class_name"), str):
        fail(argument, "a Keras configuration with class_name and config", Said(type(node).__name__))
    return node["class_name"], config


def _list(value: Any, argument: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        fail(argument, "a list of configurations", Said(type(value).__name__))
    return value


def _cell(class_name: str, config: Mapping[str, Any], keras: Version) -> Layer:
    if class_name in CUDNN:
        check_size(config.get("units"), "units")
        return make_cell(CUDNN[class_name], config["units"], {})
    kind = (KINDS | CONVOLUTIONS).get(class_name) or KINDS.get(class_name.removesuffix("Cell"))
    if kind is None:
        fail("class_name", f"one of {sorted(RECURRENT)} or their cells", class_name)
    size = "filters" if class_name in CONVOLUTIONS else "units"
    units = config.get(size)
    check_size(units, size)
    options: dict[str, Any] = {"use_bias": config.get("use_bias", True)}
    options["activation"] = _function(config.get("activation", "tanh"), "activation", keras)
    if kind != "elman":
        known = "recurrent_activation" in config
        gates = config["recurrent_activation"] if known else keras.told("the gates' function", keras.gates)
        options["gate_activation"] = _function(gates, "recurrent_activation", keras)
    if kind == "lstm":
        options["output_activation"] = options["activation"]
    if class_name in CONVOLUTIONS:  # channels last, in whatever order Keras's inputs come
        window, more = config.get("kernel_size"), {o: config.get(k, d) for o, k, d in CONVOLUTION}
        options |= {"input": convolution(window, **more), "recurrent": convolution(window)}  # type: ignore[arg-type]
    if kind == "gru":
        options["reset_after"] = config.get("reset_after")
        if options["reset_after"] is None:
            options["reset_after"] = keras.told("reset_after", keras.reset_after)
    return make_cell(kind, units, options)  # type: ignore[arg-type]


def _function(name: Any, argument: str, keras: Version) -> Any:
    if isinstance(name, Mapping):  # a registered function, as Keras 3 writes it
        name = name.get("config")
    if callable(name) and name.__module__.startswith(("keras.", "tf_keras.")):
        name = name.__name__
    return keras.function(name, argument)


# ---------------------------------------------------------------- a live layer


RUNS = ("call", "__call__", "get_initial_state")
ADVICE = "Pass its weights by name, with `layer`."


PACKAGES = {"keras": KERAS_3, "tf_keras": Version("2.15")}  # the latter is Keras 2, whatever its number


def package_of(source: Any) -> str | None:
    """The package whose layer an object is: of Keras 3 on any backend, or of Keras 2."""
    return next((package for package in PACKAGES if is_a(source, package, "Layer")), None)


def read(source: Any, prefix: str) -> Source:
    """The weights of a live layer, or of the layer of a model that `prefix` names."""
    above, whole = segments(prefix), source
    for depth, part in enumerate(above):
        inside = {layer.name: layer for layer in _layers(source)}
        if part not in inside:
            names = ["/".join((*above[:depth], name)) for name in inside]
            fail("prefix", f"a name out of {names}", prefix, nearest(prefix, names))
        source = inside[part]
    class_name = _class_of(source)
    if class_name is None:
        names = ["/".join((*above, *path)) for path in _recurrent(source)]
        hint = f"Pass `prefix`, one of {names}." if names else ""
        fail("source", f"one of Keras's {sorted(RECURRENT)}, or a cell", Said(type(source).__name__), hint)
    if not source.built:
        fail("source", "built, so that it has weights", Said(f"{class_name} before its first call"))
    layer = layer_of(class_name, _live_config(source), PACKAGES[str(package_of(source))])
    entries: list[Entry] = []
    for place, cell in _live_cells(source):
        for name in VARIABLES:
            variable = getattr(cell, name, None)
            if variable is not None:
                value = variable if callable(variable.value) else variable.value  # of TensorFlow, of Keras 3
                entries.append(array_entry(f"{place}{name}", value))
    return Source(usual(entries), layer, "keras", above, name="/".join(above), follows=_follows(whole, above))


def _layers(model: Any) -> list[Any]:
    """The layers of a model, or the one in a wrapper."""
    inner = [model.layer] if is_a(model, str(package_of(model)), "TimeDistributed") else []
    return list(getattr(model, "layers", inner))


def _recurrent(model: Any, depth: int = 0) -> Iterator[tuple[str, ...]]:
    """Where a model has its recurrent layers."""
    for layer in _layers(model) if depth < DEEPEST else ():
        if any(is_a(layer, str(package_of(layer)), name) for name in RECURRENT):
            yield (layer.name,)
        else:
            yield from ((layer.name, *path) for path in _recurrent(layer, depth + 1))


DEEPEST = 20  # models within models


def _follows(model: Any, path: tuple[str, ...]) -> str | None:
    """What a layer follows, as its model's configuration tells; a subclass tells nothing."""
    try:
        layers = described({"config": model.get_config()}) if path else []
    except (NotImplementedError, ValueError, TypeError):
        return ""
    return next((one.follows for one in layers if one.path == path), "")


def _class_of(layer: Any) -> str | None:
    """Keras's class that a layer is made from."""
    package = package_of(layer)
    return None if package is None else base_of(layer, package, LIVE, RUNS, ADVICE)


def _live_cells(layer: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(layer, "forward_layer"):
        for way in ("forward", "backward"):
            for place, cell in _live_cells(getattr(layer, f"{way}_layer")):
                yield f"{place}{way}/", cell
    else:
        cell = layer if _class_of(layer) in CUDNN else getattr(layer, "cell", layer)
        for i, one in enumerate(getattr(cell, "cells", (cell,))):
            yield f"layer_{i}/", one


def _live_config(layer: Any) -> dict[str, Any]:
    """A live layer's configuration, with functions as they are."""

    def node(inner: Any) -> dict[str, Any]:
        return {"class_name": _class_of(inner) or type(inner).__name__, "config": _live_config(inner)}

    if hasattr(layer, "forward_layer"):
        both = {"layer": node(layer.forward_layer), "backward_layer": node(layer.backward_layer)}
        return {"merge_mode": layer.merge_mode, **both}
    config = {"go_backwards": getattr(layer, "go_backwards", False)}
    if _class_of(layer) == "RNN":
        return config | {"cell": node(layer.cell)}
    if hasattr(layer, "cells"):
        return config | {"cells": [node(cell) for cell in layer.cells]}
    cell = getattr(layer, "cell", layer)
    _class_of(cell)  # an override in the cell alone is one, too
    return config | {name: getattr(cell, name) for name in ASKED if hasattr(cell, name)}
