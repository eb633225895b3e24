"""Live objects of other libraries, recognised by their classes' names: nothing is imported to look at them.

A subclass is read as the class it is made from, unless it overrides what runs: then it is another layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
from flax import nnx

from jaxrnn.base.errors import Said, fail
from jaxrnn.cells.elman import elman
from jaxrnn.cells.gru import gru
from jaxrnn.cells.lstm import lstm
from jaxrnn.compose import bidirectional, reverse
from jaxrnn.core.layer import Layer
from jaxrnn.interop import keras_layers, onnx_graph, torch_modules, xlstm_modules
from jaxrnn.interop.express import make_cell, options_of
from jaxrnn.interop.places import cells_of
from jaxrnn.interop.source import Entry, Source, entry_of, from_mapping, segments
from jaxrnn.interop.subclasses import base_of, is_a


def read(source: Any, prefix: str) -> Source | None:
    """The entries of a live module, and the layer that its settings tell; None for anything else."""
    if keras_layers.package_of(source) is not None:
        return keras_layers.read(source, prefix)
    if is_a(source, "torch.nn", "Module"):
        return xlstm_modules.read(source, prefix) or torch_modules.read(source, prefix)
    if isinstance(source, nnx.Module):
        return _nnx(source, prefix)
    if is_a(source, "equinox", "Module"):
        return _equinox(source, prefix)
    if is_a(source, "onnx", "ModelProto"):
        return onnx_graph.read_source(source)
    return None


def _walk(module: Any, prefix: str, inside: Callable[[], Iterable[str]]) -> Any:
    """What is at a path of attributes, keys and numbers."""
    for part in segments(prefix):
        try:
            if isinstance(module, Mapping):
                module = module[part]
            elif part.isdigit():
                module = module[int(part)]
            else:
                module = vars(module)[part]
        except (KeyError, IndexError, TypeError):
            hint = f"There is no {part!r}. {_advice(inside())}"
            fail("prefix", "a path of attributes of the module", prefix, hint.strip())
    return module


def _advice(places: Iterable[str]) -> str:
    found = [place for place in places if place]
    return f"Pass `prefix`, one of {', '.join(map(repr, found[:12]))}." if found else ""


# ---------------------------------------------------------------- Flax NNX, and jaxrnn's own modules

NNX_CELLS = ("LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell")
NNX_RUNS = ("__call__", "initialize_carry")
NNX_ADVICE = "Pass its parameters, nnx.to_pure_dict(nnx.state(module, nnx.Param)), with `layer`."


def _nnx(module: Any, prefix: str) -> Source:
    """The parameters of a module, and the functions that its cells apply."""
    found = _walk(module, prefix, lambda: _nnx_layers(module))
    if not isinstance(found, nnx.Module):
        fail("prefix", "the place of a module", prefix, _advice(_nnx_layers(module)))
    inside = _nnx_layers(found)
    layer, library = next(iter(inside.values())) if len(inside) == 1 else (None, None)
    if len(inside) > 1 and not all(_is_plain(one) for one, _ in inside.values()):
        what = "several modules with functions of their own"
        fail("prefix", "the place of one recurrent module, or several", Said(what), _advice(inside))
    source = from_mapping(nnx.to_pure_dict(nnx.state(found, nnx.Param)))
    return source._replace(layer=layer, library=library, at=segments(prefix))


def _nnx_layers(module: Any) -> dict[str, tuple[Layer, str]]:
    """The recurrent modules by place, the outermost ones, with what they amount to."""
    found: dict[tuple[str, ...], tuple[Layer, str]] = {}
    for path, inner in sorted(nnx.iter_modules(module), key=lambda pair: len(pair[0])):
        place = tuple(map(str, path))
        if not any(place[: len(above)] == above for above in found):
            layer, library = _nnx_layer(inner)
            if layer is not None:
                found[place] = layer, library
    return {"/".join(place): what for place, what in found.items()}


def _is_plain(layer: Layer) -> bool:
    """No functions but those that names and shapes are read with."""
    cells = cells_of(layer).values()
    return all(make_cell(c.name, c.size, _without_functions(options_of(c))) == c for c in cells)


def _without_functions(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if not name.endswith("activation")}


def _nnx_layer(module: Any) -> tuple[Layer | None, str]:
    """The layer that a recurrent module amounts to, and whose names its parameters have; None for any other module,
    whose names and shapes must tell."""
    if any(c.__module__.startswith("jaxrnn.") for c in type(module).__mro__):
        return _ours(module)
    name = base_of(module, "flax.nnx", ("Bidirectional", "RNN", *NNX_CELLS), NNX_RUNS, NNX_ADVICE)
    return (None if name is None else _flax_layer(name, module)), "flax.nnx"


def _ours(module: Any) -> tuple[Layer | None, str]:
    """One of jaxrnn's own modules: those named after Keras have Keras's weights."""
    kinds = [c for c in type(module).__mro__ if c.__module__.startswith("jaxrnn.")]
    base_of(module, "jaxrnn", [kinds[0].__name__], NNX_RUNS, NNX_ADVICE)
    layer, library = getattr(module, "functional", None), "keras" if hasattr(module, "row") else "jaxrnn"
    if layer is None and isinstance(getattr(module, "cell", None), nnx.Module):
        layer, library = _nnx_layer(module.cell)
    backward = getattr(module, "reverse", False) or getattr(module, "go_backwards", False)
    return (reverse(layer) if backward and layer is not None else layer), library


def _flax_layer(name: str, module: Any) -> Layer | None:
    """Flax's own modules by the class that they are made from."""
    if name == "Bidirectional":
        (forward, _), (backward, _) = _nnx_layer(module.forward_rnn), _nnx_layer(module.backward_rnn)
        concat = module.merge_fn.__module__.startswith("flax.")
        merge = "concat" if concat else module.merge_fn
        return None if forward is None or backward is None else bidirectional(forward, backward, merge=merge)
    if name == "RNN":
        inner, _ = _nnx_layer(module.cell)
        return reverse(inner) if module.reverse and inner is not None else inner
    if name in ("LSTMCell", "OptimizedLSTMCell"):
        functions = dict(gate_activation=module.gate_fn, activation=module.activation_fn)
        return lstm(module.hidden_features, output_activation=module.activation_fn, **functions)
    if name == "GRUCell":
        return gru(module.hidden_features, gate_activation=module.gate_fn, activation=module.activation_fn)
    residual = "inside" if module.residual else False
    return elman(module.hidden_features, activation=module.activation_fn, residual=residual)


# ---------------------------------------------------------------- equinox

EQUINOX: dict[str, Any] = {"LSTMCell": lstm, "GRUCell": gru}


def _equinox(module: Any, prefix: str) -> Source:
    """The weights of the cell at a path of attributes, keys and numbers."""

    def is_cell(inner: Any) -> bool:
        return any(is_a(inner, "equinox", name) for name in EQUINOX)

    def places() -> list[str]:
        leaves = jax.tree.leaves_with_path(module, is_leaf=is_cell)
        return [jax.tree_util.keystr(path, simple=True, separator="/") for path, leaf in leaves if is_cell(leaf)]

    found = _walk(module, prefix, places)
    name = base_of(found, "equinox", EQUINOX, ("__call__",), "Pass its arrays by name, with `layer`.")
    if name is None:
        what = f"{type(found).__name__} at {prefix!r}"
        fail("source", f"one of equinox's {', '.join(EQUINOX)}", Said(what), _advice(places()))
    entries: list[Entry] = []
    for array_name in ("weight_ih", "weight_hh", "bias", "bias_n"):
        array = getattr(found, array_name, None)
        if array is not None:
            entries.append(entry_of(array_name, array))
    cell = EQUINOX[name](found.hidden_size, use_bias=found.use_bias)
    return Source(tuple(entries), cell, "equinox", segments(prefix))
