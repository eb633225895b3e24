"""Parameters of the `ScannedRNN` that agents' code copies, for `jaxrnn.linen.ScannedRNN`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxrnn.base.errors import fail
from jaxrnn.interop.load import load

NAMES = frozenset(("ir", "iz", "in", "hr", "hz", "hn"))  # the products of `flax.linen.GRUCell`


def scanned(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a model around scanned Flax GRUs, for the same model around `jaxrnn.linen.ScannedRNN`.

    Every `flax.linen.GRUCell` in the tree becomes a GRU of jaxrnn, in its place and under its name; the rest stays.

    Args:
        params: a tree of parameters of linen modules, with or without the collection's name `params` above it.

    Returns:
        The tree, as dicts.

    Raises:
        ValueError: there is no GRUCell in it, or one lacks an array or has one of another shape.

    >>> import jax, jax.numpy as jnp, jaxrnn
    >>> from flax import linen as nn
    >>> h, x = jnp.zeros((2, 5), jnp.float32), jnp.ones((2, 3), jnp.float32)
    >>> theirs = {"GRUCell_0": nn.GRUCell(5).init(jax.random.key(0), h, x)["params"]}
    >>> sorted(jaxrnn.interop.scanned(theirs)["GRUCell_0"])
    ['bias', 'kernel', 'recurrent_bias', 'recurrent_kernel']
    """
    if not isinstance(params, Mapping):
        fail("params", "a tree of parameters, dicts of arrays", params, kind=TypeError)
    tree, count = _converted(params)
    if not count:
        fail("params", "a tree with a flax.linen.GRUCell in it (ir, iz, in, hr, hz, hn)", params)
    return tree


def _converted(tree: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The tree, and how many GRUs were in it."""
    if tree.keys() >= NAMES:
        return dict(load(tree, "flax.linen").params), 1
    pairs = {name: _converted(inner) if isinstance(inner, Mapping) else (inner, 0) for name, inner in tree.items()}
    return {name: inner for name, (inner, _) in pairs.items()}, sum(n for _, n in pairs.values())
