"""Carries in the form in which they come: named tuples by name, plain tuples by position; and back into that form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Carry

OTHER_NAMES = {"hidden": "h", "cell": "c"}  # what haiku's LSTMState calls them


def in_order(carry: Any, fields: Sequence[str], argument: str, expected: str) -> Any:
    """The parts of a tuple in the order of `fields`: by name where it has names, which must be these, else as it is."""
    if not hasattr(carry, "_fields"):
        return carry
    names = [name if name in fields else OTHER_NAMES.get(name, name) for name in carry._fields]
    if sorted(names) != sorted(fields):
        hint = "A plain tuple goes by position, a named one by its names."
        fail(argument, expected, carry, hint, kind=TypeError)
    return [carry[names.index(name)] for name in fields]


def like(given: Any, carry: Carry, pack: Callable[[Any], Carry]) -> Any:
    """`carry` in the form of `given`, which `pack` turned into the form of `carry`."""
    leaves, form = jax.tree.flatten(given)
    if type(given) is type(carry) and not isinstance(given, tuple):
        return carry
    places = jax.tree.leaves(pack(jax.tree.unflatten(form, list(range(len(leaves))))))
    back = dict(zip(places, jax.tree.leaves(carry), strict=True))
    return jax.tree.unflatten(form, [back[i] for i in range(len(leaves))])


def plain(carry: Carry) -> Any:
    """`carry` without names, as Flax's cells have it: plain tuples, and a bare array where there is one state."""
    if not isinstance(carry, tuple):
        return carry
    parts = tuple(plain(part) for part in carry)
    return parts[0] if len(parts) == 1 and hasattr(carry, "_fields") else parts
