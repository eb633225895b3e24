"""Keras layers: live, or as a configuration in plain JSON. Keras is never imported, no class of a file ever made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jaxrnn.base.checks import check_size
from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.compose import Reverse, bidirectional, reverse, stack
from jaxrnn.core.layer import Layer
from jaxrnn.forms.convolution import convolution
from jaxrnn.functions.activations import get_activation
from jaxrnn.interop.express import make_cell
from jaxrnn.interop.source import Entry, Source, entry_of, segments
from jaxrnn.interop.subclasses import base_of, is_a

KINDS = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "elman"}
CONVOLUTIONS = {f"ConvLSTM{n}D": "lstm" for n in (1, 2, 3)} | {"ConvLSTMCell": "lstm"}
RECURRENT = {*KINDS, *CONVOLUTIONS, "RNN", "Bidirectional"} - {"ConvLSTMCell"}
LIVE = {*RECURRENT, *CONVOLUTIONS, "StackedRNNCells", *(f"{kind}Cell" for kind in KINDS)}
CONVOLUTION = (("strides", "strides", 1), ("dilation", "dilation_rate", 1), ("padding", "padding", "valid"))
ASKED = ("units", "filters", "kernel_size", *(k for _, k, _ in CONVOLUTION))  # of a live cell, where it has them
ASKED += ("use_bias", "activation", "recurrent_activation", "reset_after")
VARIABLES = ("kernel", "recurrent_kernel", "bias")  # vars/0, vars/1, vars/2 of a cell


def variable(name: str) -> str:
    """`cell/vars/0` as `cell/kernel`: Keras 3 numbers the variables of a layer in its weights files."""
    head, found, number = name.rpartition("vars/")
    return f"{head}{VARIABLES[int(number)]}" if found and number in ("0", "1", "2") else name


# ---------------------------------------------------------------- a configuration


def layer_of(class_name: str, config: Mapping[str, Any], keras: int = 3) -> Layer:
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


def _inner(config: Mapping[str, Any], name: str, keras: int) -> Layer:
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


def _cell(class_name: str, config: Mapping[str, Any], keras: int) -> Layer:
    kind = (KINDS | CONVOLUTIONS).get(class_name) or KINDS.get(class_name.removesuffix("Cell"))
    if kind is None:
        fail("class_name", f"one of {sorted(RECURRENT)} or their cells", class_name)
    size = "filters" if class_name in CONVOLUTIONS else "units"
    units = config.get(size)
    check_size(units, size)
    options: dict[str, Any] = {"use_bias": config.get("use_bias", True)}
    options["activation"] = _function(config.get("activation", "tanh"), "activation", keras)
    if kind != "elman":
        gates = config.get("recurrent_activation", "sigmoid")
        options["gate_activation"] = _function(gates, "recurrent_activation", keras)
    if kind == "lstm":
        options["output_activation"] = options["activation"]
    if class_name in CONVOLUTIONS:  # channels last, in whatever order Keras's inputs come
        window, more = config.get("kernel_size"), {o: config.get(k, d) for o, k, d in CONVOLUTION}
        options |= {"input": convolution(window, **more), "recurrent": convolution(window)}  # type: ignore[arg-type]
    if kind == "gru":
        options["reset_after"] = config.get("reset_after", True)
    return make_cell(kind, units, options)  # type: ignore[arg-type]


def _function(name: Any, argument: str, keras: int) -> Any:
    if isinstance(name, Mapping):  # a registered function, as Keras 3 writes it
        name = name.get("config")
    if callable(name) and name.__module__.startswith("keras."):
        name = name.__name__
    if name == "hard_sigmoid" and keras < 3:
        name = "keras2_hard_sigmoid"
    return get_activation(name, argument)


# ---------------------------------------------------------------- a live layer


RUNS = ("call", "__call__", "get_initial_state")
ADVICE = "Pass its weights by name, with `layer`."


def read(source: Any, prefix: str) -> Source:
    """The weights of a live layer, or of the layer of a model that `prefix` names."""
    above = segments(prefix)
    for depth, part in enumerate(above):
        inside = {layer.name: layer for layer in getattr(source, "layers", ())}
        if part not in inside:
            names = ["/".join((*above[:depth], name)) for name in inside]
            fail("prefix", f"a name out of {names}", prefix, nearest(prefix, names))
        source = inside[part]
    class_name = _class_of(source)
    if class_name is None:
        layers = getattr(source, "layers", ())
        names = ["/".join((*above, layer.name)) for layer in layers if any(is_a(layer, "keras", n) for n in RECURRENT)]
        hint = f"Pass `prefix`, one of {names}." if names else ""
        fail("source", f"one of Keras's {sorted(RECURRENT)}, or a cell", Said(type(source).__name__), hint)
    if not source.built:
        fail("source", "built, so that it has weights", Said(f"{class_name} before its first call"))
    layer = layer_of(class_name, _live_config(source))
    entries: list[Entry] = []
    for place, cell in _live_cells(source):
        for name in VARIABLES:
            variable = getattr(cell, name, None)
            if variable is not None:
                value = variable.value
                entries.append(entry_of(f"{place}{name}", value))
    return Source(tuple(entries), layer, "keras", above)


def _class_of(layer: Any) -> str | None:
    """Keras's class that a layer is made from."""
    return base_of(layer, "keras", LIVE, RUNS, ADVICE)


def _live_cells(layer: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(layer, "forward_layer"):
        for way in ("forward", "backward"):
            for place, cell in _live_cells(getattr(layer, f"{way}_layer")):
                yield f"{place}{way}/", cell
    else:
        cell = getattr(layer, "cell", layer)
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
