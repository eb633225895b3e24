"""Where the products of a scheduled step come from: multiplied now, noted, given, or replayed with tangents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.step import Products
from jaxrnn.typing import Array

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
class Recorder(Separate):
    """Notes what was multiplied, and what came out. Gates in `skip` (call, position) are left at zero."""

    skip: frozenset[tuple[int, int]] = frozenset()
    calls: list[tuple[str, Gates]] = field(default_factory=list)
    inputs: list[Array] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def multiply(self, h: Array, kernel: str, index: Gates) -> Any:
        at, w = len(self.calls), self.kernels[kernel]
        h = h.astype(w.dtype)
        self.calls.append((kernel, index))
        self.inputs.append(h)
        gates = range(w.shape[1]) if index is None else index
        left = tuple(g for i, g in enumerate(gates) if (at, i) not in self.skip)
        if w.ndim == 2 or len(left) == len(gates):
            value = super().multiply(h, kernel, index)
        else:
            computed = iter(super().multiply(h, kernel, left) if left else ())
            zero = jnp.zeros((*h.shape[:-1], w.shape[-1]), w.dtype)
            value = tuple(next(computed) if g in left else zero for g in gates)
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

    turned: list[Array] = field(default_factory=list)  # the kernels of the calls, the axis of their inputs last
    terms: list[Any] = field(default_factory=list)  # a dict by gate, or one array, or None

    def multiply(self, h: Array, kernel: str, index: Gates) -> Any:
        w, term = self.turned[self.position], self.terms[self.position]
        return _known(h.astype(w.dtype), term, w, super().multiply(h, kernel, index))


@jax.custom_jvp
def _known(h: Array, term: Any, turned: Array, value: Any) -> Any:
    return value


@_known.defjvp
def _known_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    _, _, turned, value = primals
    dh, terms, _, _ = tangents
    # The axis of inputs last: so the transpose, which is what training runs, multiplies by the kernel as it lies.
    moved = lax.dot_general(dh, turned, (((dh.ndim - 1,), (turned.ndim - 1,)), ((), ())))
    if not isinstance(value, tuple):
        return value, moved if terms is None else moved + terms
    gates = enumerate(split_gates(moved))
    return value, tuple(m + terms[i] if terms and i in terms else m for i, m in gates)
