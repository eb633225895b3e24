"""Where arrays lie for a GPU: units of a head and rows come last, both filled up with zeros."""

from __future__ import annotations

import jax.numpy as jnp

from jaxrnn.base.typing import Array
from jaxrnn.kernels.pallas.tiles import Lies

UNITS = 64  # of a warpgroup


def filled(count: int, by: int) -> int:
    """The next multiple."""
    return -(-count // by) * by


def turn(a: Array, heads: int, rows: int) -> Array:
    """`[..., N, heads * H]` as `[..., heads, H', N']`."""
    *lead, N, width = a.shape
    apart = jnp.moveaxis(a.reshape(*lead, N, heads, width // heads), -3, -1)
    return _fill(apart, filled(width // heads, UNITS), filled(N, rows))


def turn_back(a: Array, like: Lies) -> Array:
    """The inverse, of an array that lies so."""
    *_, N, width = like.shape
    heads = a.shape[-3]
    return jnp.moveaxis(a[..., : width // heads, :N], -1, -3).reshape(like.shape)


def shape(like: Lies, heads: int, rows: int) -> tuple[int, ...]:
    """Of an array that is turned."""
    *lead, N, width = like.shape
    return (*lead, heads, filled(width // heads, UNITS), filled(N, rows))


def by_head(kernel: Array) -> Array:
    """`[heads, G, R, H]` as `[heads * G * H', R']`: a gate's matrix of a head lies in rows of its own."""
    heads, gates, _, units = kernel.shape
    whole = _fill(kernel.swapaxes(-2, -1), *[filled(units, UNITS)] * 2)
    return whole.reshape(heads * gates * whole.shape[-2], whole.shape[-1])


def marks(a: Array, rows: int) -> Array:
    """`[T, N, 1]` as `[T, N']`."""
    return jnp.pad(a[..., 0], ((0, 0), (0, filled(a.shape[1], rows) - a.shape[1])))


def _fill(a: Array, *sizes: int) -> Array:
    """The last axes filled up to these sizes."""
    more = [size - n for size, n in zip(sizes, a.shape[-len(sizes) :], strict=True)]
    return jnp.pad(a, [(0, 0)] * (a.ndim - len(sizes)) + [(0, n) for n in more]) if any(more) else a
