"""A cell's step on a block of rows, forward and backward, as jaxprs that a kernel's body runs.

Products with states are known before the backward step begins, for a block of steps at once: what came of them goes in,
and its cotangent comes out. What the step itself makes is multiplied there again, with a zero added through which the
product's cotangent comes out. So no step adds to a gradient of a kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr
from jax.sharding import use_abstract_mesh

from jaxrnn.base.placement import NOWHERE
from jaxrnn.base.typing import Array
from jaxrnn.core.cell import Cell
from jaxrnn.core.step import Products, Rows, Step, advance
from jaxrnn.kernels.native.graph import Declined
from jaxrnn.kernels.native.row import Signature


class Product(NamedTuple):
    """One product of the step."""

    kernel: str
    gates: tuple[int, ...]  # which of the matrices that are stored
    state: int | None  # which leaf of the carry is multiplied; None: something that the step makes
    inputs: int  # R
    units: int


class Read(NamedTuple):
    """What a step reads beside its carry and what came of products: arrays `[rows, ...]`."""

    x: Any  # one array a gate
    theta: dict[str, Any]  # a vector, or a tuple of vectors
    floats: dict[str, Any]  # per-step inputs that have a derivative
    flags: dict[str, Any]  # and those that have none
    kernels: dict[str, Any]  # one matrix [R, H] a gate that is stored


class Traced(NamedTuple):
    """A step of `rows` rows."""

    products: tuple[Product, ...]
    forward: ClosedJaxpr  # carry, read -> carry, y, what is multiplied
    backward: ClosedJaxpr  # carry, read, values, cotangents of carry and y -> `Pulled`
    pulled: Any  # the tree of the latter's results
    twins: tuple[tuple[int | None, ...], ...]  # of each product and gate the gate of x that has the same cotangent


class Pulled(NamedTuple):
    """What comes of a backward step."""

    carry: Any  # without what products with states add to it
    x: Any
    theta: dict[str, Any]
    floats: dict[str, Array]
    values: Any  # a tuple of a cotangent a gate for each product
    made: Any  # what is multiplied, where that is no state


def trace(cell: Cell, signature: Signature, rows: int) -> Traced:
    """The step of so many rows.

    Raises:
        Declined: the equations hold arrays.
    """
    kernels, found = cell.kernel_shapes(signature.stored), list[Any]()
    with use_abstract_mesh(NOWHERE):
        carry, read = shapes(cell, signature, rows)
        forward = jax.make_jaxpr(partial(_forward, cell, kernels, found))(carry, read)
        products = tuple(_noted(forward, found, len(carry), kernels))
        values = tuple(tuple(_row(rows, (p.units,), signature.dtype) for _ in p.gates) for p in products)
        y = _row(rows, (cell.output_size,), signature.dtype)
        pull = partial(_backward, cell, kernels, products)
        backward, pulled = jax.make_jaxpr(pull, return_shape=True)(carry, read, values, carry, y)
    if forward.consts or backward.consts:
        raise Declined("its equations hold arrays of constants, which a kernel captures none of")
    return Traced(products, forward, backward, jax.tree.structure(pulled), _twins(backward, pulled))


def shapes(cell: Cell, signature: Signature, rows: int) -> tuple[Any, Read]:
    """Of a step's carry and of what it reads."""
    real = lambda shape: _row(rows, shape, signature.dtype)  # noqa: E731
    theta = {
        name: _row(rows, shape, dtype) if len(shape) == 1 else (_row(rows, shape[1:], dtype),) * shape[0]
        for name, shape, dtype in signature.theta
    }
    per_step = {name: _row(rows, shape, dtype) for name, shape, dtype in signature.per_step}
    floats = {n: a for n, a in per_step.items() if jnp.issubdtype(a.dtype, jnp.floating)}
    kernels = {
        name: tuple(jax.ShapeDtypeStruct((k.inputs, k.units), signature.stored) for _ in range(matrices(k)))
        for name, k in sorted(cell.kernel_shapes(signature.stored).items())
    }
    flags = {n: a for n, a in per_step.items() if n not in floats}
    read = Read(tuple(real((cell.seen,)) for _ in cell.gates), theta, floats, flags, kernels)
    return tuple(real(shape) for shape in signature.carry), read


def matrices(kernel: Any) -> int:
    """How many a kernel is."""
    return 1 if kernel.columns is None else kernel.stored


def _row(rows: int, shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((rows, *shape), jnp.dtype(dtype))


def dot(h: Array, matrix: Array, *, turned: bool = False) -> Array:
    """`h` times a matrix, or its transpose, in float32; what is multiplied has the matrix's dtype."""
    axes = (((h.ndim - 1,), (1 if turned else 0,)), ((), ()))
    return lax.dot_general(h.astype(matrix.dtype), matrix, axes, preferred_element_type=jnp.float32)


@dataclass
class _Multiplied(Products):
    """Products with one matrix a gate, and a note of each."""

    matrices: dict[str, Any] = field(default_factory=dict)
    found: list[Any] = field(default_factory=list)

    def multiply(self, h: Array, kernel: str, index: tuple[int, ...] | None) -> Any:
        gates = tuple(range(len(self.matrices[kernel]))) if index is None else index
        self.found.append((kernel, gates, h))
        return self._in_form(kernel, self.results(h, kernel, gates))

    def results(self, h: Array, kernel: str, gates: tuple[int, ...]) -> tuple[Array, ...]:
        h = h.astype(self.matrices[kernel][0].dtype)  # once: kernels for GPUs know by it what they multiply again
        return tuple(dot(h, self.matrices[kernel][g]) for g in gates)

    def _in_form(self, kernel: str, results: tuple[Array, ...]) -> Any:
        return results[0] if self.kernels[kernel].columns is None else results


@dataclass
class _Opened(_Multiplied):
    """The same, but that products with states are given, and to others something is added."""

    products: Iterator[Any] = field(default_factory=lambda: iter(()))  # of `Product`s and what is given of each

    def results(self, h: Array, kernel: str, gates: tuple[int, ...]) -> tuple[Array, ...]:
        product, given = next(self.products)
        if product.state is not None:
            return given
        return tuple(a + b for a, b in zip(super().results(h, kernel, gates), given, strict=True))


def _advance(cell: Cell, products: Products, carry: Any, read: Read) -> Any:
    step = Step(read.x, None, None, read.floats | read.flags)
    new, y = advance(cell, products, Rows(read.theta, None), cell.carry_type(*carry), step)
    return tuple(new), y.astype(carry[0].dtype)


def _forward(cell: Cell, kernels: Any, found: list[Any], carry: Any, read: Read) -> Any:
    """The step, and what it multiplies."""
    products = _Multiplied(kernels, read.kernels)
    new, y = _advance(cell, products, carry, read)
    found[:] = [(kernel, gates) for kernel, gates, _ in products.found]
    return new, y, [h for _, _, h in products.found]


def _noted(traced: ClosedJaxpr, found: list[Any], states: int, kernels: Any) -> Iterator[Product]:
    """The products, with the state that each multiplies; what they multiply comes last of the results."""
    carry, results = traced.jaxpr.invars[:states], traced.jaxpr.outvars
    for (kernel, gates), h in zip(found, results[len(results) - len(found) :], strict=True):
        state = next((i for i, v in enumerate(carry) if v is h), None)
        yield Product(kernel, gates, state, kernels[kernel].inputs, kernels[kernel].units)


def _backward(
    cell: Cell, kernels: Any, products: tuple[Product, ...], carry: Any, read: Read, values: Any, new: Any, y: Any
) -> Pulled:
    """The cotangents of a step's arguments from those of its results. `values`: of each product with a state what came
    of it, of others zeros."""
    moving = {n: a for n, a in read.theta.items() if jax.tree.leaves(a)[0].dtype != np.bool_}

    def step(carry: Any, x: Any, theta: Any, floats: Any, values: Any) -> Any:
        given = read._replace(x=x, theta=read.theta | theta, floats=floats)
        opened = _Opened(kernels, given.kernels, products=iter(zip(products, values, strict=True)))
        return _advance(cell, opened, carry, given), [h for _, _, h in opened.found]

    _, pull, made = jax.vjp(step, carry, read.x, moving, read.floats, values, has_aux=True)
    made = [None if p.state is not None else h for p, h in zip(products, made, strict=True)]
    return Pulled._make((*pull((new, y)), made))


def _twins(backward: ClosedJaxpr, pulled: Pulled) -> tuple[tuple[int | None, ...], ...]:
    found: Pulled = jax.tree.unflatten(jax.tree.structure(pulled), backward.jaxpr.outvars)
    return tuple(tuple(next((g for g, v in enumerate(found.x) if v is a), None) for a in k) for k in found.values)
