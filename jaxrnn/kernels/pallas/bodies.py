"""The bodies of both kernels: a tile of steps, one after the other, with the carry in fast memory.

A tile may reach beyond the last step and beyond the last row, where anything may stand. Loops end with the last step;
rows are never mixed, and what is made of rows that are none is not written.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from jaxrnn.base.typing import Array
from jaxrnn.kernels.pallas import rules
from jaxrnn.kernels.pallas.layout import Backward, Forward, Gradients, Ran, Sequence
from jaxrnn.kernels.pallas.step import Pulled, Read, Traced


def run_forward(traced: Traced, target: Any, walk: Any, shapes: Read, given: Forward, results: Ran, state: Any) -> None:
    """The steps of a tile."""
    now = walk.now()

    @pl.when(now == 0)
    def _() -> None:
        for held, first in zip(state, given.carry, strict=True):
            held[...] = first[...]

    def step(s: Any) -> None:
        valid, reset = _marks(given.sequence, given.start is not None, s)
        begin = tuple(held[...] for held in state)
        if given.start is not None:
            begin = tuple(jnp.where(reset, a[...], b) for a, b in zip(given.start, begin, strict=True))
        for ref, a in zip(results.before, begin, strict=True) if results.before else ():
            ref[s] = a
        read = _read(given.sequence, shapes, begin[0].dtype, s)
        out = rules.run(traced.forward.jaxpr, (), jax.tree.leaves((begin, read)), target.rules)
        new, y = out[: len(begin)], out[len(begin)]
        new = [_where(valid, a, b) for a, b in zip(new, begin, strict=True)]
        for held, a in zip(state, new, strict=True):
            held[...] = a
        for ref, a in zip(results.carries, new, strict=True) if results.carries else ():
            ref[s] = a
        results.y[s] = _where(valid, y, 0).astype(results.y.dtype)

    walk.over(now, step)

    @pl.when(now == walk.tiles - 1)
    def _() -> None:
        for last, held in zip(results.final, state, strict=True):
            last[...] = held[...]


def run_backward(
    traced: Traced, target: Any, walk: Any, shapes: Read, given: Backward, results: Gradients, scratch: Any
) -> None:
    """The steps of a tile, against the forward kernel's way. Scratch: cotangents of the carry; products of a tile."""
    now, states = walk.now(), len(given.before)
    state, again, sequence = scratch[:states], scratch[states:], given.sequence
    known = [p for p in traced.products if p.state is not None]

    @pl.when(now == 0)
    def _() -> None:
        for held, last in zip(state, given.final, strict=True):
            held[...] = last[...]
        for ref in jax.tree.leaves((results.theta, results.start)):
            ref[...] = jnp.zeros(ref.shape, ref.dtype)

    target.multiply_again(known, again, given.before, sequence.kernels)

    def step(s: Any) -> None:
        valid, reset = _marks(sequence, results.start is not None, s)
        begin = tuple(ref[s] for ref in given.before)
        held = [ref[...] for ref in state]
        if given.carries:
            held = [a + ref[s] for a, ref in zip(held, given.carries, strict=True)]
        read, values = _read(sequence, shapes, begin[0].dtype, s), _values(traced, again, begin[0], s)
        y = given.y[s].astype(begin[0].dtype)
        arguments = (begin, read, values, tuple(held), y)
        out = rules.run(traced.backward.jaxpr, (), jax.tree.leaves(arguments), target.rules)
        pulled: Pulled = jax.tree.unflatten(traced.pulled, out)
        before = list(pulled.carry)
        for p, cotangents in zip(traced.products, pulled.values, strict=True):
            if p.state is not None:
                before[p.state] = before[p.state] + target.pull(p, cotangents, sequence.kernels)
        before = [_where(valid, a, b) for a, b in zip(before, held, strict=True)]
        for ref, a in zip(state, before, strict=True):
            ref[...] = a if results.start is None else jnp.where(reset, jnp.zeros_like(a), a)
        for ref, a in zip(results.start, before, strict=True) if results.start is not None else ():
            ref[...] += jnp.where(reset, a, jnp.zeros_like(a))
        _write(traced, results, pulled, valid, s)

    walk.over(now, step)

    @pl.when(now == walk.tiles - 1)
    def _() -> None:
        for first, held in zip(results.carry, state, strict=True):
            first[...] = held[...]


def _write(traced: Traced, results: Gradients, pulled: Pulled, valid: Any, s: Any) -> None:
    """What a backward step is for, zero where it does not count."""

    def put(ref: Any, place: Any, a: Array) -> None:
        ref[place] = _where(valid, a, 0).astype(ref.dtype)

    for g, a in enumerate(pulled.x):
        put(results.x, (s, g), a)
    for name, ref in results.steps.items():
        put(ref, s, pulled.floats[name])
    for ref, a in zip(jax.tree.leaves(results.theta), jax.tree.leaves(pulled.theta), strict=True):
        ref[...] += _where(valid, a, 0)
    for twins, ref, cotangents in zip(traced.twins, results.values, pulled.values, strict=True):
        apart = [a for a, twin in zip(cotangents, twins, strict=True) if twin is None]
        for j, a in enumerate(apart):
            put(ref, (s, j), a)
    for ref, h in zip(results.made, pulled.made, strict=True):
        if ref is not None:
            put(ref, s, h)


def _values(traced: Traced, again: Any, like: Array, s: Any) -> Any:
    """What came of products with states; of others zeros."""
    known = iter(again)
    zero = lambda p: jnp.zeros((like.shape[0], p.units), like.dtype)  # noqa: E731
    return tuple(
        tuple(zero(p) for _ in p.gates) if p.state is None else _gates(next(known), len(p.gates), s)
        for p in traced.products
    )


def _gates(ref: Any, count: int, s: Any) -> tuple[Array, ...]:
    return tuple(ref[j, s] for j in range(count))


def _read(sequence: Sequence, shapes: Read, dtype: Any, s: Any) -> Read:
    """What a step reads, beside its carry."""
    given = {n: ref[s] for n, ref in sequence.steps.items()}
    theta = {n: jax.tree.map(lambda ref: ref[...], sequence.theta[n]) for n in shapes.theta}
    return Read(
        tuple(sequence.x[s, g].astype(dtype) for g in range(len(shapes.x))),
        jax.tree.map(_as, theta, shapes.theta),
        {n: _as(given[n], a) for n, a in shapes.floats.items()},
        {n: _as(given[n], a) for n, a in shapes.flags.items()},
        {n: tuple(sequence.kernels[n][g] for g in range(len(k))) for n, k in shapes.kernels.items()},
    )


def _as(a: Array, like: Any) -> Array:
    return a != 0 if like.dtype == jnp.bool_ else a


def _marks(sequence: Sequence, resets: bool, s: Any) -> tuple[Any, Any]:
    """Where rows have a step that counts, and where they start afresh; None where all or none do."""
    if sequence.marks is None:
        return None, None
    marks = sequence.marks[s]
    return (marks & 1) > 0, (marks & 2) > 0 if resets else None


def _where(valid: Any, a: Array, b: Any) -> Array:
    """`b` where a step does not count."""
    return a if valid is None else jnp.where(valid, a, b)
