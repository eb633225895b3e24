"""Wrong arguments: one error each, ours, that names the argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jaxrnn
import jaxrnn.keras as K
from jaxrnn.functions import constraints, regularizers
from tests.refusal import assert_refused

pytestmark = pytest.mark.usefixtures("unchecked")

B, T, D, H = 2, 4, 3, 5
X = np.ones((B, T, D))
STATE = np.zeros((B, H))
PARAMS = {"kernel": jnp.ones((2, 2))}


def lstm(units: Any = H, *positional: Any, **options: Any) -> Any:
    return K.LSTM(units, *positional, **dict(in_features=D, rngs=nnx.Rngs(0)) | options)


def gru(**options: Any) -> Any:
    return K.GRU(H, **dict(in_features=D, rngs=nnx.Rngs(0)) | options)


def cell(inputs: int = D, **options: Any) -> Any:
    return K.GRUCell(H, in_features=inputs, rngs=nnx.Rngs(0), **options)


CALLS: list[tuple[str, Callable[[], Any]]] = [
    # making a layer
    ("units", lambda: lstm(0)),
    ("units", lambda: lstm(2.0)),
    ("name", lambda: lstm(name=3)),
    ("activation", lambda: lstm(H, "tahn")),
    ("activation", lambda: lstm(activation=3)),
    ("recurrent_activation", lambda: gru(recurrent_activation="hard_sigmoidd")),
    ("use_bias", lambda: lstm(use_bias=1)),
    ("unit_forget_bias", lambda: lstm(unit_forget_bias="yes")),
    ("reset_after", lambda: gru(reset_after=None)),
    ("kernel_initializer", lambda: lstm(kernel_initializer="glorot")),
    ("kernel_initializer", lambda: lstm(kernel_initializer=None)),
    ("kernel_initializer", lambda: lstm(kernel_initializer=0.5)),
    ("kernel_initializer", lambda: lstm(kernel_initializer=np.ones((D, H)))),
    ("kernel_initializer", lambda: lstm(kernel_initializer={"config": {}})),
    ("recurrent_initializer", lambda: gru(recurrent_initializer={"class_name": "Orthogonal", "config": 3})),
    ("orthogonal", lambda: lstm(bias_initializer="orthogonal")),
    ("identity", lambda: lstm(bias_initializer="identity")),
    ("seed", lambda: lstm(kernel_initializer={"class_name": "HeNormal", "config": {"seed": "a"}})),
    ("mode", lambda: lstm(kernel_initializer={"class_name": "VarianceScaling", "config": {"mode": "fan"}})),
    ("scale", lambda: lstm(kernel_initializer={"class_name": "VarianceScaling", "config": {"scale": -1.0}})),
    ("value", lambda: lstm(bias_initializer={"class_name": "Constant", "config": {"value": "one"}})),
    ("bias_regularizer", lambda: lstm(bias_regularizer="l3")),
    ("bias_regularizer", lambda: lstm(bias_regularizer={"class_name": "L2", "config": {"l4": 0.1}})),
    ("l2", lambda: lstm(kernel_regularizer={"class_name": "L2", "config": {"l2": -0.1}})),
    ("activity_regularizer", lambda: lstm(activity_regularizer=0.1)),
    ("kernel_constraint", lambda: lstm(kernel_constraint="maxnorm")),
    ("axis", lambda: lstm(kernel_constraint={"class_name": "MaxNorm", "config": {"axis": 0.5}})),
    ("dropout", lambda: lstm(dropout=1.0)),
    ("recurrent_dropout", lambda: gru(recurrent_dropout=-0.1)),
    ("seed", lambda: lstm(seed=1.5)),
    ("implementation", lambda: lstm(implementation=3)),
    ("dtype", lambda: lstm(dtype="mixed_float8")),
    ("use_cudnn", lambda: lstm(use_cudnn=True)),
    ("in_features", lambda: lstm(in_features=0)),
    ("rngs", lambda: lstm(rngs=0)),
    ("rngs", lambda: lstm(dropout=0.5, rngs=nnx.Rngs(params=0))),
    ("return_sequences", lambda: lstm(return_sequences=1)),
    ("time_major", lambda: lstm(time_major=None)),
    ("LSTM() has no argument 'recurent_dropout'. Did you mean 'recurrent_dropout'?", lambda: lstm(recurent_dropout=1)),
    ("GRUCell() has no argument 'stateful'", lambda: cell(stateful=True)),
    ("LSTM() has no argument 'trainable'", lambda: lstm(trainable=False)),
    # composing
    ("cell", lambda: K.RNN(jaxrnn.lstm(H))),
    ("cell", lambda: K.RNN(jaxrnn.nnx.CellModule(jaxrnn.zoneout(jaxrnn.gru(H), h=0.1), D, rngs=nnx.Rngs(0)))),
    ("cells", lambda: K.RNN([])),
    ("cells[1]", lambda: K.StackedRNNCells([cell(), cell(H + 1)])),
    ("cells[0]", lambda: K.StackedRNNCells([lstm()])),
    ("layer", lambda: K.Bidirectional(cell(), rngs=nnx.Rngs(0))),
    ("merge_mode", lambda: K.Bidirectional(lstm(), "concatenate", rngs=nnx.Rngs(0))),
    ("rngs", lambda: K.Bidirectional(lstm())),
    ("backward_layer", lambda: K.Bidirectional(lstm(), backward_layer=lstm())),
    ("backward_layer", lambda: K.Bidirectional(lstm(), backward_layer=lstm(go_backwards=True, stateful=True))),
    ("backward_layer", lambda: (lambda one: K.Bidirectional(one, backward_layer=one))(lstm())),
    ("weights", lambda: K.Bidirectional(lstm(), weights=[X], rngs=nnx.Rngs(0))),
    # calling
    ("inputs", lambda: lstm()(X.tolist())),
    ("inputs", lambda: lstm()(X[0])),
    ("inputs", lambda: lstm()(np.ones((B, T, D + 1)))),
    ("inputs", lambda: lstm()(X.astype(complex))),
    ("mask", lambda: lstm()(X, mask=np.ones((T, B), bool))),
    ("mask", lambda: lstm()(X, mask=np.ones((B, T + 1), bool))),
    ("mask", lambda: lstm()(X, mask=np.ones((B, T)))),
    ("mask", lambda: lstm()(X, mask=True)),
    ("initial_state", lambda: lstm()(X, initial_state=[STATE])),
    ("initial_state", lambda: gru()(X, initial_state=[STATE, STATE])),
    ("initial_state.c", lambda: lstm()(X, initial_state=[STATE, STATE[:1]])),
    ("initial_state.h", lambda: gru()(X, initial_state=STATE.astype(int))),
    ("initial_state.h", lambda: gru()(X, initial_state=[None])),
    ("initial_state", lambda: K.RNN([cell(), cell(H)])(X, initial_state=[[STATE]])),
    ("initial_state[1].h", lambda: K.RNN([cell(), cell(H)])(X, initial_state=[[STATE], [STATE[:, 1:]]])),
    ("initial_state", lambda: K.Bidirectional(gru(), rngs=nnx.Rngs(0))(X, initial_state=[STATE])),
    ("training", lambda: lstm()(X, training=1)),
    ("reset_state", lambda: lstm().reset_state()),
    ("states", lambda: cell()(X[:, 0], [STATE, STATE])),
    ("states", lambda: K.StackedRNNCells([cell(), cell(H)])(X[:, 0], [[STATE]])),
    ("training", lambda: cell(dropout=0.5)(X[:, 0], [STATE], training=True)),
    # weights
    ("weights", lambda: lstm().set_weights([X])),
    ("weights[1]", lambda: lstm().set_weights([np.ones((D, 4 * H)), np.ones((4 * H, H)), np.ones(4 * H)])),
    ("weights[2]", lambda: gru().set_weights([np.ones((D, 3 * H)), np.ones((H, 3 * H)), np.ones((2, 3 * H), int)])),
    # penalties and constraints
    ("model", lambda: K.losses(PARAMS)),
    ("model", lambda: K.constrain(None)),
    ("regularizers", lambda: regularizers.penalty(PARAMS, {"kernal": regularizers.L2()})),
    ("regularizers", lambda: regularizers.penalty(PARAMS, {("layer", "kernel"): regularizers.L2()})),
    ("regularizers['kernel']", lambda: regularizers.penalty(PARAMS, {"kernel": 0.1})),
    ("constraints", lambda: constraints.constrain([constraints.NonNeg()])),
    ("constraints", lambda: constraints.constrain({0: constraints.NonNeg()})),
    ("constraints", lambda: constraints.constrain({"bias": constraints.NonNeg()}).init(PARAMS)),
    ("params", lambda: constraints.constrain({"kernel": constraints.NonNeg()}).update(PARAMS, optax.EmptyState())),
    ("max_value", lambda: constraints.MaxNorm(-1.0)),
    ("max_value", lambda: constraints.MinMaxNorm(2.0, 1.0)),
    ("rate", lambda: constraints.MinMaxNorm(rate=2.0)),
    ("factor", lambda: regularizers.OrthogonalRegularizer(-1.0)),
    ("mode", lambda: regularizers.OrthogonalRegularizer(mode="row")),
    ("w", lambda: regularizers.OrthogonalRegularizer()(jnp.ones(3))),
]


@pytest.mark.parametrize(("named", "call"), CALLS, ids=[f"{i}-{name.split()[0]}" for i, (name, _) in enumerate(CALLS)])
def test_wrong_call(named: str, call: Callable[[], Any]) -> None:
    assert_refused(named, call)


def test_a_misspelt_name_meets_its_neighbour() -> None:
    with pytest.raises(ValueError, match=r"`activation` must be .*, got 'tahn'\. Did you mean 'tanh'\?"):
        lstm(H, "tahn")


def test_weights_are_all_taken_or_none() -> None:
    module = lstm()
    before = module.get_weights()
    with pytest.raises(ValueError, match=r"`weights\[2\]`"):
        module.set_weights([before[0] + 1, before[1] + 1, np.ones(3)])
    for a, b in zip(module.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
