"""Where the products of a scheduled step come from: multiplied now, noted, given, or replayed with tangents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.base.typing import Array
from jaxrnn.core.step import Products, product
from jaxrnn.engine.linear import is_symbolic

Gates = tuple[int, ...] | None  # of one call of `recur`; None for all


def split_gates(value: Array) -> tuple[Array, ...]:
    """`[..., G, H]` as G arrays `[..., H]`: XLA vectorises a loop that reads these, not one that reads slices."""
    axis = value.ndim - 2
    return tuple(lax.squeeze(a, (axis,)) for a in lax.split(value, (1,) * value.shape[axis], axis=axis))


@dataclass
class Separate(Products):
    """One product for all gates, then an array for each."""

    def multiply(self, h: Array, kernel: str, index: Gates) -> Any:
        value = super().multiply(h, kernel, index)
        return split_gates(value) if self.kernels[kernel].ndim == 3 else value


@dataclass
class Recorder(Products):
    """Notes what `source` is asked to multiply, and its answers."""

    source: Products
    calls: list[tuple[str, Gates]] = field(default_factory=list)
    inputs: list[Array] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def multiply(self, h: Array, kernel: str, index: Gates) -> Any:
        h = h.astype(self.kernels[kernel].dtype)
        value = self.source.multiply(h, kernel, index)
        self.calls.append((kernel, index))
        self.inputs.append(h)
        self.values.append(value)
        return value


@dataclass
class Given(Products):
    """Answers with results that are known."""

    values: list[Any]
    position: int = 0

    def multiply(self, h: Array, kernel: str, index: Gates) -> Any:
        self.position += 1
        return self.values[self.position - 1]


@dataclass
class Replay(Given):
    """Known results, with tangents: the state's tangent times the kernel, plus the part known before."""

    turned: list[Array] = field(default_factory=list)  # the kernels of the calls
    terms: list[Any] = field(default_factory=list)  # a dict by gate, or one array, or None

    def multiply(self, h: Array, kernel: str, index: Gates) -> Any:
        w, term = self.turned[self.position], self.terms[self.position]
        return _known(h.astype(w.dtype), term, w, super().multiply(h, kernel, index))


def turn(kernel: Array) -> Array:
    """The kernel with the axis of inputs last. JAX transposes a product with it to products that take and give it as it
    lies; a gradient added up block by block is not turned each time."""
    return jnp.moveaxis(kernel, 0, -1)


def multiply_turned(h: Array, turned: Array) -> Array:
    """`h` times a turned kernel, `[..., G, H]` or `[..., H]`."""
    return lax.dot_general(h, turned, (((h.ndim - 1,), (turned.ndim - 1,)), ((), ())))


@jax.custom_jvp
def multiply_both(x: Array, kernel: Array, turned: Array) -> Array:
    """`x` times a kernel that is there both ways. Its gradient is that of `turned`."""
    return product(x, kernel)


def _both_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    x, kernel, _ = primals
    dx, _, dturned = tangents
    z = product(x, kernel)
    if is_symbolic(dx):
        return z, multiply_turned(x, dturned)
    dz = product(dx, kernel)
    return z, dz if is_symbolic(dturned) else dz + multiply_turned(x, dturned)


multiply_both.defjvp(_both_jvp, symbolic_zeros=True)


@jax.custom_jvp
def _known(h: Array, term: Any, turned: Array, value: Any) -> Any:
    return value


@_known.defjvp
def _known_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    _, _, turned, value = primals
    dh, terms, _, _ = tangents
    moved = multiply_turned(dh, turned)
    if not isinstance(value, tuple):
        return value, moved if terms is None else moved + terms
    gates = enumerate(split_gates(moved))
    return value, tuple(m + terms[i] if terms and i in terms else m for i, m in gates)
