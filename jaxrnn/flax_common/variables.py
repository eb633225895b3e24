"""What a module's variables carry beside their values: axis names and other metadata, by parameter."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jaxrnn.base.errors import Said, fail, nearest

Sharding = Mapping[str, tuple[str | None, ...]]  # axis names by parameter name
Metadata = Mapping[str, Any]
NONE: Metadata = MappingProxyType({})

NAMES_OF_AXES = ("out_sharding", "sharding", "sharding_names")  # metadata with one entry an axis


def check_sharding(declared: Mapping[str, Any], sharding: Sharding | None) -> Sharding:
    """Axis names for parameters that exist, one name or None an axis."""
    if sharding is None:
        return {}
    if not isinstance(sharding, Mapping):
        fail("sharding", "a dict from parameter name to axis names", sharding, kind=TypeError)
    axes = _axes_by_name(declared)
    for name, names in sharding.items():
        if name not in axes:
            fail("sharding", f"keyed by parameters out of {sorted(axes)}", name, nearest(name, axes))
        if not isinstance(names, tuple) or len(names) != axes[name]:
            fail(f"sharding[{name!r}]", f"a tuple of {axes[name]} axis names, each a string or None", names)
    return sharding


def metadata_of(
    declared: Mapping[str, Any], sharding: Sharding | None, given: Mapping[str, Metadata]
) -> dict[str, dict[str, Any]]:
    """Metadata by parameter: axis names as `sharding` has them, and what Flax's `kernel_metadata` and its like give.

    Those name the axes of Flax's kernels, which have none for gates: it gets None, before the last axis.
    """
    named = {name: {"out_sharding": names} for name, names in check_sharding(declared, sharding).items()}
    axes = _axes_by_name(declared)
    for name, metadata in given.items():
        argument = f"{'bias' if name == 'recurrent_bias' else name}_metadata"
        if not isinstance(metadata, Mapping) or not all(isinstance(key, str) for key in metadata):
            fail(argument, "a dict of metadata by name", metadata, kind=TypeError)
        if metadata and name in named:
            fail(argument, f"empty where `sharding` has {name!r}", Said("both"))
        if metadata and name in axes:
            named[name] = {
                key: _with_gates(argument, value, axes[name]) if key in NAMES_OF_AXES else value
                for key, value in metadata.items()
            }
    return named


def _with_gates(argument: str, names: Any, axes: int) -> Any:
    if names is None:
        return None
    if isinstance(names, tuple | list) and len(names) == axes - 1:
        return (*names[:-1], None, names[-1])
    if not isinstance(names, tuple | list) or len(names) != axes:
        fail(argument, f"one with a name, or None, for each of {axes - 1} axes, or of {axes} with that of gates", names)
    return tuple(names)


def _axes_by_name(declared: Mapping[str, Any]) -> dict[str, int]:
    axes: dict[str, int] = {}
    for name, inner in declared.items():
        axes |= _axes_by_name(inner) if isinstance(inner, dict) else {name: len(inner.shape)}
    return axes
