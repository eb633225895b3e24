"""Regularisers and constraints: each against Keras live, and whole training steps beside Keras's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jaxrnn
import jaxrnn.keras
from jaxrnn.functions import constraints, regularizers
from tests.keras_layers.live import GAPS, B, D, H, T, assert_same, keras, numbers, pair
from tests.promotion import default_promotion

REGULARIZERS: dict[str, Any] = {
    "l1": {},
    "l2": {},
    "l1_l2": {"l1": 0.2, "l2": 0.3},
    "L1": {"l1": 0.4},
    "L2": {"l2": 0.4},
    "OrthogonalRegularizer": {"factor": 0.7},
    "orthogonal_regularizer": {"factor": 0.7, "mode": "columns"},
}
CONSTRAINTS: dict[str, Any] = {
    "non_neg": {},
    "unit_norm": {"axis": 1},
    "max_norm": {"max_value": 1.5},
    "MaxNorm": {"max_value": 0.7, "axis": [0, 1]},
    "min_max_norm": {"min_value": 0.5, "max_value": 1.0, "rate": 0.3},
    "MinMaxNorm": {"axis": 1},
}


@pytest.fixture
def float64() -> Iterator[None]:
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", REGULARIZERS)
def test_a_regulariser(name: str) -> None:
    w = jnp.asarray(numbers(0, 4, 6)).at[1].set(0.0)  # a row of zeros has no direction
    ours = regularizers.REGULARIZERS[name](**REGULARIZERS[name])
    with default_promotion():
        theirs = getattr(keras.regularizers, name)(**REGULARIZERS[name])
        expected = theirs(w)
    assert_same(ours(w), expected, 1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", CONSTRAINTS)
def test_a_constraint(name: str) -> None:
    w = jnp.asarray(numbers(0, 4, 6)).at[:, 1].set(0.0)
    ours = constraints.CONSTRAINTS[name](**CONSTRAINTS[name])
    with default_promotion():
        theirs = getattr(keras.constraints, name)(**CONSTRAINTS[name])
        expected = theirs(w)
    assert_same(ours(w), expected, 1e-12)


WEIGHTS: dict[str, Any] = dict(
    kernel_regularizer={"class_name": "L2", "config": {"l2": 0.125}},
    recurrent_regularizer={"class_name": "OrthogonalRegularizer", "config": {"factor": 0.5}},
    bias_regularizer={"class_name": "L1", "config": {"l1": 0.0625}},  # Keras keeps the factor in float32
    kernel_constraint={"class_name": "MaxNorm", "config": {"max_value": 0.8}},
    recurrent_constraint="unit_norm",
    bias_constraint="non_neg",
    activity_regularizer={"class_name": "L2", "config": {"l2": 0.25}},
)
MODELS: dict[str, Any] = {
    "lstm": lambda lib: lib.layer("LSTM", return_sequences=True, **WEIGHTS),
    "gru, both biases": lambda lib: lib.layer("GRU", return_sequences=True, **WEIGHTS),
    "both ways": lambda lib: lib.bidirectional(lib.layer("GRU", reset_after=False, return_sequences=True, **WEIGHTS)),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", MODELS)
def test_training_beside_keras(name: str) -> None:
    """Three steps of gradient descent with every penalty and every constraint: the same losses, the same weights."""
    ours, theirs = pair(MODELS[name])
    width = 2 * H if name == "both ways" else H
    xs, targets = jnp.asarray(numbers(5, B, T, D)), jnp.asarray(numbers(6, B, T, width))
    optimizer = nnx.Optimizer(
        ours, optax.chain(optax.sgd(0.125, momentum=0.5), jaxrnn.keras.constrain(ours)), wrt=nnx.Param
    )

    def loss(module: Any) -> Any:
        return jnp.mean((module(xs) - targets) ** 2) + jaxrnn.keras.losses(module)

    @nnx.jit
    def step(module: Any, optimizer: Any) -> Any:
        value, gradient = nnx.value_and_grad(loss)(module)
        optimizer.update(module, gradient)
        return value

    rest = [v.value for v in theirs.non_trainable_variables]

    @jax.jit
    @jax.value_and_grad
    def their_loss(weights: Any) -> Any:
        ys, _, penalties = theirs.stateless_call(weights, rest, xs, return_losses=True)
        if name != "both ways":  # `stateless_call` forgets the activities of the outermost layer
            penalties.append(theirs.activity_regularizer(ys) / B)
        return jnp.mean((ys - targets) ** 2) + sum(penalties)

    with default_promotion():
        sgd = keras.optimizers.SGD(0.125, momentum=0.5)  # applies the constraints
        for _ in range(3):
            value, gradient = their_loss([v.value for v in theirs.trainable_variables])
            sgd.apply(gradient, theirs.trainable_variables)
            assert_same(step(ours, optimizer), value)
    assert_same(ours.get_weights(), [v.value for v in theirs.trainable_variables])


def test_activities_count_all_outputs_by_the_batch_size() -> None:
    options: Any = dict(return_state=True, return_sequences=True, activity_regularizer="l2", kernel_regularizer="l1")
    ours, theirs = pair(lambda lib: lib.layer("LSTM", **options))
    xs = jnp.asarray(numbers(5, B, T, D))
    with default_promotion():
        theirs(xs, mask=jnp.asarray(GAPS))
        expected = sum(np.asarray(loss) for loss in theirs.losses)
    ours(xs, mask=GAPS)
    assert_same(jaxrnn.keras.losses(ours), expected)
    assert_same(jaxrnn.keras.losses(ours), 0.01 * abs(ours.get_weights()[0]).sum())  # the activities are counted


def test_a_layer_that_is_called_twice_counts_twice() -> None:
    ours, _ = pair(lambda lib: lib.layer("SimpleRNN", activity_regularizer="l2"))
    xs = numbers(5, B, T, D)
    expected = sum(0.01 * (np.asarray(ours(x)) ** 2).sum() / B for x in (xs, 2 * xs))
    assert_same(jaxrnn.keras.losses(ours), expected, 1e-12)


def test_penalties_and_constraints_of_our_own_modules() -> None:
    """By name for every layer of a stack, by path for one of them."""
    module = jaxrnn.nnx.LSTM(D, H, num_layers=2, rngs=nnx.Rngs(0))
    params = nnx.state(module, nnx.Param)
    rules: Any = {"recurrent_kernel": regularizers.L2(0.5), ("layer_0", "kernel"): regularizers.L1(0.25)}
    layers = module.params
    expected = sum(0.5 * (np.asarray(layers[f"layer_{i}"]["recurrent_kernel"]) ** 2).sum() for i in range(2))
    expected += 0.25 * abs(np.asarray(layers["layer_0"]["kernel"])).sum()
    assert_same(regularizers.penalty(params, rules), expected, 1e-12)
    assert_same(regularizers.penalty(layers, rules), expected, 1e-12)

    bound: Any = {"kernel": constraints.MaxNorm(0.5), ("layer_1", "kernel"): constraints.NonNeg()}
    optimizer = nnx.Optimizer(module, optax.chain(optax.sgd(0.5), constraints.constrain(bound)), wrt=nnx.Param)
    xs = jnp.asarray(numbers(5, B, T, D))
    gradient = nnx.grad(lambda m: (m(xs) ** 2).sum())(module)
    moved = jax.tree.map(lambda w, g: w - 0.5 * g, layers, nnx.to_pure_dict(nnx.state(gradient)))
    optimizer.update(module, gradient)
    after = module.params
    norms = np.sqrt((np.asarray(moved["layer_0"]["kernel"]) ** 2).sum(0))
    scaled = np.asarray(moved["layer_0"]["kernel"]) * (np.minimum(norms, 0.5) / (1e-7 + norms))
    assert_same(after["layer_0"]["kernel"], scaled, 1e-12)
    assert_same(after["layer_1"]["kernel"], np.maximum(np.asarray(moved["layer_1"]["kernel"]), 0), 1e-12)
    assert_same(after["layer_0"]["bias"], moved["layer_0"]["bias"], 1e-12)
    assert float(np.asarray(after["layer_1"]["kernel"]).min()) == 0.0
