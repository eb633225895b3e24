"""torch's modules: plain, subclassed, with normed or pruned weights, and compiled by TorchScript."""

from __future__ import annotations

from typing import Any

from jax.nn import relu, tanh

from jaxrnn.base.errors import Said, fail
from jaxrnn.cells.elman import elman
from jaxrnn.cells.gru import gru
from jaxrnn.cells.lstm import lstm
from jaxrnn.compose.bidirectional import bidirectional
from jaxrnn.compose.stack import stack
from jaxrnn.core.layer import Layer
from jaxrnn.interop.source import Source, array_entry, segments
from jaxrnn.interop.subclasses import base_of, is_a
from jaxrnn.interop.xlstm_modules import KINDS as XLSTM

KINDS: dict[str, Any] = {
    "LSTM": lambda m: lstm(m.hidden_size, use_bias=m.bias, projection=m.proj_size or None),
    "GRU": lambda m: gru(m.hidden_size, use_bias=m.bias),
    "RNN": lambda m: elman(m.hidden_size, use_bias=m.bias, activation=_nonlinearity(m)),
    "LSTMCell": lambda m: lstm(m.hidden_size, use_bias=m.bias),
    "GRUCell": lambda m: gru(m.hidden_size, use_bias=m.bias),
    "RNNCell": lambda m: elman(m.hidden_size, use_bias=m.bias, activation=_nonlinearity(m)),
}
ADVICE = "Pass its state_dict() with `layer`, the jaxrnn layer whose equations run."


def read(module: Any, prefix: str) -> Source:
    """The weights of a recurrent module, and the layer that its settings tell."""
    inside = {tuple(segments(name)): m for name, m in module.named_modules(remove_duplicate=False)}
    wanted = segments(prefix)
    kind = None if wanted not in inside else _kind_of(inside[wanted])
    if kind is None:
        recurrent = [".".join(path) for path, m in inside.items() if _is_recurrent(m) and path]
        hint = f"Pass `prefix`, one of {', '.join(map(repr, recurrent))}." if recurrent else ""
        what = f"{type(module).__name__} at {prefix!r}"
        fail("source", "an LSTM, GRU or RNN of torch, or a cell of one", Said(what), hint)
    found = inside[wanted]
    entries = tuple(array_entry(name, a) for name, a in _weights(found).items())
    return Source(entries, _layer(kind, found), "torch", wanted)


def _is_recurrent(module: Any) -> bool:
    theirs = any(is_a(module, "torch.nn", kind) for kind in KINDS) or any(is_a(module, "xlstm", kind) for kind in XLSTM)
    return theirs or _scripted(module) is not None


def _kind_of(module: Any) -> str | None:
    return _scripted(module) or base_of(module, "torch.nn", KINDS, ("forward", "__call__"), ADVICE)


def _scripted(module: Any) -> str | None:
    """What a module of TorchScript was made from: torch's own class, which its qualified name tells."""
    if not is_a(module, "torch.jit", "ScriptModule"):
        return None
    whole = module._c._type().qualified_name()
    return module.original_name if whole.startswith("__torch__.torch.nn.") and module.original_name in KINDS else None


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


# ---------------------------------------------------------------- weights that are computed from parameters


def _weights(module: Any) -> dict[str, Any]:
    """Tensors by the names of a plain module; those that torch computes before each call are computed here."""
    tensors = dict(module.named_parameters(remove_duplicate=False))
    for hook in getattr(module, "_forward_pre_hooks", {}).values():
        computed = _by_hook(hook, module)
        if computed is not None:
            name, tensor = computed
            for suffix in ("_g", "_v", "_orig"):
                tensors.pop(name + suffix, None)
            tensors[name] = tensor
    parametrised = getattr(module, "parametrizations", {})
    for name in parametrised:
        inner = parametrised[name]
        was = inner.training
        inner.eval()  # a spectral norm moves its vectors where it trains
        tensors = {n: t for n, t in tensors.items() if not n.startswith(f"parametrizations.{name}.")}
        tensors[name] = getattr(module, name).detach()
        inner.train(was)
    return tensors


def _by_hook(hook: Any, module: Any) -> tuple[str, Any] | None:
    """The weight of torch's older `weight_norm`, `spectral_norm` and `prune`."""
    if is_a(hook, "torch.nn.utils", "WeightNorm"):
        return hook.name, hook.compute_weight(module).detach()
    if is_a(hook, "torch.nn.utils", "SpectralNorm"):
        return hook.name, hook.compute_weight(module, do_power_iteration=False).detach()
    if is_a(hook, "torch.nn.utils", "BasePruningMethod"):
        return hook._tensor_name, hook.apply_mask(module).detach()
    return None
