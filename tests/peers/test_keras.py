"""Keras 3 on its JAX backend, live in float64: LSTM and both GRUs, full and masked.

Keras's own "tanh" drops float64 to float32, and so it gets `jnp.tanh`. At masked steps Keras repeats the last output;
ours are zero there, so those steps are compared as zeros.
"""

from __future__ import annotations

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from tests.peers.weights import GRADIENTS, LENGTHS, OUTPUTS, B, D, H, T, all_close, close, columns, data, run
from tests.promotion import default_promotion

os.environ["KERAS_BACKEND"] = "jax"
keras = pytest.importorskip("keras")


def lstm_weights(kernel: Any, recurrent: Any, bias: Any) -> dict[str, Any]:
    return {"kernel": columns(kernel, 4), "recurrent_kernel": columns(recurrent, 4), "bias": bias.reshape(4, H)}


Z_R_N = [1, 0, 2]  # Keras's gates are z, r, h


def gru_weights(kernel: Any, recurrent: Any, bias: Any) -> dict[str, Any]:
    return {
        "kernel": columns(kernel, 3)[:, Z_R_N],
        "recurrent_kernel": columns(recurrent, 3)[:, Z_R_N],
        "bias": bias.reshape(3, H)[Z_R_N],
    }


def gru_after_weights(kernel: Any, recurrent: Any, bias: Any) -> dict[str, Any]:
    """Two biases: those of z and r add up, that of the candidate's product stays inside the reset."""
    outer, inner = bias.reshape(2, 3, H)[:, Z_R_N]
    return gru_weights(kernel, recurrent, outer + inner * np.array([[1.0], [1.0], [0.0]])) | {
        "bias": outer + inner * np.array([[1.0], [1.0], [0.0]]),
        "recurrent_bias": inner[2],
    }


def gru_after_gradients(kernel: Any, recurrent: Any, bias: Any) -> dict[str, Any]:
    outer, inner = bias.reshape(2, 3, H)[:, Z_R_N]
    return gru_weights(kernel, recurrent, outer) | {"bias": outer, "recurrent_bias": inner[2]}


MODELS = {
    "lstm": (keras.layers.LSTM, {}, jaxrnn.lstm(H), lstm_weights, lstm_weights),
    "gru, reset after": (
        keras.layers.GRU,
        {"reset_after": True},
        jaxrnn.gru(H),
        gru_after_weights,
        gru_after_gradients,
    ),
    "gru, reset before": (
        keras.layers.GRU,
        {"reset_after": False},
        jaxrnn.gru(H, reset_after=False),
        gru_weights,
        gru_weights,
    ),
}


@pytest.mark.parametrize("ragged", [False, True], ids=["full", "masked"])
@pytest.mark.parametrize("backend", ["scheduled", "reference"])
@pytest.mark.parametrize("name", MODELS)
def test_outputs_and_all_gradients(name: str, backend: str, ragged: bool) -> None:
    make, options, cell, convert, convert_gradients = MODELS[name]
    shapes = cell.carry_shapes((B,))
    xs, *states = data(21, (T, B, D), *shapes)
    *carry_weights, ys_weight = data(22, *shapes, (T, B, H))
    lengths = LENGTHS if ragged else np.full(B, T)
    valid = np.arange(T)[:, None] < lengths
    with default_promotion():
        layer = make(
            H,
            activation=jnp.tanh,
            recurrent_activation=jax.nn.sigmoid,
            return_sequences=True,
            return_state=True,
            dtype="float64",
            **options,
        )
        layer.build((B, T, D))
        kernels = [np.asarray(w.value) for w in layer.trainable_variables]
        rest = [w.value for w in layer.non_trainable_variables]  # the seed of its dropout
        kernels = [w + 0.3 * np.sin(np.arange(w.size)).reshape(w.shape) for w in kernels]  # zero biases hide mistakes

        def theirs(kernels: Any, xs: Any, states: Any) -> Any:
            given = list(reversed(states))  # h, c
            mask = dict(mask=jnp.asarray(valid.T)) if ragged else {}
            (ys, *last), _ = layer.stateless_call(
                kernels, rest, jnp.swapaxes(xs, 0, 1), initial_state=given, training=False, **mask
            )
            return list(reversed(last)), jnp.where(valid[..., None], jnp.swapaxes(ys, 0, 1), 0.0)

        (last, out), pull = jax.vjp(theirs, kernels, xs, states)
        dkernels, dx, dstates = pull((carry_weights, ys_weight))
    weights = (cell.carry_type(*carry_weights), ys_weight)
    given = dict(backend=backend) | (dict(lengths=lengths) if ragged else {})
    (carry, ys), (dparams, dxs, dcarry) = run(cell, convert(*kernels), xs, cell.carry_type(*states), weights, **given)
    close(ys, out, OUTPUTS)
    for a, e in zip(carry, last, strict=True):
        close(a, e, OUTPUTS)
    close(dxs, dx, GRADIENTS)
    for a, e in zip(dcarry, dstates, strict=True):
        close(a, e, GRADIENTS)
    all_close(dparams, convert_gradients(*map(np.asarray, dkernels)), GRADIENTS)
