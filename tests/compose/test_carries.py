"""Carries of other people's types: named tuples by name, in functions and in modules; plain ones by position."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx as fx

import jaxrnn
import jaxrnn.nnx

T, B, D, H = 3, 2, 2, 3
C, HIDDEN = (jnp.asarray(a) for a in np.random.default_rng(0).normal(size=(2, B, H)))
XS = jnp.asarray(np.random.default_rng(1).normal(size=(T, B, D)))


class LSTMState(NamedTuple):
    """haiku's."""

    hidden: Any
    cell: Any


class Swapped(NamedTuple):
    h: Any
    c: Any


class Unknown(NamedTuple):
    first: Any
    second: Any


@pytest.mark.parametrize("carry", [LSTMState(HIDDEN, C), Swapped(HIDDEN, C)])
def test_by_name(carry: Any) -> None:
    cell = jaxrnn.lstm(H)
    params = cell.init(jax.random.key(0), inputs=D)
    start = jaxrnn.LSTMCarry(C, HIDDEN)
    wanted = jaxrnn.scan(cell, params, XS, start)
    same = lambda a, b: all(bool((x == y).all()) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))  # noqa: E731
    assert same(jaxrnn.scan(cell, params, XS, carry), wanted)
    assert same(cell.step(params, carry, XS[0]), cell.step(params, start, XS[0]))
    stacked = jaxrnn.stack([cell])
    assert same(jaxrnn.scan(stacked, {"layer_0": params}, XS, (carry,))[1], wanted[1])
    module = jaxrnn.nnx.RNN(jaxrnn.nnx.LSTMCell(D, H, rngs=fx.Rngs(0)), time_major=True, return_carry=True)
    theirs, ys = module(XS, initial_carry=carry)
    ours, zs = module(XS, initial_carry=start)
    assert type(theirs) is type(carry)  # as it was given, names and all
    named = {"hidden": "h", "cell": "c"}
    assert all(bool((a == getattr(ours, named.get(n, n))).all()) for n, a in theirs._asdict().items())
    assert bool((ys == zs).all())


def test_by_position() -> None:
    cell = jaxrnn.lstm(H)
    params = cell.init(jax.random.key(0), inputs=D)
    wanted = jaxrnn.scan(cell, params, XS, jaxrnn.LSTMCarry(C, HIDDEN))[1]
    assert bool((jaxrnn.scan(cell, params, XS, (C, HIDDEN))[1] == wanted).all())


def test_other_names_are_refused() -> None:
    cell, pair = jaxrnn.lstm(H), jaxrnn.bidirectional(jaxrnn.gru(H))
    params, both = cell.init(jax.random.key(0), inputs=D), pair.init(jax.random.key(0), inputs=D)
    two = jaxrnn.stack([jaxrnn.gru(H)] * 2)
    for layer, values in ((cell, params), (pair, both), (two, two.init(jax.random.key(0), inputs=D))):
        with pytest.raises(TypeError, match=r"`carry` must be a .* A plain tuple goes by position, a named one by its"):
            jaxrnn.scan(layer, values, XS, Unknown(HIDDEN, C))
    with pytest.raises(TypeError, match="`initial_carry` must be a LSTMCarry"):
        jaxrnn.nnx.LSTM(D, H, rngs=fx.Rngs(0))(XS, initial_carry=Unknown(C, HIDDEN))
    # A pair of layers' carries is no cell's: two layers would get c and h.
    with pytest.raises(TypeError, match="`carry` must be a plain tuple of 2 carries, one a layer"):
        jaxrnn.scan(two, two.init(jax.random.key(0), inputs=D), XS, jaxrnn.LSTMCarry(C, HIDDEN))


def test_directions_by_name() -> None:
    class Other(NamedTuple):
        backward: Any
        forward: Any

    layer = jaxrnn.bidirectional(jaxrnn.gru(H))
    params = layer.init(jax.random.key(0), inputs=D)
    wanted = jaxrnn.scan(layer, params, XS, (C, HIDDEN))[1]
    assert bool((jaxrnn.scan(layer, params, XS, Other(HIDDEN, C))[1] == wanted).all())
