"""The arrays of both kernels: trees of where each lies, in the order in which bodies read them."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.core.cell import Cell
from jaxrnn.kernels.native.row import Signature
from jaxrnn.kernels.pallas.step import Product, Traced, matrices, shapes
from jaxrnn.kernels.pallas.tiles import Arrays, Lies


class Spec(NamedTuple):
    """The static part of a call."""

    cell: Cell
    signature: Signature
    reverse: bool
    block: int | None  # steps, where the caller settled it
    interpret: bool  # in JAX's interpreter of such kernels, for tests
    gpu: bool  # not for TPUs

    @property
    def projected(self) -> bool:
        """Inputs are multiplied before."""
        return True


class Sequence(NamedTuple):
    """What both kernels read of a sequence."""

    x: Any  # [T, G, N, H]
    marks: Any  # [T, N, 1] int32: 1 where a step counts, and 2 where it starts afresh; None without masks and resets
    steps: dict[str, Any]  # [T, N, H], per-step inputs
    theta: dict[str, Any]  # [N, H], or tuples of such
    kernels: dict[str, Any]  # [G, R, H]


class Forward(NamedTuple):
    """What the forward kernel reads."""

    sequence: Sequence
    carry: Any  # [N, H] each
    start: Any  # the carry to reset to; None without resets


class Ran(NamedTuple):
    """What it writes."""

    final: Any
    y: Any  # [T, N, P]
    carries: Any  # [T, N, H] each: after every step, where they are asked for
    before: Any  # and before it, once it is reset: what the backward kernel reads


class Backward(NamedTuple):
    """What the backward kernel reads."""

    sequence: Sequence
    before: Any
    final: Any  # cotangents, of what the forward kernel wrote
    y: Any
    carries: Any


class Gradients(NamedTuple):
    """What it writes: cotangents, and what the gradients of kernels are made of."""

    x: Any
    steps: dict[str, Any]
    theta: dict[str, Any]  # of each row
    carry: Any
    start: Any
    values: Any  # of each product the cotangents of what came of it, [T, G, N, H] of gates without a twin; or None
    made: Any  # of each product what it multiplied, [T, N, R], where that is no state


def sequence(spec: Spec, T: int, N: int) -> Sequence:
    """Where the arrays of a sequence lie."""
    cell, signature = spec.cell, spec.signature
    one = lambda shape, dtype: Lies((N, *shape), _plain(dtype), "row")  # noqa: E731
    kernels = cell.kernel_shapes(signature.stored)
    return Sequence(
        Lies((T, len(cell.gates), N, cell.seen), signature.stored, "gated"),
        Lies((T, N, 1), jnp.int32, "marks") if signature.masked or signature.resets else None,
        {n: Lies((T, N, *shape), _plain(dtype), "step") for n, shape, dtype in signature.per_step},
        {n: one(s, d) if len(s) == 1 else (one(s[1:], d),) * s[0] for n, s, d in signature.theta},
        {n: Lies((matrices(k), k.inputs, k.units), signature.stored, "whole") for n, k in sorted(kernels.items())},
    )


def forward(spec: Spec, T: int, N: int, keep: bool) -> Arrays:
    """Of the forward kernel. `keep`: what the backward kernel reads too."""
    signature = spec.signature
    rows, steps = _carry(spec, N, ()), _carry(spec, N, (T,))
    start = rows if signature.resets else None
    y = Lies((T, N, spec.cell.output_size), signature.stored, "step")
    results = Ran(rows, y, steps if signature.carries else (), steps if keep else ())
    return Arrays(Forward(sequence(spec, T, N), rows, start), results, _states(spec))


def backward(spec: Spec, traced: Traced, T: int, N: int) -> Arrays:
    """Of the backward kernel."""
    signature = spec.signature
    rows, steps, given = _carry(spec, N, ()), _carry(spec, N, (T,)), sequence(spec, T, N)
    _, read = shapes(spec.cell, signature, N)
    y = Lies((T, N, spec.cell.output_size), signature.stored, "step")
    reads = Backward(given, steps, rows, y, steps if signature.carries else ())
    apart = [sum(twin is None for twin in gates) for gates in traced.twins]
    results = Gradients(
        given.x,
        {n: given.steps[n] for n in read.floats},
        {n: a for n, a in given.theta.items() if jax.tree.leaves(read.theta[n])[0].dtype != jnp.bool_},
        rows,
        rows if signature.resets else None,
        [
            Lies((T, count, N, p.units), signature.stored, "gated") if count else None
            for p, count in zip(traced.products, apart, strict=True)
        ],
        [None if p.state is not None else Lies((T, N, p.inputs), signature.stored, "step") for p in traced.products],
    )
    again = [_again(p) for p in traced.products if p.state is not None]
    return Arrays(reads, results, [*_states(spec), *again])


def _again(p: Product) -> Any:
    """What comes of a product with a state, for all steps of a tile."""
    return lambda tile: (len(p.gates), tile.steps, tile.rows, p.units)


def _states(spec: Spec) -> list[Any]:
    """The carry, or its cotangent, from one step to the next."""

    def one(size: int) -> Any:
        return lambda tile: (tile.rows, size)

    return [one(shape[-1]) for shape in spec.signature.carry]


def _carry(spec: Spec, N: int, time: tuple[int, ...]) -> Any:
    role = "step" if time else "row"
    return tuple(Lies((*time, N, *shape), spec.signature.dtype, role) for shape in spec.signature.carry)


def _plain(dtype: Any) -> Any:
    """Bools are integers there."""
    return jnp.dtype(jnp.int32) if dtype == "bool" else jnp.dtype(dtype)
