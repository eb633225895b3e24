"""Live objects of other libraries, recognised by the name of their class: nothing is imported to look at them."""

from __future__ import annotations

from typing import Any

from flax import nnx
from jax.nn import relu, tanh

from jaxrnn.cells.elman import elman
from jaxrnn.cells.gru import gru
from jaxrnn.cells.lstm import lstm
from jaxrnn.compose import bidirectional, reverse, stack
from jaxrnn.errors import Said, fail
from jaxrnn.interop import keras_layers
from jaxrnn.interop.source import Entry, Source, array_of, entry_of, from_mapping, segments
from jaxrnn.layer import Layer


def read(source: Any, prefix: str) -> Source | None:
    """The entries of a live module, and the layer that its settings tell; None for anything else."""
    if _is_a(source, "torch.nn", "Module"):
        return _torch(source, prefix)
    if _is_a(source, "keras", "Layer"):
        return keras_layers.read(source, prefix)
    if isinstance(source, nnx.Module):
        return _nnx(source, prefix)
    if _is_a(source, "equinox", "Module"):
        return _equinox(source)
    if _is_a(source, "onnx", "ModelProto"):
        from jaxrnn.interop.onnx_import import read_source

        return read_source(source, prefix)
    return None


def _is_a(source: Any, package: str, name: str) -> bool:
    return any(c.__name__ == name and f"{c.__module__}.".startswith(f"{package}") for c in type(source).__mro__)


# ---------------------------------------------------------------- torch


def _torch(module: Any, prefix: str) -> Source:
    recurrent = {name: m for name, m in module.named_modules() if type(m).__name__ in TORCH}
    wanted = ".".join(part for part in prefix.split(".") if part)
    if wanted not in recurrent:
        hint = f"Pass `prefix`, one of {', '.join(map(repr, recurrent))}." if recurrent else ""
        fail(
            "source",
            "an LSTM, GRU or RNN of torch, or a cell of one",
            Said(f"{type(module).__name__} at {prefix!r}"),
            hint,
        )
    found = recurrent[wanted]
    entries = tuple(entry_of(name, array_of(name, a)) for name, a in found.named_parameters())
    return Source(entries, _torch_layer(found), "torch")


TORCH: dict[str, Any] = {
    "LSTM": lambda m: lstm(m.hidden_size, use_bias=m.bias, projection=m.proj_size or None),
    "GRU": lambda m: gru(m.hidden_size, use_bias=m.bias),
    "RNN": lambda m: elman(m.hidden_size, use_bias=m.bias, activation=_nonlinearity(m)),
    "LSTMCell": lambda m: lstm(m.hidden_size, use_bias=m.bias),
    "GRUCell": lambda m: gru(m.hidden_size, use_bias=m.bias),
    "RNNCell": lambda m: elman(m.hidden_size, use_bias=m.bias, activation=_nonlinearity(m)),
}


def _nonlinearity(module: Any) -> Any:
    return {"tanh": tanh, "relu": relu}[module.nonlinearity]


def _torch_layer(module: Any) -> Layer:
    cell = TORCH[type(module).__name__](module)
    layer = bidirectional(cell) if getattr(module, "bidirectional", False) else cell
    layers = getattr(module, "num_layers", 1)
    return layer if layers == 1 else stack([layer] * layers, dropout=float(module.dropout))


# ---------------------------------------------------------------- Flax NNX, equinox


def _nnx(module: Any, prefix: str) -> Source:
    """The parameters of a module, and the functions that its cells apply."""
    for part in segments(prefix):
        module = module[int(part)] if part.isdigit() else getattr(module, part, None)
        if not isinstance(module, nnx.Module | nnx.List | nnx.Dict):
            fail("prefix", "a path of attributes of the module", prefix, f"There is no {part!r}.")
    layer = _nnx_layer(module)
    source = from_mapping(nnx.to_pure_dict(nnx.state(module, nnx.Param)))
    return source._replace(layer=layer, library=None if layer is None else "flax.nnx")


def _nnx_layer(module: Any) -> Layer | None:
    """The layer that Flax's own modules amount to; None for any other, whose names and shapes must tell."""
    if type(module) is nnx.Bidirectional:
        forward, backward = _nnx_layer(module.forward_rnn), _nnx_layer(module.backward_rnn)
        concat = module.merge_fn.__module__.startswith("flax.")
        merge = "concat" if concat else module.merge_fn
        return None if forward is None or backward is None else bidirectional(forward, backward, merge=merge)
    if type(module) is nnx.RNN:
        inner = _nnx_layer(module.cell)
        return reverse(inner) if module.reverse and inner is not None else inner
    if type(module) in (nnx.LSTMCell, nnx.OptimizedLSTMCell):
        functions = dict(gate_activation=module.gate_fn, activation=module.activation_fn)
        return lstm(module.hidden_features, output_activation=module.activation_fn, **functions)
    if type(module) is nnx.GRUCell:
        return gru(module.hidden_features, gate_activation=module.gate_fn, activation=module.activation_fn)
    if type(module) is nnx.SimpleCell:
        residual = "inside" if module.residual else False
        return elman(module.hidden_features, activation=module.activation_fn, residual=residual)
    return None


def _equinox(module: Any) -> Source:
    makers: dict[str, Any] = {"LSTMCell": lstm, "GRUCell": gru}
    if type(module).__name__ not in makers:
        fail("source", f"one of equinox's {', '.join(makers)}", Said(type(module).__name__))
    entries: list[Entry] = []
    for name in ("weight_ih", "weight_hh", "bias", "bias_n"):
        array = getattr(module, name, None)
        if array is not None:
            entries.append(entry_of(name, array))
    cell = makers[type(module).__name__](module.hidden_size, use_bias=module.use_bias)
    return Source(tuple(entries), cell, "equinox")
