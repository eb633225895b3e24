"""Keras's own initial distributions, for its fused matrices, and what its arguments may be."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

import jaxrnn.keras
from jaxrnn.functions.regularizers import L2, REGULARIZERS
from jaxrnn.keras.identifiers import get
from jaxrnn.keras.initializers import INITIALIZERS, draw, get_initializer
from tests.keras_layers.live import assert_same, keras
from tests.promotion import default_promotion

D, H = 40, 60
RANDOM = sorted(
    {"glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal", "random_normal"}
    | {"random_uniform", "truncated_normal", "variance_scaling", "orthogonal", "uniform", "normal"}
)


def drawn(identifier: Any, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    init = get_initializer(identifier, "kernel_initializer")
    return np.asarray(draw(init, jax.random.key(seed), shape, jnp.float64, "kernel_initializer"))


def test_every_name_of_keras_is_known() -> None:
    theirs = set(keras.src.initializers.ALL_OBJECTS_DICT) - {"Initializer", "initializer", "RandomInitializer"}
    assert {n for n in theirs - set(INITIALIZERS) if "stft" not in n.lower() and "random_init" not in n} == set()


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("shape", [(D, 4 * H), (H, 4 * H), (2, 2000)], ids=str)
def test_the_same_distribution(name: str, shape: tuple[int, int]) -> None:
    """Two samples, Kolmogorov and Smirnov's test; both generators start from fixed seeds."""
    config = {"class_name": keras.initializers.get(name).__class__.__name__, "config": {"seed": 5}}
    with default_promotion():
        theirs = np.asarray(keras.initializers.get(config)(shape, dtype="float32"))
    ours = drawn(name, shape)
    assert ours.shape == shape
    assert stats.ks_2samp(ours.ravel(), theirs.ravel()).pvalue > 1e-3
    np.testing.assert_allclose(ours.std(), theirs.std(), rtol=6 / np.sqrt(ours.size))


@pytest.mark.parametrize("name", ["zeros", "ones", "Zeros", "one", "identity"])
def test_the_same_values(name: str) -> None:
    shape = (4, 12)
    np.testing.assert_array_equal(drawn(name, shape), keras.initializers.get(name)(shape))


def test_the_limits_are_those_of_the_fused_matrices() -> None:
    lstm = jaxrnn.keras.LSTM(H, in_features=D, rngs=nnx.Rngs(0))
    limit = np.sqrt(6 / (D + 4 * H))
    kernel = np.asarray(lstm.cell.kernel[...])
    assert 0.99 * limit < abs(kernel).max() <= limit
    recurrent = np.asarray(lstm.cell.recurrent_kernel[...])
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(H), atol=1e-12)


@pytest.mark.parametrize("unit_forget_bias", [True, False])
@pytest.mark.parametrize("bias", ["zeros", {"class_name": "Constant", "config": {"value": 0.03}}], ids=str)
def test_the_forget_gate_starts_open(unit_forget_bias: bool, bias: Any) -> None:
    options: Any = dict(bias_initializer=bias, unit_forget_bias=unit_forget_bias)
    with default_promotion():
        theirs = keras.layers.LSTM(3, dtype="float64", **options)
        theirs.build((1, 1, 2))
    ours = jaxrnn.keras.LSTM(3, in_features=2, rngs=nnx.Rngs(0), **options)
    assert_same(ours.cell.bias[...], theirs.cell.bias.value)


def test_a_gru_has_both_biases() -> None:
    gru = jaxrnn.keras.GRU(3, bias_initializer="random_normal", in_features=2, rngs=nnx.Rngs(0))
    bias = np.asarray(gru.cell.bias[...])
    assert bias.shape == (2, 9)
    assert len(np.unique(bias)) == 18


def test_a_seed_draws_the_same_whatever_the_key() -> None:
    config = {"class_name": "GlorotUniform", "config": {"seed": 3}}
    np.testing.assert_array_equal(drawn(config, (4, 8), seed=0), drawn(config, (4, 8), seed=1))
    assert (drawn("glorot_uniform", (4, 8), seed=0) != drawn("glorot_uniform", (4, 8), seed=1)).any()


def test_an_initialiser_may_come_as_anything_that_keras_takes() -> None:
    values = np.arange(8.0).reshape(2, 4)
    theirs = keras.initializers.RandomUniform(seed=3)
    given = {
        "an array": (values, values),
        "a JAX function": (jax.nn.initializers.constant(2.0), np.full((2, 4), 2.0)),
        "a function of (shape, dtype)": (lambda shape, dtype=None: jnp.full(shape, 3.0, dtype), np.full((2, 4), 3.0)),
        "a class": (keras.initializers.Ones, np.ones((2, 4))),
        "Keras's own object": (theirs, theirs((2, 4), dtype="float64")),
        "its configuration": (
            keras.initializers.serialize(keras.initializers.Constant(4.0)),
            np.full((2, 4), 4.0),
        ),
    }
    for name, (identifier, expected) in given.items():
        np.testing.assert_array_equal(drawn(identifier, (2, 4)), np.asarray(expected), err_msg=name)


def test_configurations_of_keras_are_read() -> None:
    assert get(keras.regularizers.serialize(keras.regularizers.L2(0.5)), REGULARIZERS, "x") == L2(0.5)
    assert get("l2", REGULARIZERS, "x") == get(L2, REGULARIZERS, "x") == L2()
    assert get(None, REGULARIZERS, "x") is None


@pytest.mark.parametrize(("policy", "products", "weights"), [("mixed_bfloat16", "bfloat16", "float32")])
def test_a_mixed_policy(policy: str, products: str, weights: str) -> None:
    lstm = jaxrnn.keras.LSTM(3, dtype=policy, in_features=2, rngs=nnx.Rngs(0))
    theirs = keras.layers.LSTM(3, dtype=policy)
    xs = np.ones((1, 4, 2), np.float32)
    with default_promotion():
        expected = theirs(xs)
    theirs_weights = [np.asarray(w.value) for w in theirs.weights]
    lstm.set_weights(theirs_weights)
    y = lstm(xs)
    assert y.dtype == expected.dtype == products
    assert lstm.cell.kernel.dtype == weights
    np.testing.assert_allclose(
        np.asarray(y, np.float32), np.asarray(expected, np.float32), atol=8 * float(jnp.finfo(products).eps)
    )
