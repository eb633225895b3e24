"""Keras 3 on its JAX backend, live in float64; its own files, whole models and weights.

Keras's "tanh" drops float64 to float32, and so it gets a function around `jnp.tanh`. It repeats the last output at
masked steps; ours are zero there, so those steps are compared as zeros.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from tests.interop.compare import LENGTHS, B, D, H, T, close, cotangent_of, inputs, ours, randomised
from tests.promotion import default_promotion

os.environ["KERAS_BACKEND"] = "jax"
keras = pytest.importorskip("keras")


@keras.saving.register_keras_serializable()  # a Bidirectional makes its layers anew by name
def exact_tanh(x: Any) -> Any:
    return jnp.tanh(x)


EXACT = dict(activation=exact_tanh, dtype="float64")
ELMAN = dict(activation=exact_tanh)
LSTM = dict(activation=exact_tanh, output_activation=exact_tanh)


def two_cells() -> Any:
    """By names of their own: those that Keras makes up count every cell of the process."""
    cells = [keras.layers.LSTMCell(H, name="lstm_cell", **EXACT), keras.layers.LSTMCell(H - 1, name="upper", **EXACT)]
    stacked = keras.layers.StackedRNNCells(cells, name="stacked_rnn_cells", dtype="float64")
    return keras.layers.RNN(stacked, return_sequences=True, return_state=True, dtype="float64")


def layer_of(kind: str, **options: Any) -> Any:
    return getattr(keras.layers, kind)(H, return_sequences=True, return_state=True, **{**EXACT, **options})


LAYERS = {
    "lstm": (lambda: layer_of("LSTM"), jaxrnn.lstm(H, **LSTM)),
    "lstm without bias": (lambda: layer_of("LSTM", use_bias=False), jaxrnn.lstm(H, use_bias=False, **LSTM)),
    "lstm, relu and hard sigmoid": (
        lambda: layer_of("LSTM", activation="relu", recurrent_activation="hard_sigmoid"),
        jaxrnn.lstm(H, activation=jax.nn.relu, output_activation=jax.nn.relu, gate_activation=jax.nn.hard_sigmoid),
    ),
    "lstm backwards": (lambda: layer_of("LSTM", go_backwards=True), jaxrnn.reverse(jaxrnn.lstm(H, **LSTM))),
    "gru": (lambda: layer_of("GRU"), jaxrnn.gru(H, **ELMAN)),
    "gru, reset before": (lambda: layer_of("GRU", reset_after=False), jaxrnn.gru(H, reset_after=False, **ELMAN)),
    "simple": (lambda: layer_of("SimpleRNN"), jaxrnn.elman(H, **ELMAN)),
    "simple, linear": (lambda: layer_of("SimpleRNN", activation=None), jaxrnn.elman(H, activation=jax.nn.identity)),
    "bidirectional gru": (
        lambda: keras.layers.Bidirectional(layer_of("GRU"), dtype="float64"),
        jaxrnn.bidirectional(jaxrnn.gru(H, **ELMAN)),
    ),
    "bidirectional lstm, sum": (
        lambda: keras.layers.Bidirectional(layer_of("LSTM"), merge_mode="sum", dtype="float64"),
        jaxrnn.bidirectional(jaxrnn.lstm(H, **LSTM), merge="sum"),
    ),
    "stacked cells": (two_cells, jaxrnn.stack([jaxrnn.lstm(H, **LSTM), jaxrnn.lstm(H - 1, **LSTM)])),
}


def built(name: str) -> Any:
    layer = LAYERS[name][0]()
    with default_promotion():
        layer.build((B, T, D))
    for i, variable in enumerate(layer.trainable_variables):
        variable.assign(np.asarray(randomised(np.zeros(variable.shape), i)))
    return layer


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_states_and_gradients(name: str) -> None:
    theirs, expected = built(name), LAYERS[name][1]
    layer, params = interop.load(theirs)
    assert layer == expected
    xs, carry = inputs(layer)
    ragged = "backwards" not in name and "stacked" not in name
    lengths = LENGTHS if ragged else np.full(B, T)
    valid = np.arange(T)[:, None] < lengths
    states = keras_states(carry)
    weights = [v.value for v in theirs.trainable_variables]
    rest = [v.value for v in theirs.non_trainable_variables]

    def run(weights: Any, xs: Any, states: Any) -> Any:
        mask = dict(mask=jnp.asarray(valid.T)) if ragged else {}
        given = states if len(states) > 1 else states[0]
        if "stacked" in name:
            given = [states[:2], states[2:]]
        (ys, *last), _ = theirs.stateless_call(
            weights, rest, jnp.swapaxes(xs, 0, 1), initial_state=given, training=False, **mask
        )
        ys = jnp.swapaxes(ys, 0, 1)
        ys = ys[::-1] if "backwards" in name else ys
        return jnp.where(valid[..., None], ys, 0.0), jax.tree.leaves(last)

    with default_promotion():
        (ys, last), their_pull = jax.vjp(run, weights, xs, states)

    names = keras_names(theirs, len(weights))

    def load(arrays: Any) -> Any:
        return interop.load(dict(zip(names, arrays, strict=True)), "keras", layer=layer)

    (final, got), pull = ours(load, weights, xs, carry, lengths=lengths)
    close(got, ys)
    close(keras_states(final), last)
    cotangent = cotangent_of((final, got))
    with default_promotion():
        dw, dx, ds = their_pull((jnp.asarray(cotangent[1]), keras_states(cotangent[0])))
    our_dw, our_dx, our_dc = pull(cotangent)
    for a, b, which in zip(our_dw, dw, names, strict=True):
        close(a, b, which)
    close(our_dx, dx)
    close(keras_states(our_dc), ds)
    jax.tree.map(np.testing.assert_array_equal, params, load(weights).params)


def keras_states(carry: Any) -> list[Any]:
    """h, c of each cell in turn."""
    cells = jax.tree.leaves(carry, is_leaf=lambda c: hasattr(c, "h") and not hasattr(c, "forward"))
    return [jnp.asarray(a) for cell in cells for a in reversed(cell)]


def keras_names(layer: Any, count: int) -> list[str]:
    """The paths that Keras gives its weights, without the layer's own name."""
    names = [v.path for v in layer.trainable_variables]
    assert len(set(names)) == count
    return [
        "/".join(n.split("/")[1:]).replace("stacked_rnn_cells/upper", "stacked_rnn_cells/lstm_cell_1") for n in names
    ]


@pytest.mark.parametrize("name", LAYERS)
def test_saved_weights_give_keras_our_outputs(name: str) -> None:
    theirs = built(name)
    layer, params = interop.load(theirs)
    params = randomised(params, 7)
    parts = layer.layers if name == "stacked cells" else [layer]
    arrays: list[Any] = []
    for i, part in enumerate(parts):
        arrays += interop.save(part, params[f"layer_{i}"] if name == "stacked cells" else params, "keras").values()
    theirs.set_weights(arrays)
    again = interop.load(theirs).params
    xs, _ = inputs(layer)
    with default_promotion():
        ys = theirs(jnp.swapaxes(xs, 0, 1))[0]
    ys = ys[:, ::-1] if "backwards" in name else ys
    close(jaxrnn.scan(layer, params, xs)[1], np.swapaxes(ys, 0, 1))
    assert jax.tree.structure(again) == jax.tree.structure(params)


def model(*layers: Any) -> Any:
    with default_promotion():
        found = keras.Sequential([keras.Input((None, D)), *layers])
    for i, variable in enumerate(found.trainable_variables):
        variable.assign(np.asarray(randomised(np.zeros(variable.shape), i), np.float32))
    return found


MODELS = {
    "lstm": lambda: [keras.layers.LSTM(H, return_sequences=True, name="mine")],
    "gru, reset before": lambda: [
        keras.layers.GRU(H, reset_after=False, recurrent_activation="hard_sigmoid", return_sequences=True)
    ],
    "bidirectional": lambda: [keras.layers.Bidirectional(keras.layers.GRU(H, return_sequences=True), name="both")],
    "stacked": lambda: [
        keras.layers.RNN([keras.layers.GRUCell(H), keras.layers.LSTMCell(H - 1)], return_sequences=True)
    ],
}


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore")  # Keras calls its own .h5 legacy
def test_files(name: str, suffix: str, tmp_path: Path) -> None:
    if name == "stacked" and suffix == ".weights.h5":
        return  # two kinds of cells: weights alone do not tell their order, see below
    theirs, path = model(*MODELS[name]()), tmp_path / f"model{suffix}"
    with default_promotion():
        theirs.save_weights(path) if suffix == ".weights.h5" else theirs.save(path)
    expected = interop.load(theirs.layers[0])
    plain = suffix == ".weights.h5" and name == "gru, reset before"  # weights do not tell an activation
    got = interop.load(path, layer=expected.layer if plain else None)
    assert got.layer == expected.layer
    jax.tree.map(np.testing.assert_array_equal, got.params, expected.params)


def test_a_model_of_keras_2(tmp_path: Path) -> None:
    """Its hard sigmoid has another slope than Keras 3's, and its names of weights end in `:0`."""
    settings = dict(name="lstm_1", units=H, activation="tanh", recurrent_activation="hard_sigmoid", use_bias=True)
    config = {"class_name": "Sequential", "config": {"layers": [{"class_name": "LSTM", "config": settings}]}}
    shapes = {"kernel": (D, 4 * H), "recurrent_kernel": (H, 4 * H), "bias": (4 * H,)}
    weights = randomised({name: np.zeros(shape) for name, shape in shapes.items()})
    with pytest.importorskip("h5py").File(tmp_path / "model.h5", "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.2.4"
        for name, array in weights.items():
            file[f"model_weights/lstm_1/lstm_1/{name}:0"] = array
    layer, params = interop.load(tmp_path / "model.h5")
    xs, carry = inputs(layer)
    c, h = carry
    expected = []
    for x in xs:
        z = x @ weights["kernel"] + h @ weights["recurrent_kernel"] + weights["bias"]
        i, f, g, o = (z[:, k * H : (k + 1) * H] for k in range(4))
        i, f, o = (np.clip(0.2 * gate + 0.5, 0, 1) for gate in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        expected.append(h)
    close(jaxrnn.scan(layer, params, xs, carry), ((c, h), np.stack(expected)))


def test_weights_that_keras_reads(tmp_path: Path) -> None:
    layer = jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.gru(H)), jaxrnn.lstm(H)])
    params = jax.tree.map(lambda a: a.astype(np.float32), layer.init(jax.random.key(0), D))
    interop.save(layer, params, "keras", tmp_path / "ours.weights.h5")
    theirs = model(
        keras.layers.Bidirectional(keras.layers.GRU(H, return_sequences=True)),
        keras.layers.LSTM(H, return_sequences=True),
    )
    theirs.load_weights(tmp_path / "ours.weights.h5")
    for i, part in enumerate(theirs.layers):
        got = interop.load(part).params
        jax.tree.map(np.testing.assert_array_equal, got, params[f"layer_{i}"])


@pytest.mark.filterwarnings("ignore")
def test_one_layer_of_a_model(tmp_path: Path) -> None:
    theirs = model(
        keras.layers.LSTM(H, return_sequences=True, name="below"),
        keras.layers.LSTM(H, name="above"),
        keras.layers.Dense(2),
    )
    wanted = interop.load(theirs.layers[1]).params
    for suffix, prefix in ((".keras", "above"), (".h5", "above"), (".weights.h5", "layers/lstm_1")):
        path = tmp_path / f"model{suffix}"
        with default_promotion():
            theirs.save_weights(path) if suffix == ".weights.h5" else theirs.save(path)
        jax.tree.map(np.testing.assert_array_equal, interop.load(path, prefix=prefix).params, wanted)
        with pytest.raises(ValueError, match="prefix"):
            interop.load(path)
    jax.tree.map(np.testing.assert_array_equal, interop.load(theirs, prefix="above").params, wanted)


REFUSED = {
    "peepholes": (jaxrnn.lstm(H, peepholes=True), "peepholes"),
    "coupled gates": (jaxrnn.lstm(H, coupled=True), "coupled"),
    "projection": (jaxrnn.lstm(H, projection=2), "projection"),
    "cell clip": (jaxrnn.lstm(H, cell_clip=1.0), "cell_clip"),
    "layer norm": (jaxrnn.lstm(H, layer_norm=True), "layer_norm"),
    "no forget gate": (jaxrnn.lstm_1997(H), "forget_gate"),
    "leak": (jaxrnn.elman(H, leak=0.5), "leak"),
    "two activations": (jaxrnn.lstm(H, activation=jax.nn.relu), "output_activation"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_keras_lacks_is_refused_by_name(name: str) -> None:
    layer, option = REFUSED[name]
    with pytest.raises(ValueError, match=f"`{option}` must be .* for keras"):
        interop.save(layer, layer.init(jax.random.key(0), D), "keras")


def test_what_jaxrnn_lacks_is_refused_by_name() -> None:
    theirs = keras.layers.LSTM(H, activation="glu")
    with default_promotion():
        theirs.build((B, T, D))
    with pytest.raises(ValueError, match=r"`activation` must be .* a name out of .*'glu'"):
        interop.load(theirs)
    with pytest.raises(ValueError, match="built"):
        interop.load(keras.layers.LSTM(H))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore")  # Keras calls its own .h5 legacy
def test_names_that_are_other_layers_places(suffix: str, tmp_path: Path) -> None:
    """A layer's own name may be what the weights file calls another one."""
    with default_promotion():
        layers = [keras.layers.LSTM(3, return_sequences=True, name="lstm_1"), keras.layers.LSTM(3, name="lstm")]
        model = keras.Sequential([keras.Input((None, 3)), *layers])
        model.save(tmp_path / f"model{suffix}")
    for layer in layers:
        expected = interop.load(layer)
        got = interop.load(tmp_path / f"model{suffix}", prefix=layer.name)
        jax.tree.map(np.testing.assert_array_equal, got.params, expected.params)


def test_a_stack_from_its_weights_alone() -> None:
    """Keras numbers layers by their class; the layer that is given says how they follow each other."""
    layer = jaxrnn.stack([jaxrnn.lstm(5), jaxrnn.gru(4), jaxrnn.lstm(3)])
    params = layer.init(jax.random.key(0), inputs=2)
    loaded = jaxrnn.interop.load(jaxrnn.interop.save(layer, params, "keras"), layer=layer)
    jax.tree.map(np.testing.assert_array_equal, loaded.params, params)
