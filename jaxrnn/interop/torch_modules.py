"""torch's modules: plain, subclassed, with normed or pruned weights, and compiled by TorchScript."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jax.nn import relu, tanh

from jaxrnn.base.errors import Said, fail
from jaxrnn.cells.elman import elman
from jaxrnn.cells.gru import gru
from jaxrnn.cells.lstm import lstm
from jaxrnn.compose.bidirectional import bidirectional
from jaxrnn.compose.stack import stack
from jaxrnn.core.layer import Layer
from jaxrnn.interop import modules_of_cells
from jaxrnn.interop.source import Source, segments
from jaxrnn.interop.subclasses import base_of, is_a, scripted
from jaxrnn.interop.torch_weights import entries_of, weights_of

KINDS: dict[str, Any] = {
    "LSTM": lambda m: lstm(m.hidden_size, use_bias=m.bias, projection=m.proj_size or None),
    "GRU": lambda m: gru(m.hidden_size, use_bias=m.bias),
    "RNN": lambda m: elman(m.hidden_size, use_bias=m.bias, activation=_nonlinearity(m)),
    "LSTMCell": lambda m: lstm(m.hidden_size, use_bias=m.bias),
    "GRUCell": lambda m: gru(m.hidden_size, use_bias=m.bias),
    "RNNCell": lambda m: elman(m.hidden_size, use_bias=m.bias, activation=_nonlinearity(m)),
}
ADVICE = "Pass its state_dict() with `layer`, the jaxrnn layer whose equations run."


Reader = Callable[[Any], Source]


def read(module: Any, prefix: str) -> Source:
    """The weights of a recurrent module, and the layer that its settings tell."""
    inside = {tuple(segments(name)): m for name, m in module.named_modules(remove_duplicate=False)}
    wanted = segments(prefix)
    reader = None if wanted not in inside else _reader_of(inside[wanted])
    if reader is None:
        recurrent = [".".join(path) for path, m in inside.items() if path and _is_recurrent(m)]
        hint = f"Pass `prefix`, one of {', '.join(map(repr, recurrent))}." if recurrent else ""
        what = f"{type(module).__name__} at {prefix!r}"
        fail("source", "an LSTM, GRU or RNN of torch, or a cell of torch, torchrecurrent or ncps", Said(what), hint)
    return reader(inside[wanted])._replace(at=wanted)


def _is_recurrent(module: Any) -> bool:
    ours = (
        ("torch.nn", KINDS),
        *((library, modules_of_cells.kinds(library)) for library in modules_of_cells.LIBRARIES),
    )
    return (
        any(is_a(module, package, kind) for package, kinds in ours for kind in kinds) or _scripted(module) is not None
    )


def _reader_of(module: Any) -> Reader | None:
    """What reads a module: of torch's own, or of a library of cells that stands on it."""
    kind = _scripted(module) or base_of(module, "torch.nn", KINDS, ("forward", "__call__"), ADVICE)
    if kind is None:
        return modules_of_cells.reader_of(module)
    return lambda found: Source(entries_of(weights_of(found)), _layer(kind, found), "torch")


def _scripted(module: Any) -> str | None:
    """What a module of TorchScript was made from, if it is torch's own class."""
    return scripted(module, "torch.nn", KINDS)


def _layer(kind: str, module: Any) -> Layer | None:
    """The layer, or None for a traced module, which keeps no settings: its names and shapes tell."""
    if not hasattr(module, "hidden_size"):
        if kind.startswith("RNN"):
            fail("source", "a module that tells its nonlinearity", Said(f"a traced {kind}, which does not"), ADVICE)
        return None
    cell = KINDS[kind](module)
    layer = bidirectional(cell) if getattr(module, "bidirectional", False) else cell
    layers = getattr(module, "num_layers", 1)
    if layers == 1:
        return layer
    rate = float(module.dropout)
    return stack([layer] * layers, dropout=rate if rate < 1 else 0.0)  # 1 drops all, which is nothing to train with


def _nonlinearity(module: Any) -> Any:
    return {"tanh": tanh, "relu": relu}[module.nonlinearity]
