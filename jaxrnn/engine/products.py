"""Where the products of a scheduled step come from: multiplied now, noted, given, or replayed with tangents."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.base.typing import Array
from jaxrnn.core.step import Products
from jaxrnn.engine.linear import instantiate, is_symbolic
from jaxrnn.forms.kernel import Kernel

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
        return value if self.kernels[kernel].columns is None else split_gates(value)


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

    turned: list[Kernel] = field(default_factory=list)  # the kernels of the calls
    terms: list[Any] = field(default_factory=list)  # a dict by gate, or one array, or None

    def multiply(self, h: Array, kernel: str, index: Gates) -> Any:
        w, term = self.turned[self.position], self.terms[self.position]
        return _known(h.astype(w.dtype), term, w, super().multiply(h, kernel, index))


def picked(kernel: Kernel, index: Gates) -> Kernel:
    """The kernel of some gates alone."""
    return replace(kernel, arrays=kernel.picked(index))


def tangent_of(kernel: Kernel, tangent: Kernel) -> Kernel | None:
    """The tangent of a kernel's arrays; None where none of them has one."""
    if all(map(is_symbolic, tangent.arrays)):
        return None
    arrays = tuple(instantiate(t, a) for t, a in zip(tangent.arrays, kernel.arrays, strict=True))
    return replace(tangent, arrays=arrays)


def moved_kernel(h: Array, kernel: Kernel, tangent: Kernel) -> Array:
    """The tangent of `h` times a kernel, from the kernel's."""
    return jax.jvp(lambda k: k.product(h), (kernel,), (tangent,))[1]


@jax.custom_jvp
def multiply_both(x: Array, kernel: Kernel, turned: Kernel) -> Array:
    """`x` times a kernel that is there both ways. Its gradient is that of `turned`."""
    return kernel.product(x)


def _both_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    x, kernel, turned = primals
    dx, _, dturned = tangents
    dturned = tangent_of(turned, dturned)
    z = kernel.product(x)
    if is_symbolic(dx):
        return z, jnp.zeros_like(z) if dturned is None else moved_kernel(x, turned, dturned)
    dz = kernel.product(dx)
    return z, dz if dturned is None else dz + moved_kernel(x, turned, dturned)


multiply_both.defjvp(_both_jvp, symbolic_zeros=True)


@jax.custom_jvp
def _known(h: Array, term: Any, turned: Kernel, value: Any) -> Any:
    return value


@_known.defjvp
def _known_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    _, _, turned, value = primals
    dh, terms, _, _ = tangents
    moved = turned.product(dh)
    if not isinstance(value, tuple):
        return value, moved if terms is None else moved + terms
    gates = enumerate(split_gates(moved))
    return value, tuple(m + terms[i] if terms and i in terms else m for i, m in gates)
