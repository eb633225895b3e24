"""Activations by name, against Keras live: values and derivatives over the last axis, in float64."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrnn.functions.activations import ACTIVATIONS, keras2_hard_sigmoid
from tests.keras_layers.live import assert_same, keras
from tests.promotion import default_promotion

X = jnp.asarray(np.random.default_rng(0).normal(scale=3.0, size=(16, 7)))
DEFINED = {"sparsemax", "tanh"}  # Keras's sparsemax leaves the simplex, its tanh drops float64
NOT_POINTWISE = {"glu", "threshold"}  # halves its input; needs two arguments
OURS_ALONE = {"keras2_hard_sigmoid"}


@pytest.fixture
def float64() -> Iterator[None]:
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    with default_promotion():
        yield
    keras.config.set_floatx(before)


def test_every_name_of_keras_is_known() -> None:
    assert set(keras.src.activations.ALL_OBJECTS_DICT) - NOT_POINTWISE == set(ACTIVATIONS) - OURS_ALONE


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - OURS_ALONE - DEFINED))
def test_the_same_function(name: str) -> None:
    weights = jnp.asarray(np.random.default_rng(1).normal(size=X.shape))

    def with_gradient(f):
        y, pull = jax.vjp(f, X)
        return y, pull(weights)[0]

    assert_same(with_gradient(ACTIVATIONS[name]), with_gradient(keras.activations.get(name)), 1e-12)


def test_tanh() -> None:
    assert_same(ACTIVATIONS["tanh"](X), np.tanh(np.asarray(X)), 1e-14)


def test_sparsemax_is_the_nearest_point_of_the_simplex() -> None:
    """max(x - t, 0) with the t for which it sums to one, found by halving; its derivative is that of x - mean(x)."""
    x = np.asarray(X)
    low, high = x.min(-1, keepdims=True) - 1, x.max(-1, keepdims=True)
    for _ in range(100):
        middle = (low + high) / 2
        above = np.maximum(x - middle, 0).sum(-1, keepdims=True) > 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    expected = np.maximum(x - low, 0)
    assert_same(ACTIVATIONS["sparsemax"](X), expected, 1e-12)
    weights = np.random.default_rng(1).normal(size=x.shape)
    support = expected > 0
    mean = (weights * support).sum(-1, keepdims=True) / support.sum(-1, keepdims=True)
    gradient = jax.grad(lambda a: (ACTIVATIONS["sparsemax"](a) * weights).sum())(X)
    assert_same(gradient, support * (weights - mean), 1e-12)


def test_the_hard_sigmoid_of_keras_1_and_2() -> None:
    """0.2 x + 0.5 between -2.5 and 2.5, as its documentation has it: another slope than Keras 3's 1 / 6."""
    x = np.array([-3.0, -2.5, -1.0, 0.0, 0.5, 2.5, 4.0])
    expected = np.where(x < -2.5, 0.0, np.where(x > 2.5, 1.0, 0.2 * x + 0.5))
    assert_same(keras2_hard_sigmoid(jnp.asarray(x)), expected, 1e-15)
    assert float(ACTIVATIONS["hard_sigmoid"](1.0)) == pytest.approx(1 / 6 + 0.5, abs=1e-7)
