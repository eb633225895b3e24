"""Keras 3 on its JAX backend beside `jaxrnn.keras`: the same layer twice, with the same weights, in float64.

Keras's own "tanh" and "sigmoid" drop float64 to float32, and so both get the functions here unless a case asks for
something else. They are registered, since Keras's `Bidirectional` rebuilds its layers from their configurations.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrnn.keras
from tests.promotion import default_promotion

os.environ["KERAS_BACKEND"] = "jax"
keras = pytest.importorskip("keras")

TOLERANCE = 1e-10  # float64, absolute and relative
B, T, D, H = 3, 7, 4, 5
RAGGED = np.arange(T)[None] < np.array([7, 4, 0])[:, None]  # one row without a step that counts
GAPS = np.array([[1, 0, 1, 1, 0, 0, 1], [0, 1, 1, 0, 1, 0, 0], [0, 0, 0, 1, 1, 1, 1]], bool)


@keras.saving.register_keras_serializable("tests")
def tanh(x: Any) -> Any:
    return jnp.tanh(x)


@keras.saving.register_keras_serializable("tests")
def sigmoid(x: Any) -> Any:
    return jax.nn.sigmoid(x)


class Ours:
    """Builds layers of `jaxrnn.keras`; sizes of inputs are handed on."""

    def layer(self, kind: str, units: int = H, inputs: int = D, **options: Any) -> Any:
        given = {"activation": tanh} | options
        return getattr(jaxrnn.keras, kind)(units, in_features=inputs, rngs=nnx.Rngs(0), **given)

    def stack(self, cells: Any, **options: Any) -> Any:
        return jaxrnn.keras.RNN(cells, **options)

    def bidirectional(self, layer: Any, **options: Any) -> Any:
        return jaxrnn.keras.Bidirectional(layer, rngs=nnx.Rngs(1), **options)


class Theirs:
    """Builds layers of Keras. It has lost `time_major`; the arrays are swapped around it instead."""

    def layer(self, kind: str, units: int = H, inputs: int = D, **options: Any) -> Any:
        given = {"activation": tanh, "recurrent_activation": sigmoid} | options
        if kind.startswith("SimpleRNN"):
            del given["recurrent_activation"]
        given.pop("time_major", None)
        return getattr(keras.layers, kind)(units, dtype="float64", **given)

    def stack(self, cells: Any, **options: Any) -> Any:
        cell = keras.layers.StackedRNNCells(cells, dtype="float64") if isinstance(cells, list) else cells
        return keras.layers.RNN(cell, dtype="float64", **options)

    def bidirectional(self, layer: Any, **options: Any) -> Any:
        return keras.layers.Bidirectional(layer, dtype="float64", **options)


def pair(make: Callable[[Any], Any], shape: tuple[int, ...] = (B, T, D)) -> tuple[Any, Any]:
    """The layer that `make(builder)` describes, ours and Keras's, with the same weights; no bias is zero."""
    ours = make(Ours())
    with default_promotion():
        theirs = make(Theirs())
        theirs.build(shape)
        weights = [0.5 * numbers(50 + i, *v.shape) for i, v in enumerate(theirs.weights)]
        theirs.set_weights(weights)
    ours.set_weights(weights)
    return ours, theirs


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def cotangents(outputs: Any) -> Any:
    leaves, treedef = jax.tree.flatten(outputs)
    return jax.tree.unflatten(treedef, [jnp.asarray(numbers(90 + i, *a.shape)) for i, a in enumerate(leaves)])


def ours_with_gradients(module: Any, xs: Any, states: Any, **call: Any) -> Any:
    """(outputs, gradients of weights in Keras's order, of xs, of states) for random cotangents."""
    names = {id(v): i for i, v in enumerate(module.variables)}
    graph, params, rest = nnx.split(module, nnx.Param, ...)
    order = [names[id(v)] for v in jax.tree.leaves(params, is_leaf=lambda v: isinstance(v, nnx.Variable))]

    def run(params: Any, xs: Any, states: Any) -> Any:
        return nnx.merge(graph, params, rest)(xs, initial_state=states, **call)

    def program(params: Any, xs: Any, states: Any) -> Any:
        outputs, pull = jax.vjp(run, params, xs, states)
        return outputs, pull(cotangents(outputs))

    outputs, (weights, dxs, dstates) = jax.jit(program)(params, xs, states)
    by_position = dict(zip(order, jax.tree.leaves(weights), strict=True))
    return outputs, ([by_position[i] for i in range(len(order))], dxs, dstates)


def theirs_with_gradients(layer: Any, xs: Any, states: Any, **call: Any) -> Any:
    """The same of a layer of Keras."""
    rest = [v.value for v in layer.non_trainable_variables]

    def run(weights: Any, xs: Any, states: Any) -> Any:
        return layer.stateless_call(weights, rest, xs, initial_state=states, **call)[0]

    def program(weights: Any, xs: Any, states: Any) -> Any:
        outputs, pull = jax.vjp(run, weights, xs, states)
        return outputs, pull(cotangents(outputs))

    with default_promotion():
        return jax.jit(program)([v.value for v in layer.trainable_variables], xs, states)


def assert_same(ours: Any, theirs: Any, tolerance: float = TOLERANCE) -> None:
    """Array by array in float64; that one has tuples where the other has lists is no difference."""
    mine, yours = jax.tree.leaves(ours), jax.tree.leaves(theirs)
    assert len(mine) == len(yours)
    for a, e in zip(mine, yours, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(e), tolerance, tolerance, strict=True)
