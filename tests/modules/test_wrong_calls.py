"""Wrong calls of modules: each raises our own error in the modules' terms, naming the argument and what came.

"Our own" is checked at the source: the frame that raises belongs to jaxrnn, not to JAX, NumPy or Flax.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as fl
from flax import nnx as fx

import jaxrnn
import jaxrnn.linen
import jaxrnn.nnx
from tests.refusal import assert_refused

pytestmark = pytest.mark.usefixtures("unchecked")

N, L = jaxrnn.nnx, jaxrnn.linen
T, B, D, H = 4, 2, 3, 5
KEY = jax.random.key(0)
X = np.ones((B, T, D))
CARRY = (np.ones((B, H)), np.ones((B, H)))


def lstm(**options: Any) -> Any:
    return N.LSTM(D, H, rngs=fx.Rngs(0), **options)


def cell(**options: Any) -> Any:
    return N.LSTMCell(D, H, rngs=fx.Rngs(0), **options)


def flax_rnn(**options: Any) -> Any:
    return N.RNN(fx.LSTMCell(D, H, rngs=fx.Rngs(0), param_dtype=jnp.float64), **options)


def linen(module: Any, *args: Any, **call: Any) -> Any:
    return module.init(KEY, *(args or (X,)), **call)


def applied(module: Any, *args: Any, **call: Any) -> Any:
    return module.apply(module.init(KEY, X), *args, **call)


# What the message names, and the call.
CALLS: list[tuple[str, Callable[[], Any]]] = [
    # building
    ("in_features", lambda: N.LSTM(0, H, rngs=fx.Rngs(0))),
    ("in_features", lambda: N.LSTM(2.5, H, rngs=fx.Rngs(0))),
    ("hidden_features", lambda: N.LSTM(D, -1, rngs=fx.Rngs(0))),
    ("hidden_features", lambda: N.GRUCell(D, "5", rngs=fx.Rngs(0))),
    ("features", lambda: linen(L.LSTM(0))),
    ("rngs", lambda: N.LSTM(D, H, rngs=0)),
    ("rngs", lambda: N.LSTMCell(D, H, rngs=KEY)),
    ("rngs", lambda: N.RNN(jaxrnn.lstm(H), D)),
    ("rngs", lambda: N.RNN(cell(), rngs="dropout")),
    ("unexpected argument 'peephole'. Did you mean 'peepholes'?", lambda: lstm(peephole=True)),
    ("unexpected argument 'gate_activation'. Here it is `gate_fn`.", lambda: lstm(gate_activation=jax.nn.relu)),
    ("unexpected argument 'gate_fn'", lambda: N.Elman(D, H, gate_fn=jax.nn.relu, rngs=fx.Rngs(0))),
    ("gate_fn", lambda: lstm(gate_fn="sigmoid")),
    ("activation_fn", lambda: linen(L.GRU(H, activation_fn="tanh"))),
    ("projection", lambda: lstm(projection=0)),
    ("peepholes", lambda: linen(L.LSTM(H, peepholes=1))),
    ("kernel_init", lambda: lstm(kernel_init="glorot")),
    ("bias_init", lambda: lstm(bias_init={"forget": jax.nn.initializers.ones})),
    ("dtype", lambda: lstm(dtype=jnp.int32)),
    ("carry_init", lambda: lstm(carry_init=jax.nn.initializers.ones)),
    ("num_layers", lambda: lstm(num_layers=0)),
    ("bidirectional", lambda: lstm(bidirectional="yes")),
    ("merge", lambda: lstm(bidirectional=True, merge="add")),
    ("merge", lambda: lstm(merge="bogus")),
    ("merge", lambda: lstm(merge="sum")),
    ("merge", lambda: linen(L.GRU(H, merge="bogus"))),
    ("carry_init", lambda: cell(carry_init=5)),
    ("carry_init", lambda: N.CellModule(jaxrnn.gru(H), D, carry_init=5, rngs=fx.Rngs(0))),
    ("carry_init", lambda: L.LSTMCell(H, carry_init=5).init(KEY, CARRY, X[:, 0])),
    ("carry_init", lambda: linen(L.RNN(L.CellModule(jaxrnn.gru(H), carry_init=5)))),
    ("promote_dtype", lambda: cell(promote_dtype="float32")),
    ("state_axes", lambda: N.RNN(cell(), state_axes=3)),
    ("variable_axes", lambda: linen(L.RNN(L.GRUCell(H), variable_axes=3))),
    ("variable_axes", lambda: linen(L.RNN(jaxrnn.gru(H), variable_axes={"cache": 0}))),
    ("variable_broadcast", lambda: linen(L.RNN(jaxrnn.gru(H), variable_broadcast=("params", "cache")))),
    ("variable_carry", lambda: linen(L.RNN(jaxrnn.gru(H), variable_carry="cache"))),
    ("split_rngs", lambda: linen(L.RNN(jaxrnn.gru(H), split_rngs={"dropout": True}))),
    ("split_rngs", lambda: linen(L.RNN(L.GRUCell(H), split_rngs="params"))),
    ("keep_rngs", lambda: cell(keep_rngs="yes")),
    ("kernel_metadata", lambda: cell(kernel_metadata=("model",))),
    ("bias_metadata", lambda: cell(bias_metadata={"out_sharding": ("a", "b", "c")})),
    ("kernel_metadata", lambda: cell(kernel_metadata={"a": 1}, sharding={"kernel": (None, None, "x")})),
    ("gate_fn", lambda: setattr(cell(), "gate_fn", "relu")),
    ("residual", lambda: N.SimpleCell(D, H, residual="inside", rngs=fx.Rngs(0))),
    ("residual", lambda: N.ElmanCell(D, H, residual="outside", rngs=fx.Rngs(0))),
    ("dropout", lambda: lstm(num_layers=2, dropout=1.0)),
    ("dropout", lambda: lstm(dropout=0.5)),
    ("time_major", lambda: lstm(time_major=1)),
    ("stateful", lambda: lstm(stateful="yes")),
    ("deterministic", lambda: lstm(deterministic=None)),
    ("unroll", lambda: lstm(unroll=0)),
    ("chunk", lambda: lstm(chunk=0)),
    ("chunk", lambda: linen(L.LSTM(H, chunk="root"))),
    ("backend", lambda: lstm(backend="cudnn")),
    ("sharding", lambda: lstm(sharding={"kernels": (None, None, "model")})),
    ("sharding['kernel']", lambda: lstm(sharding={"kernel": (None, "model")})),
    ("sharding['kernel']", lambda: linen(L.LSTM(H, sharding={"kernel": (None, "model")}))),
    ("cell", lambda: N.RNN(jax.nn.tanh)),
    ("cell", lambda: N.CellModule(cell(), D, rngs=fx.Rngs(0))),
    ("cell", lambda: linen(L.RNN(fl.Dense(3)))),
    ("in_features and sharding", lambda: N.RNN(cell(), D)),
    ("in_features", lambda: N.RNN(jaxrnn.gru(H), rngs=fx.Rngs(0))),
    ("state_axes and broadcast_rngs", lambda: N.RNN(jaxrnn.lstm(H), D, broadcast_rngs="dropout", rngs=fx.Rngs(0))),
    ("forward_rnn", lambda: N.Bidirectional(cell(), lstm())),
    ("backward_rnn", lambda: N.Bidirectional(lstm(), jaxrnn.lstm(H))),
    ("backward_rnn", lambda: (lambda one: N.Bidirectional(one, one))(lstm())),
    ("merge_fn", lambda: N.Bidirectional(lstm(), lstm(), merge_fn="plus")),
    ("merge_fn", lambda: linen(L.Bidirectional(L.LSTM(H), L.LSTM(H), merge_fn=3))),
    # inputs
    ("inputs", lambda: lstm()(X.tolist())),
    ("inputs", lambda: lstm()(X[0, 0])),
    ("inputs", lambda: lstm()(np.ones((B, T, D + 1)))),
    ("inputs", lambda: lstm()(X > 0)),
    ("inputs", lambda: lstm()(X.astype(complex))),
    ("inputs", lambda: lstm()(np.array(["a"]))),
    ("inputs", lambda: lstm()(np.full((B, T), D))),
    ("inputs", lambda: lstm()(np.zeros((B, T, D), int))),
    ("inputs", lambda: lstm(time_major=True)(np.zeros((T, B, D), np.uint8))),
    ("inputs", lambda: lstm()(np.zeros((B, T, D), int), seq_lengths=np.array([4, 4]))),
    ("inputs", lambda: jax.jit(lambda x: lstm()(x))(np.zeros((B, T, D), int))),
    ("inputs", lambda: cell()(CARRY, np.zeros((B, D), int))),
    ("inputs", lambda: linen(L.LSTM(H, in_features=D), np.zeros((B, T, D), int))),
    ("inputs", lambda: applied(L.RNN(L.GRUCell(H)), np.zeros((B, T, D), int))),
    ("step", lambda: lstm().step(X[:, 0])),
    ("step", lambda: lstm(stateful=True, reverse=True).step(X[:, 0])),
    ("inputs", lambda: lstm(stateful=True)(X[:, 0])),
    ("inputs", lambda: flax_rnn()(X[0, 0])),
    ("inputs", lambda: applied(L.LSTM(H), np.ones((B, T, D + 1)))),
    ("in_features", lambda: linen(L.LSTM(H), np.zeros((B, T), int))),
    ("inputs", lambda: linen(L.LSTM(H, in_features=D + 1))),
    # flags
    ("return_carry", lambda: lstm()(X, return_carry="yes")),
    ("time_major", lambda: lstm()(X, time_major=0)),
    ("reverse", lambda: applied(L.LSTM(H), X, reverse=1)),
    ("keep_order", lambda: flax_rnn()(X, keep_order="no")),
    ("deterministic", lambda: lstm()(X, deterministic=1)),
    ("reverse", lambda: N.Bidirectional(lstm(), lstm())(X, reverse=True)),
    # lengths
    ("seq_lengths", lambda: lstm()(X, seq_lengths=[4, 4])),
    ("seq_lengths", lambda: lstm()(X, seq_lengths=np.array([4.0, 4.0]))),
    ("seq_lengths", lambda: lstm()(X, seq_lengths=np.array([4, 4, 4]))),
    ("seq_lengths", lambda: lstm()(X, seq_lengths=np.array(4))),
    ("seq_lengths", lambda: lstm()(X, seq_lengths=np.array([4, 5]))),
    ("seq_lengths", lambda: flax_rnn()(X, seq_lengths=np.array([4, -1]))),
    ("seq_lengths", lambda: jax.jit(lambda x: lstm()(x, seq_lengths=np.array([4, 5])))(X)),
    ("seq_lengths", lambda: applied(L.GRU(H), X, seq_lengths=np.array([[4], [4]]))),
    # carries
    ("initial_carry", lambda: lstm()(X, initial_carry=CARRY[0])),
    ("initial_carry", lambda: lstm()(X, initial_carry=(*CARRY, CARRY[0]))),
    ("initial_carry.c", lambda: lstm()(X, initial_carry=(CARRY[0][:1], CARRY[1]))),
    ("initial_carry.h", lambda: lstm()(X, initial_carry=(CARRY[0], CARRY[1].astype(int)))),
    ("initial_carry[1]", lambda: lstm(num_layers=2)(X, initial_carry=(CARRY, CARRY[0]))),
    ("initial_carry", lambda: N.Bidirectional(lstm(), lstm())(X, initial_carry=[CARRY, CARRY])),
    ("initial_carry", lambda: flax_rnn()(X, initial_carry=jaxrnn.LSTMCarry(*CARRY))),
    ("init_key", lambda: applied(L.LSTM(H), X, init_key=3)),
    ("rngs", lambda: lstm()(X, rngs=3)),
    # what goes beyond Flax
    ("mask", lambda: lstm()(X, mask=np.ones((T, B), bool))),
    ("mask", lambda: lstm()(X, mask=np.ones((B, T)))),
    ("mask", lambda: lstm(time_major=True)(X.swapaxes(0, 1), mask=np.ones((B, T + 1), bool))),
    ("resets", lambda: lstm()(X, resets=np.zeros((B, T), int))),
    ("segments", lambda: lstm()(X, segments=np.zeros((B, T)))),
    ("segments", lambda: applied(L.LSTM(H), X, segments=np.zeros((B, T + 1), int))),
    ("reset_carry", lambda: lstm()(X, reset_carry=CARRY)),
    ("start_step", lambda: lstm()(X, start_step=1.5)),
    ("per_step", lambda: lstm()(X, per_step={"gain": X})),
    ("unexpected argument 'masks'. Did you mean 'mask'?", lambda: lstm()(X, masks=None)),
    ("mask", lambda: flax_rnn()(X, mask=np.ones((B, T), bool))),
    ("resets", lambda: applied(L.RNN(fl.LSTMCell(H, param_dtype=jnp.float64)), X, resets=np.ones((B, T), bool))),
    ("chunk", lambda: flax_rnn(chunk=2)(X)),
    ("backend", lambda: flax_rnn(backend="reference")(X)),
    # single steps and state
    ("inputs", lambda: cell()(CARRY, np.ones((B, D + 1)))),
    ("carry", lambda: cell()(CARRY[0], X[:, 0])),
    ("carry.c", lambda: cell()(tuple(c[:1] for c in CARRY), X[:, 0])),
    ("input_shape", lambda: cell().initialize_carry(3)),
    ("input_shape", lambda: L.LSTMCell(H).initialize_carry(KEY, ())),
    ("rngs", lambda: cell(carry_init=jax.nn.initializers.ones).initialize_carry((B, D))),
    ("carry_init", lambda: cell(carry_init=1.0).initialize_carry((B, D), fx.Rngs(0))),
    ("initialize_carry", lambda: L.GRUCell(H, learn_carry=True).initialize_carry(KEY, (B, D))),
    ("reset_state", lambda: lstm().reset_state()),
    ("batch", lambda: lstm(stateful=True).reset_state(3)),
    ("batch", lambda: flax_rnn(stateful=True).reset_state((3,))),
    ("mutable", lambda: applied(L.LSTM(H, stateful=True), X)),
]


@pytest.mark.parametrize(("named", "call"), CALLS, ids=[f"{i}-{name.split()[-1]}" for i, (name, _) in enumerate(CALLS)])
def test_wrong_call(named: str, call: Callable[[], Any]) -> None:
    assert_refused(named, call)


def test_the_message_speaks_the_modules_layout() -> None:
    with pytest.raises(ValueError, match=r"`mask` must be of shape \[\*B, T\] = \(2, 4\), as the inputs.*bool\[4,2\]"):
        lstm()(X, mask=np.ones((T, B), bool))
    with pytest.raises(ValueError, match=r"`inputs` must be of shape \[\.\.\., D\] with D = 3.*float64\[.*4\]"):
        lstm()(np.ones((B, T, D + 1)))


@pytest.mark.parametrize("time_major", [False, True])
def test_symbols_of_64_bits(time_major: bool) -> None:
    """2**32 + 1 is no 1, which is what JAX makes of it without x64."""
    ids, message = np.full((B, T), 2**32 + 1), r"`inputs` must be integers in \[0, 3\)"
    single = dict(param_dtype=jnp.float32, time_major=time_major)
    with jax.enable_x64(False):
        with pytest.raises(ValueError, match=message):
            lstm(**single)(ids)
        layer = L.LSTM(H, in_features=D, **single)
        variables = layer.init(KEY, np.ones((B, T), np.int32))
        with pytest.raises(ValueError, match=message):
            layer.apply(variables, ids)
