"""Keras's ConvLSTM1D to 3D and flax.linen's ConvLSTMCell, live in float64 on JAX."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles.convolutional import conv_lstm
from tests.peers.live import agree, by_jax, by_oracle, case, in_parts
from tests.promotion import default_promotion

os.environ["KERAS_BACKEND"] = "jax"
keras = pytest.importorskip("keras")
linen = pytest.importorskip("flax.linen")

C, F = 2, 2  # channels in, features
SPACE = {1: (5,), 2: (4, 3), 3: (2, 1, 3)}
WINDOW = {1: (3,), 2: (3, 2), 3: (2, 1, 3)}


def shapes(axes: int, window: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {"kernel": (*window, C, 4, F), "recurrent_kernel": (*window, F, 4, F), "bias": (4, F)}


@pytest.mark.parametrize(
    ("axes", "stride", "dilation"), [(1, 1, 1), (1, 2, 1), (1, 1, 2), (2, 1, 1), (2, 2, 1), (3, 1, 1)]
)
def test_keras(axes, stride, dilation):
    """Gates i, f, c, o side by side in the last axis; one bias; the state's window neither strides nor dilates."""
    space, window = SPACE[axes], WINDOW[axes]
    small = tuple(-(-n // stride) for n in space)
    layer = getattr(keras.layers, f"ConvLSTM{axes}D")(
        F,
        window,
        strides=stride,
        dilation_rate=dilation,
        padding="same",
        activation=jnp.tanh,
        return_sequences=True,
        return_state=True,
        dtype="float64",
    )
    drawn = case(shapes(axes, window), [(*small, F)] * 2, x=(*space, C), y=(*small, F))
    batched = np.moveaxis(drawn.xs, 0, 1)
    with default_promotion():
        layer.build(batched.shape)

        def over_time(p: dict[str, Any], xs: Any, carry: Any) -> Any:
            weights = [p[name].reshape(*p[name].shape[:-2], -1) for name in ("kernel", "recurrent_kernel")]
            weights.append(p["bias"].reshape(-1))
            c, h = carry
            (ys, h, c), _ = layer.stateless_call(
                weights, layer.non_trainable_variables, jnp.moveaxis(xs, 0, 1), initial_state=[h, c]
            )
            return (c, h), jnp.moveaxis(ys, 0, 1)

        (final, ys), pull = jax.vjp(over_time, drawn.params, drawn.xs, drawn.carry)
        theirs = in_parts(final, ys, *pull(drawn.weights))
    agree(theirs, by_oracle(partial(conv_lstm, stride=stride, dilation=dilation), drawn))


def test_flax():
    """Gates i, g, f, o there, and 1 is added to f at run time: our bias of f has it."""
    cell = linen.ConvLSTMCell(F, kernel_size=WINDOW[2], param_dtype=jnp.float64)

    def step(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
        order = jnp.array([0, 2, 1, 3])
        bias = p["bias"] - jnp.array([0.0, 1.0, 0.0, 0.0])[:, None]

        def flat(kernel: Any) -> Any:
            return kernel[..., order, :].reshape(*kernel.shape[:-2], -1)

        weights = {
            "ih": {"kernel": flat(p["kernel"]), "bias": bias[order].reshape(-1)},
            "hh": {"kernel": flat(p["recurrent_kernel"]), "bias": jnp.zeros(4 * F)},
        }
        return cell.apply({"params": weights}, carry, x)

    drawn = case(shapes(2, WINDOW[2]), [(*SPACE[2], F)] * 2, x=(*SPACE[2], C), y=(*SPACE[2], F))
    agree(by_jax(step, drawn), by_oracle(conv_lstm, drawn))
