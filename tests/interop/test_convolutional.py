"""Weights of Keras's ConvLSTM1D to 3D and of flax.linen's ConvLSTMCell, live in float64 and by files, both ways."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

import jaxrnn
import jaxrnn.keras
import jaxrnn.nnx
from jaxrnn import convolution, interop
from tests.interop.compare import B, D, H, T, close, cotangent_of, ours, randomised
from tests.promotion import default_promotion

os.environ["KERAS_BACKEND"] = "jax"
SPACE = {1: (5,), 2: (5, 4), 3: (3, 2, 4)}
WINDOW = {1: (3,), 2: (3, 2), 3: (2, 1, 3)}


def cell_of(axes: int, use_bias: bool = True, **given: Any) -> Any:
    """Ours: the state's convolution as plain as Keras's and Flax's."""
    window = WINDOW[axes]
    return jaxrnn.lstm(
        H, use_bias=use_bias, input=convolution(window, **given), recurrent=convolution(window), activation=jnp.tanh,
        output_activation=jnp.tanh,
    )  # fmt: skip


def film(layer: Any, axes: int, seed: int = 1) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    shapes = layer.carry_shapes(layer.state_axes((B, *SPACE[axes])))
    return rng.standard_normal((T, B, *SPACE[axes], D)), type(shapes)(*map(rng.standard_normal, shapes))


# ---------------------------------------------------------------- Keras

KERAS = {
    "1d": (1, {}, {}),
    "1d, dilated": (1, dict(dilation_rate=2), dict(dilation=2)),
    "2d, strides": (2, dict(strides=(2, 1), padding="same"), dict(strides=(2, 1), padding="same")),
    "2d, no bias": (2, dict(use_bias=False), dict(use_bias=False)),
    "3d": (3, {}, {}),
}


def keras_layer(name: str, dtype: str = "float64", **more: Any) -> Any:
    keras = pytest.importorskip("keras")
    axes, options, _ = KERAS[name]
    given = dict(return_sequences=True, return_state=True, activation=jnp.tanh, dtype=dtype) | options | more
    with default_promotion():
        layer = getattr(keras.layers, f"ConvLSTM{axes}D")(H, WINDOW[axes], **given)
        layer.build((B, T, *SPACE[axes], D))
    for i, variable in enumerate(layer.trainable_variables):
        variable.assign(np.asarray(randomised(np.zeros(variable.shape), i)))
    return layer


@pytest.mark.parametrize("name", KERAS)
def test_keras_live(name: str) -> None:
    theirs, (axes, _, options) = keras_layer(name), KERAS[name]
    layer, params = interop.load(theirs)
    assert layer == cell_of(axes, **{"padding": "valid"} | options)
    xs, carry = film(layer, axes)
    names = [v.path.split("/", 1)[1] for v in theirs.trainable_variables]
    weights = [v.value for v in theirs.trainable_variables]

    def run(weights: Any, xs: Any, states: Any) -> Any:
        rest = [v.value for v in theirs.non_trainable_variables]
        (ys, *last), _ = theirs.stateless_call(weights, rest, jnp.swapaxes(xs, 0, 1), initial_state=states)
        return jnp.swapaxes(ys, 0, 1), last

    def load(arrays: Any) -> Any:
        return interop.load(dict(zip(names, arrays, strict=True)), "keras", layer=layer)

    (final, got), pull = ours(load, weights, xs, carry)
    with default_promotion():
        (ys, last), their_pull = jax.vjp(run, weights, xs, [carry.h, carry.c])
    close([got, final.h, final.c], [ys, *last])
    cotangent = cotangent_of((final, got))
    with default_promotion():
        dw, dx, (dh, dc) = their_pull((jnp.asarray(cotangent[1]), [jnp.asarray(a) for a in reversed(cotangent[0])]))
    our_dw, our_dx, our_dc = pull(cotangent)
    close([*our_dw, our_dx, our_dc.h, our_dc.c], [*dw, dx, dh, dc])
    saved = interop.save(layer, params, "keras")
    assert list(saved) == [f"conv_lstm{axes}d/cell/{n.split('/')[-1]}" for n in names]
    for a, b in zip(saved.values(), weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
@pytest.mark.filterwarnings("ignore")  # Keras calls its own .h5 legacy
def test_files_of_keras(suffix: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    path = tmp_path / f"model{suffix}"
    with default_promotion():
        layers = [keras.layers.ConvLSTM2D(H, (3, 2), return_sequences=True), keras.layers.ConvLSTM2D(2, 1, strides=2)]
        model = keras.Sequential([keras.Input((None, *SPACE[2], D)), *layers])
        model.save_weights(path) if suffix == ".weights.h5" else model.save(path)
    for i, layer in enumerate(layers):
        expected = interop.load(layer)
        prefix = f"layers/conv_lstm2d{'_1' * i}" if suffix == ".weights.h5" else layer.name
        plain = suffix == ".weights.h5" and i  # weights do not tell strides
        got = interop.load(path, prefix=prefix, layer=expected.layer if plain else None)
        assert got.layer == expected.layer
        jax.tree.map(np.testing.assert_array_equal, got.params, expected.params)
    window = jaxrnn.lstm(H, input=convolution((3, 2), padding="valid"), recurrent=convolution((3, 2)))
    assert interop.load(layers[0]).layer == window


def test_weights_that_keras_reads(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    cells = [
        jaxrnn.lstm(H, input=convolution((3, 2), padding=padding), recurrent=convolution((3, 2)))
        for padding in ("valid", "same")
    ]
    layers = jaxrnn.stack(cells)
    params = jax.tree.map(lambda a: a.astype(np.float32), layers.init(jax.random.key(0), D))
    interop.save(layers, params, "keras", tmp_path / "ours.weights.h5")
    theirs = [keras.layers.ConvLSTM2D(H, (3, 2), padding=p, return_sequences=True) for p in ("valid", "same")]
    with default_promotion():
        model = keras.Sequential([keras.Input((None, 6, 6, D)), *theirs])
        model.load_weights(tmp_path / "ours.weights.h5")
    for i, one in enumerate(theirs):
        layer, got = interop.load(one)
        assert layer == cells[i]
        jax.tree.map(np.testing.assert_array_equal, got, params[f"layer_{i}"])


def test_our_own_modules_and_files(tmp_path: Path) -> None:
    from flax import nnx

    module = jaxrnn.keras.ConvLSTM2D(H, 3, strides=2, in_features=D, rngs=nnx.Rngs(0))
    layer, params = interop.load(module)
    assert layer == module.cell.functional
    jax.tree.map(np.testing.assert_array_equal, params, module.cell.params)
    cell = jaxrnn.nnx.ConvLSTMCell(D, H, kernel_size=(3, 2), peepholes=True, rngs=nnx.Rngs(0))
    layer, params = interop.load(cell)
    assert layer == cell.functional
    apart = jaxrnn.lstm(H, input=convolution((5, 1)), recurrent=convolution((3, 3)), peepholes=True)
    for one in (layer, apart):
        params = jax.tree.map(np.float32, one.init(jax.random.key(1), D))
        interop.save(one, params, "jaxrnn", tmp_path / "ours.safetensors")
        got = interop.load(tmp_path / "ours.safetensors")
        assert got.layer == one
        jax.tree.map(np.testing.assert_array_equal, got.params, params)


# ---------------------------------------------------------------- flax.linen

PADDING = ((2, 0), (0, 1))
FLAX = {
    "1d": (1, {}, {}),
    "2d": (2, {}, {}),
    "2d, zeros before": (2, dict(padding=PADDING), dict(padding=PADDING)),
    "2d, no bias": (2, dict(use_bias=False), {}),
    "3d": (3, {}, {}),
}


@pytest.mark.parametrize("name", FLAX)
def test_flax(name: str) -> None:
    axes, options, form = FLAX[name]
    module = linen.ConvLSTMCell(H, WINDOW[axes], param_dtype=np.float64, dtype=np.float64, **options)
    rnn = linen.RNN(module, time_major=True, return_carry=True)
    window = convolution(WINDOW[axes], **form)
    cell = jaxrnn.lstm(H, input=window, recurrent=window)
    xs, carry = film(cell, axes)
    known = {"layer": cell} if form else {}  # which no array shows
    weights = randomised(rnn.init(jax.random.key(0), xs))
    assert interop.load(weights, **known).layer == cell

    def theirs(weights: Any, xs: Any, carry: Any) -> Any:
        return rnn.apply(weights, xs, initial_carry=tuple(carry))

    got, pull = ours(lambda w: interop.load(w, "flax.linen", **known), weights, xs, carry)
    with default_promotion():
        wanted, their_pull = jax.vjp(theirs, weights, xs, carry)
    close(got, wanted)
    cotangent = cotangent_of(got)
    with default_promotion():
        gradients = their_pull((tuple(cotangent[0]), cotangent[1]))
    close(pull(cotangent), gradients)

    params = randomised(cell.init(jax.random.key(0), D), 5)
    if name == "2d, no bias":
        with pytest.raises(ValueError, match=r"`bias` must be .*'f': 1\.0.* which has no bias"):
            interop.save(cell, params, "flax.linen", cell="ConvLSTMCell(use_bias=False)")
        params["bias"] = np.eye(4)[1][:, None].repeat(H, 1)
        saved = interop.save(cell, params, "flax.linen", cell="ConvLSTMCell(use_bias=False)")
    else:
        saved = interop.save(cell, params, "flax.linen")
    assert jax.tree.structure(saved) == jax.tree.structure(weights["params"]["cell"])
    with default_promotion():
        again = theirs({"params": {"cell": saved}}, xs, carry)
    close(again, jaxrnn.scan(cell, params, xs, carry))


def test_a_cell_without_bias_loses_nothing_in_flax() -> None:
    """Flax adds 1 to f at run time whatever it has; what we save takes that off."""
    cell = jaxrnn.lstm(H, input=convolution(3), recurrent=convolution(3), use_bias=False)
    params = randomised(cell.init(jax.random.key(0), D), 5)
    xs, carry = film(cell, 1)
    module = linen.ConvLSTMCell(H, (3,), param_dtype=np.float64)
    variables = {"params": {"cell": interop.save(cell, params, "flax.linen")}}
    with default_promotion():
        got = linen.RNN(module, time_major=True).apply(variables, xs, initial_carry=tuple(carry))
    close(got, jaxrnn.scan(cell, params, xs, carry)[1])


# ---------------------------------------------------------------- what does not fit

WINDOWS = convolution(3), convolution(3)
REFUSED = {
    "one kernel dense": (dict(input=WINDOWS[0]), "keras", "recurrent"),
    "another window": (dict(input=WINDOWS[0], recurrent=convolution(5)), "keras", "recurrent"),
    "a state that dilates": (dict(input=WINDOWS[0], recurrent=convolution(3, dilation=2)), "keras", "recurrent"),
    "both dilate": (dict.fromkeys(("input", "recurrent"), convolution(3, dilation=2)), "flax.linen", "input"),
    "strides": (dict(input=convolution(3, strides=2), recurrent=WINDOWS[0]), "flax.linen", "input"),
    "peepholes": (dict(input=WINDOWS[0], recurrent=WINDOWS[1], peepholes=True), "keras", "peepholes"),
    "torch has none": (dict(input=WINDOWS[0], recurrent=WINDOWS[1]), "torch", "input"),
    "another form": (dict(input=jaxrnn.low_rank(1)), "keras", "input"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_library_lacks_is_refused(name: str) -> None:
    options, library, argument = REFUSED[name]
    layer = jaxrnn.lstm(H, **options)
    with pytest.raises(ValueError, match=f"`{argument}` must be .*{'dense' if name == 'another form' else library}"):
        interop.save(layer, layer.init(jax.random.key(0), D), library)


def test_arrays_that_do_not_fit_are_named() -> None:
    arrays = {
        "kernel": np.ones((3, 3, D, 4 * H)),
        "recurrent_kernel": np.ones((3, 2, H, 4 * H)),
        "bias": np.ones(4 * H),
    }
    with pytest.raises(
        ValueError, match=r"kernel` must be of shape \(3, ., .*\), got float64.* Read as keras ConvLSTM"
    ):
        interop.load(arrays, "keras")
    with pytest.raises(ValueError, match=r"bias` must be of shape .* Read as keras ConvLSTM"):
        interop.load(arrays | {"recurrent_kernel": np.ones((3, 3, H, 4 * H)), "bias": np.ones(H)}, "keras")
