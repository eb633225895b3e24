"""Weights of torch's modules, those too that are computed from parameters before each call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxrnn.interop.source import Entry, array_entry
from jaxrnn.interop.subclasses import is_a


def entries_of(tensors: Mapping[str, Any]) -> tuple[Entry, ...]:
    """Tensors as entries to be read."""
    return tuple(array_entry(name, a) for name, a in tensors.items())


def weights_of(module: Any) -> dict[str, Any]:
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
