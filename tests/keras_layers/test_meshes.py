"""Keras's layers where rows lie on an explicit mesh axis, as `jax.make_mesh` makes them, and without a mesh: equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec

from jaxrnn import keras

RNG = np.random.default_rng(0)
XS = RNG.standard_normal((8, 5, 3))
MASK = np.arange(5) < RNG.integers(0, 6, (8, 1))


def lstm(**options: Any) -> keras.LSTM:
    return keras.LSTM(4, in_features=3, rngs=nnx.Rngs(0, dropout=1), **options)


def stacked() -> keras.RNN:
    cells = [keras.LSTMCell(4, in_features=3, rngs=nnx.Rngs(0)), keras.GRUCell(5, in_features=4, rngs=nnx.Rngs(1))]
    return keras.RNN(keras.StackedRNNCells(cells), return_sequences=True, return_state=True)


LAYERS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "all outputs": (lambda: lstm(return_sequences=True), dict(mask=MASK)),
    "the last output": (lstm, dict(mask=MASK)),
    "backwards, stateful": (lambda: lstm(go_backwards=True, stateful=True), dict(mask=MASK)),
    "dropout": (lambda: lstm(dropout=0.3, recurrent_dropout=0.2), dict(mask=MASK, training=True)),
    "stacked": (stacked, dict(mask=MASK)),
    "both ways": (lambda: keras.Bidirectional(lstm(return_sequences=True), rngs=nnx.Rngs(2)), dict(mask=MASK)),
    "without a mask": (lambda: lstm(return_sequences=True), {}),
}


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_and_gradients(name: str) -> None:
    make, given = LAYERS[name]

    def both(xs: Any, given: dict[str, Any]) -> Any:
        loss = lambda layer: sum((a**2).sum() for a in jax.tree.leaves(layer(xs, **given)))  # noqa: E731
        return jax.tree.leaves(make()(xs, **given)), jax.tree.leaves(nnx.grad(loss)(make()))

    expected = both(XS, given)
    mesh = jax.make_mesh((8,), ("data",))
    put = lambda a: jax.device_put(a, NamedSharding(mesh, PartitionSpec("data")))  # noqa: E731
    with jax.set_mesh(mesh):
        actual = both(put(XS), {k: v if v is True else put(v) for k, v in given.items()})
        assert jax.typeof(actual[0][0]).sharding.spec[0] == "data"
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, 1e-10, 1e-10)
