"""The promise of `jaxrnn.keras`, row by row, against the live layers of Keras, in float64."""

from __future__ import annotations

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrnn.keras as K
from jaxrnn.flax_common.promise import TABLE
from tests.keras_layers.live import D, H, assert_same, keras, numbers, pair
from tests.promotion import default_promotion

B, T = 3, 7
XS = numbers(1, B, T, D)
LAYERS = ("LSTM", "GRU", "SimpleRNN")
KERAS = {row.what: row for row in TABLE if row.where == "keras layers"}
ONES = {"kernel": "ones", "recurrent": "identity", "bias": "ones"}


def same(kind: str = "LSTM", **options: Any) -> None:
    ours, theirs = pair(lambda build: build.layer(kind, **options))
    with default_promotion():
        wanted = theirs(XS)
    assert_same(ours(jnp.asarray(XS)), wanted)
    if options.get("stateful"):
        with default_promotion():
            wanted = theirs(XS)
        assert_same(ours(jnp.asarray(XS)), wanted)


def drawn(array: str, **options: Any) -> None:
    """What a deterministic initialiser puts into the weights, the forget gate's bias included."""
    for kind in LAYERS:
        mine = getattr(K, kind)(D, in_features=D, rngs=nnx.Rngs(0), **{f"{array}_initializer": ONES[array]}, **options)
        theirs = getattr(keras.layers, kind)(D, dtype="float64", **{f"{array}_initializer": ONES[array]}, **options)
        with default_promotion():
            theirs.build((B, T, D))
        place = ("kernel", "recurrent", "bias").index(array)
        np.testing.assert_array_equal(mine.get_weights()[place], np.asarray(theirs.weights[place].value))


def regularised(argument: str) -> None:
    """The loss that Keras adds."""
    mine, theirs = pair(lambda build: build.layer("LSTM", return_sequences=True, **{argument: "l2"}))
    with default_promotion():
        theirs(XS)
        wanted = sum(theirs.losses)
    mine(jnp.asarray(XS))
    np.testing.assert_allclose(K.losses(mine), wanted, rtol=1e-6)  # Keras keeps its factor in float32


def constrained(argument: str) -> None:
    mine, theirs = pair(lambda build: build.layer("GRU", **{argument: "unit_norm"}))
    array = argument.removesuffix("_constraint")
    place = ("kernel", "recurrent", "bias").index(array)
    weight = mine.get_weights()[place]
    with default_promotion():
        wanted = getattr(theirs.cell, argument)(weight)
    np.testing.assert_allclose(getattr(mine.cell, argument)(jnp.asarray(weight)), wanted, rtol=1e-6)


def masked(**options: Any) -> None:
    """Other keys, the same rates: in training the outputs differ from call to call, without it they are Keras's."""
    same(**options)
    module = K.LSTM(H, in_features=D, rngs=nnx.Rngs(0), return_sequences=True, **options)
    first, second = (module(jnp.asarray(XS), training=True) for _ in range(2))
    assert bool((first != second).any())


def needed() -> None:
    keras.layers.LSTM(H)
    with pytest.raises(TypeError, match="in_features"):
        K.LSTM(H)


def positions() -> None:
    for kind in LAYERS:
        module = getattr(K, kind)(4, in_features=D, rngs=nnx.Rngs(0))
        assert module.cell.units == 4


CHECKS = {
    "units": positions,
    "activation": lambda: [same(kind, activation=jax.nn.relu) for kind in LAYERS],
    "recurrent_activation": lambda: [same(kind, recurrent_activation=jax.nn.relu) for kind in LAYERS[:2]],
    "use_bias": lambda: [same(kind, use_bias=False) for kind in LAYERS],
    "kernel_initializer": lambda: drawn("kernel"),
    "recurrent_initializer": lambda: drawn("recurrent"),
    "bias_initializer": lambda: drawn("bias"),
    "unit_forget_bias": lambda: [same(unit_forget_bias=value) for value in (True, False)],
    **{
        f"{name}_regularizer": lambda name=name: regularised(f"{name}_regularizer")
        for name in ("kernel", "recurrent", "bias", "activity")
    },
    **{
        f"{name}_constraint": lambda name=name: constrained(f"{name}_constraint")
        for name in ("kernel", "recurrent", "bias")
    },
    "return_sequences": lambda: same(return_sequences=True),
    "return_state": lambda: [same(kind, return_state=True) for kind in LAYERS],
    "go_backwards": lambda: same(go_backwards=True, return_sequences=True),
    "stateful": lambda: same(stateful=True),
    "reset_after": lambda: [same("GRU", reset_after=value) for value in (True, False)],
    "dropout": lambda: masked(dropout=0.5),
    "recurrent_dropout": lambda: masked(recurrent_dropout=0.5),
    "seed": lambda: masked(dropout=0.5, seed=3),
    "unroll": lambda: same(unroll=True),
    "use_cudnn": lambda: same(use_cudnn=False),
    "in_features and rngs": needed,
}


def same_films(*options: dict[str, Any]) -> None:
    for given in options:
        first = given.get("data_format") == "channels_first"
        xs = numbers(2, *((B, T, D, 5, 6) if first else (B, T, 5, 6, D)))
        mine, theirs = pair(lambda build, given=given: build.layer("ConvLSTM2D", H, D, **given), xs.shape)
        with default_promotion():
            wanted = theirs(xs)
        assert_same(mine(xs), wanted)


def together(**more: Any) -> None:
    """Deviation: both, of which each alone is Keras's."""
    same_films(dict(kernel_size=2, **more))
    both = dict(kernel_size=2, strides=2, dilation_rate=2)
    with pytest.raises(ValueError, match="not compatible"):
        keras.layers.ConvLSTM2D(H, **both)
    assert K.ConvLSTM2D(H, in_features=D, rngs=nnx.Rngs(0), **both)(numbers(2, B, T, 5, 6, D)).shape == (B, 2, 2, H)


def whole_steps() -> None:
    """Deviation, for the row without a gap."""
    mine, theirs = pair(lambda build: build.layer("ConvLSTM1D", H, D, kernel_size=1), (B, T, B, D))
    xs, mask = numbers(2, B, T, B, D), np.arange(T)[None] < np.array([T, T, 1])[:, None]
    with default_promotion():
        wanted, masked = theirs(xs), theirs(xs, mask=jnp.asarray(mask))
    assert (np.asarray(wanted[0]) != np.asarray(masked[0])).any()
    assert_same(mine(xs, mask=mask)[0], wanted[0])


CONVOLUTIONS = {row.what: row for row in TABLE if row.where == "keras ConvLSTM layers"}
FIRST, LAST = ({"data_format": f"channels_{which}", "kernel_size": 2} for which in ("first", "last"))
ON_GRIDS = {
    "filters": lambda: same_films({"kernel_size": 2}),
    "kernel_size": lambda: same_films({"kernel_size": 3}, {"kernel_size": (1, 2)}),
    "padding": lambda: same_films(*({"kernel_size": 2, "padding": padding} for padding in ("same", "valid", "SAME"))),
    "strides": lambda: together(strides=(2, 1)),
    "dilation_rate": lambda: together(dilation_rate=(1, 2)),
    "data_format": lambda: same_films(FIRST, LAST, {"kernel_size": 2}),
    "masks": whole_steps,
}


@pytest.mark.parametrize("what", CONVOLUTIONS)
def test_row_of_convolutions(what: str) -> None:
    ON_GRIDS[what]()


def test_every_argument_of_kerass_has_a_row() -> None:
    for kind in ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"):
        given = set(inspect.signature(getattr(keras.layers, kind).__init__).parameters) - {"self", "kwargs"}
        assert given <= {*KERAS, *CONVOLUTIONS}, f"{kind}: no row for {given - {*KERAS, *CONVOLUTIONS}}"
    assert set(CONVOLUTIONS) == set(ON_GRIDS)
    for kind in LAYERS:
        given = set(inspect.signature(getattr(keras.layers, kind).__init__).parameters) - {"self", "kwargs"}
        assert given <= set(KERAS), f"{kind}: no row for {given - set(KERAS)}"
    assert set(KERAS) == set(CHECKS)


@pytest.mark.parametrize("what", KERAS)
def test_row(what: str) -> None:
    CHECKS[what]()
