"""ConvLSTM1D to 3D beside Keras's own, in float64 to 1e-10: outputs, states, all gradients, weights, dropout.

Keras 3.15's loop on JAX broadcasts a mask `[B, T]` against `[B, *S, F]` from the last axis: it raises, or where the
grid's last axis is as long as the batch it masks places. So it gets one with axes of length one here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jaxrnn.keras as K
from jaxrnn.keras.dropout import input_masks
from tests.keras_layers.live import (
    GAPS,
    RAGGED,
    B,
    T,
    assert_same,
    keras,
    numbers,
    ours_with_gradients,
    pair,
    theirs_with_gradients,
)
from tests.promotion import default_promotion
from tests.refusal import assert_refused

C, F = 2, 3  # channels in, filters
SPACE = {1: (6,), 2: (5, 4), 3: (3, 4, 2)}
FIRST = {"data_format": "channels_first"}


class Case(NamedTuple):
    axes: int
    mask: Any
    states: bool
    both_ways: bool
    options: dict[str, Any]

    def make(self, lib: Any) -> Any:
        given = {"return_sequences": True, "return_state": True} | self.options
        layer = lib.layer(f"ConvLSTM{self.axes}D", F, C, **given)
        return lib.bidirectional(layer) if self.both_ways else layer

    @property
    def shape(self) -> tuple[int, ...]:
        space = SPACE[self.axes]
        return (B, T, C, *space) if self.options.get("data_format") == "channels_first" else (B, T, *space, C)

    def initial(self, ours: Any) -> Any:
        """States for as many as the layer has."""
        if not self.states:
            return None
        cell = (ours.forward_layer if self.both_ways else ours).cell.functional
        grid = cell.state_axes(SPACE[self.axes])
        shape = (F, *grid) if self.options.get("data_format") == "channels_first" else (*grid, F)
        return [jnp.asarray(numbers(7 + i, B, *shape)) for i in range(4 if self.both_ways else 2)]


def case(axes: int, mask: Any = None, states: bool = False, both_ways: bool = False, **options: Any) -> Case:
    return Case(axes, mask, states, both_ways, options)


LAST = {"return_sequences": False, "return_state": False}
CASES = {
    "1d": case(1, kernel_size=3),
    "1d, same, dilated, backwards, gaps": case(
        1, GAPS, True, kernel_size=3, padding="SAME", dilation_rate=2, go_backwards=True
    ),
    "2d, window of even size": case(2, kernel_size=(2, 3), padding="same"),
    "2d, strides, ragged": case(2, RAGGED, True, kernel_size=(3, 2), strides=(2, 1)),
    "2d, strides, same": case(2, None, True, kernel_size=3, strides=2, padding="same"),
    "2d, channels first, gaps": case(2, GAPS, True, kernel_size=2, **FIRST),
    "2d, channels first, last output": case(2, kernel_size=2, **FIRST, **LAST),
    "2d, gaps, last output": case(2, GAPS, True, kernel_size=2, **LAST),
    "2d, zeros at gaps": case(2, GAPS, True, kernel_size=2, zero_output_for_mask=True),
    "2d, no bias, linear": case(
        2, kernel_size=2, use_bias=False, activation=None, recurrent_activation=jax.nn.hard_sigmoid
    ),
    "2d, both ways, gaps": case(2, GAPS, True, True, kernel_size=2),
    "3d": case(3, None, True, kernel_size=(2, 3, 1)),
    "3d, same, ragged": case(3, RAGGED, kernel_size=2, padding="same"),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_all_gradients(name: str) -> None:
    given = CASES[name]
    ours, theirs = pair(given.make, given.shape)
    xs, states = jnp.asarray(numbers(5, *given.shape)), given.initial(ours)
    masks: Any = ({}, {})
    if given.mask is not None:
        masks = ({"mask": given.mask}, {"mask": given.mask.reshape(B, T, *(1,) * (given.axes + 1))})
    mine = ours_with_gradients(ours, xs, states, **masks[0])
    yours = theirs_with_gradients(theirs, xs, states, **masks[1])
    assert_same(mine, yours)


def test_masks_as_other_layers_take_them() -> None:
    """Deviation: Keras's own raises, or masks places in rows without a gap."""
    given = CASES["2d, strides, ragged"]
    ours, theirs = pair(given.make, given.shape)
    xs = numbers(5, *given.shape)
    np.testing.assert_allclose(ours(xs, mask=RAGGED)[0][0], ours(xs)[0][0], 1e-12, 1e-12)
    with default_promotion():
        assert (np.asarray(theirs(xs, mask=jnp.asarray(RAGGED))[0][0]) != np.asarray(theirs(xs)[0][0])).any()
        with pytest.raises(ValueError, match="broadcasting"):
            theirs(xs[:2], mask=jnp.asarray(RAGGED[:2]))


@pytest.mark.parametrize("options", [{}, FIRST], ids=["channels last", "channels first"])
def test_stateful(options: Any) -> None:
    given = case(2, kernel_size=2, stateful=True, **options)
    ours, theirs = pair(given.make, given.shape)
    for i in range(2):
        xs = numbers(i, *given.shape)
        with default_promotion():
            wanted = theirs(xs)
        assert_same(ours(xs), wanted)
    kept = ours.state.get_value()[0].h
    assert kept.shape == (B, *ours.cell.functional.state_axes(SPACE[2]), F)
    ours.reset_state((B, *SPACE[2]))
    assert ours.state.get_value()[0].h.shape == kept.shape
    with default_promotion():
        theirs.reset_state()
        wanted = theirs(xs)
    assert_same(ours(xs), wanted)


def test_time_major() -> None:
    ours, theirs = pair(case(2, kernel_size=2, time_major=True).make, CASES["2d, gaps, last output"].shape)
    xs = numbers(5, B, T, *SPACE[2], C)
    mine = ours(xs.swapaxes(0, 1))
    with default_promotion():
        wanted = theirs(xs)
    assert_same([jnp.swapaxes(mine[0], 0, 1), *mine[1:]], wanted)


# ---------------------------------------------------------------- weights


def test_initial_weights_are_keras_distribution() -> None:
    """Glorot counts the window; the recurrent kernel is orthogonal as one matrix; the forget gate's bias is one."""
    size, window = 16, (3, 5)
    mine = K.ConvLSTM2D(size, window, in_features=8, rngs=nnx.Rngs(0)).get_weights()
    theirs = keras.layers.ConvLSTM2D(size, window, seed=0)
    with default_promotion():
        theirs.build((1, T, 9, 9, 8))
    wanted = [np.asarray(v.value) for v in theirs.weights]
    assert [a.shape for a in mine] == [a.shape for a in wanted]
    bounds = [abs(kernels[0]).max() for kernels in (mine, wanted)]
    assert 0.99 < bounds[0] / bounds[1] < 1.01
    for kernel in (mine[1], wanted[1]):
        flat = np.asarray(kernel, np.float64).reshape(-1, 4 * size)
        np.testing.assert_allclose(flat.T @ flat, np.eye(4 * size), atol=1e-5)
    np.testing.assert_array_equal(mine[2], wanted[2])
    np.testing.assert_array_equal(mine[2], np.eye(4)[1].repeat(size))


@pytest.mark.parametrize("value", [True, False])
def test_unit_forget_bias(value: bool) -> None:
    given = dict(kernel_size=2, bias_initializer="ones", unit_forget_bias=value)
    mine = K.ConvLSTM1D(F, in_features=C, rngs=nnx.Rngs(0), **given)
    theirs = keras.layers.ConvLSTM1D(F, **given)
    with default_promotion():
        theirs.build((1, T, 6, C))
    np.testing.assert_array_equal(mine.get_weights()[2], np.asarray(theirs.weights[2].value))


def test_penalties_and_constraints_see_keras_kernels() -> None:
    given = case(2, kernel_size=2, kernel_regularizer="l2", recurrent_constraint="unit_norm", activity_regularizer="l1")
    ours, theirs = pair(given.make, given.shape)
    xs = numbers(5, *given.shape)
    with default_promotion():
        theirs(xs)
        wanted, bound = sum(theirs.losses), theirs.cell.recurrent_constraint(theirs.cell.recurrent_kernel)
    ours(xs)
    np.testing.assert_allclose(K.losses(ours), wanted, rtol=1e-6)  # Keras keeps its factor in float32
    optimizer = nnx.Optimizer(ours, optax.chain(optax.sgd(0.0), K.constrain(ours)), wrt=nnx.Param)
    optimizer.update(ours, nnx.grad(lambda module: (module.cell.kernel[...] ** 2).sum())(ours))
    np.testing.assert_allclose(ours.cell.recurrent_kernel[...], bound, rtol=1e-6)


# ---------------------------------------------------------------- dropout


def test_dropout_goes_where_keras_puts_it() -> None:
    """A mask for each gate and place, the same at all steps."""
    options = dict(kernel_size=2, dropout=0.3, recurrent_dropout=0.4, seed=11)
    given = case(2, **options)
    ours, theirs = pair(given.make, given.shape)
    cell, axes = ours.cell, (B, *SPACE[2])
    inputs_key, states_key = jax.random.split(nnx.RngStream(11, tag="dropout")())
    kept = input_masks(inputs_key, 0.3, 4, *axes, C)
    assert 0.5 < float(kept.mean()) < 0.9
    assert len({m.tobytes() for m in np.asarray(kept)}) == 4
    theirs.cell._dropout_mask = list(np.asarray(kept) / 0.7)
    theta = cell.functional.theta(cell.params, cell.functional.state_axes(axes), jnp.float64, states_key)
    theirs.cell._recurrent_dropout_mask = [np.asarray(theta[f"recurrent_dropout_{g}"]) / 0.6 for g in "ifgo"]
    xs = jnp.asarray(numbers(5, *given.shape))
    wanted = theirs_with_gradients(theirs, xs, None, training=True)[0]
    assert_same(ours(xs, training=True), wanted)
    plain = ours(xs)
    assert (np.asarray(plain[0]) != np.asarray(wanted[0])).any()


# ---------------------------------------------------------------- wrong calls


def conv(*sizes: Any, **options: Any) -> Any:
    return K.ConvLSTM2D(*(sizes or (F, 3)), **dict(in_features=C, rngs=nnx.Rngs(0)) | options)


X = np.ones((B, T, *SPACE[2], C))
WRONG = [
    ("filters", lambda: conv(0, 3)),
    ("kernel_size", lambda: conv(F, (3, 3, 3))),
    ("kernel_size[1]", lambda: conv(F, (3, 0))),
    ("strides", lambda: conv(strides=(1,))),
    ("dilation_rate", lambda: conv(dilation_rate=0)),
    ("padding", lambda: conv(padding="causal")),
    ("data_format", lambda: conv(data_format="channel_first")),
    ("activation", lambda: conv(activation="tahn")),
    ("ConvLSTM2D() has no argument 'use_cudnn'", lambda: conv(use_cudnn=False)),
    ("ConvLSTM2D() has no argument 'implementation'", lambda: conv(implementation=1)),
    ("inputs", lambda: conv()(X[0])),
    ("inputs", lambda: conv()(X[..., :1])),
    ("inputs", lambda: conv()(X[:, :, :2])),
    ("inputs", lambda: conv(data_format="channels_first")(X[0])),
    ("inputs", lambda: conv(data_format="channels_first")(X.tolist())),
    ("mask", lambda: conv()(X, mask=np.ones(X.shape[:3], bool))),
    ("initial_state.c", lambda: conv()(X, initial_state=[np.ones((B, *SPACE[2], F))] * 2)),
    ("initial_state", lambda: conv(data_format="channels_first")(np.moveaxis(X, -1, 2), initial_state=[None])),
    ("batch", lambda: conv(stateful=True).reset_state(B)),
    ("weights[0]", lambda: conv().set_weights([np.ones((3, 3, C, F))] * 3)),
]


@pytest.mark.parametrize(("named", "call"), WRONG, ids=[f"{i}-{name.split()[0]}" for i, (name, _) in enumerate(WRONG)])
@pytest.mark.usefixtures("unchecked")
def test_wrong_call(named: str, call: Any) -> None:
    assert_refused(named, call)
