"""Keras's files of all versions: what a version's defaults were, names of that time, cuDNN's layouts, nested models."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from jaxrnn.functions.activations import hard_sigmoid, keras2_hard_sigmoid
from tests.promotion import default_promotion

os.environ.setdefault("KERAS_BACKEND", "jax")
h5py = pytest.importorskip("h5py")

D, H = 3, 4


def f(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("f")


def weights(gates: int, inputs: int = D, units: int = H, bias: tuple[int, ...] = ()) -> dict[str, Any]:
    whole = {"kernel": f(inputs, gates * units), "recurrent_kernel": f(units, gates * units)}
    return whole | ({"bias": f(*bias)} if bias else {})


def write(path: Path, layers: list[Any], version: str | None, config: bool = True) -> Path:
    """A file as Keras 2 wrote it: (class, configuration, weights) of each layer."""
    with h5py.File(path, "w") as file:
        top = file.create_group("model_weights") if config else file
        if version is not None:
            top.attrs["keras_version"] = file.attrs["keras_version"] = version
        if config:
            nodes = [{"class_name": c, "config": k} for c, k, _ in layers]
            file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": nodes}})
        for _, k, arrays in layers:
            group = top.create_group(k["name"]).create_group(k["name"])
            for name, array in arrays.items():
                group[f"{name}:0"] = array
    return path


LSTM = ("LSTM", dict(name="lstm_1", units=H), weights(4, bias=(4 * H,)))
SIGMOID, HARD = jax.nn.sigmoid, keras2_hard_sigmoid


@pytest.mark.parametrize(
    ("version", "gates"),
    [
        *((version, HARD) for version in ("2.0.8", "2.2.0", "2.2.4", "2.1.6-tf")),
        *((version, SIGMOID) for version in ("2.3.1", "2.3.0-tf", "2.4.0", "2.15.0", "3.3.3")),
    ],
)
@pytest.mark.parametrize("config", [False, True])
def test_the_gates_of_a_version(version: str, gates: Any, config: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "w.h5", [LSTM], version, config)
    assert interop.load(path).layer == jaxrnn.lstm(H, gate_activation=gates)


def test_hard_sigmoid_is_that_of_the_version(tmp_path: Path) -> None:
    for version, function in (("2.9.0", keras2_hard_sigmoid), ("3.0.0", hard_sigmoid)):
        config = LSTM[1] | {"recurrent_activation": "hard_sigmoid"}
        path = write(tmp_path / "w.h5", [("LSTM", config, LSTM[2])], version)
        assert interop.load(path).layer == jaxrnn.lstm(H, gate_activation=function)


@pytest.mark.parametrize("version", ["2.2.4-tf", None])
def test_a_version_that_two_wrote_is_no_guess(version: str | None, tmp_path: Path) -> None:
    path = write(tmp_path / "w.h5", [LSTM], version, config=False)
    with pytest.raises(ValueError, match=r"`layer` must be given, got None, and nothing tells .*gates|functions"):
        interop.load(path)
    layer = jaxrnn.lstm(H, gate_activation=keras2_hard_sigmoid)
    assert interop.load(path, layer=layer).layer == layer
    simple = ("SimpleRNN", dict(name="simple_rnn_1", units=H), weights(1, bias=(H,)))
    assert interop.load(write(tmp_path / "s.h5", [simple], version, config=False)).layer == jaxrnn.elman(H)


@pytest.mark.parametrize(
    ("version", "after"), [("2.0.8", False), ("2.2.2", False), ("2.3.1", False), ("2.1.6-tf", False), ("2.4.0", True)]
)
@pytest.mark.parametrize("config", [False, True])
def test_a_gru_that_does_not_say_when_it_resets(version: str, after: bool, config: bool, tmp_path: Path) -> None:
    plain = ("GRU", dict(name="gru_1", units=H, use_bias=False), weights(3))
    gates = SIGMOID if version >= "2.3" else HARD
    if config:
        layer = interop.load(write(tmp_path / "g.h5", [plain], version)).layer
        assert layer == jaxrnn.gru(H, use_bias=False, reset_after=after, gate_activation=gates)
    biased = ("GRU", dict(name="gru_1", units=H), weights(3, bias=(2, 3 * H) if after else (3 * H,)))
    layer = interop.load(write(tmp_path / "b.h5", [biased], version, config)).layer
    assert layer == jaxrnn.gru(H, reset_after=after, gate_activation=gates)


def test_a_gru_that_nothing_tells_of(tmp_path: Path) -> None:
    gru = ("GRU", dict(name="gru", units=H, use_bias=False, recurrent_activation="sigmoid"), weights(3))
    with pytest.raises(ValueError, match="`layer` must be given, got None, and nothing tells reset_after"):
        interop.load(write(tmp_path / "g.h5", [gru], "2.2.4-tf"))


def test_names_that_count_from_one(tmp_path: Path) -> None:
    """Each layer's own name is what Keras 3 calls the one before."""
    second = ("LSTM", dict(name="lstm_2", units=5), weights(4, H, 5, (20,)))
    path = write(tmp_path / "t.h5", [LSTM, second], "2.2.4")
    for class_name, config, arrays in (LSTM, second):
        layer, params = interop.load(path, prefix=config["name"])
        assert layer.size == config["units"], class_name
        np.testing.assert_array_equal(params["kernel"].reshape(-1, 4 * layer.size), arrays["kernel"])


# ---------------------------------------------------------------- cuDNN's layers


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3)])
@pytest.mark.parametrize("config", [False, True])
def test_cudnn_layers_as_keras_reads_them(kind: str, gates: int, config: bool, tmp_path: Path) -> None:
    """Keras 2's own loading into a plain layer is the judge. Without a configuration too: cuDNN has one function."""
    hdf5_format = pytest.importorskip("tf_keras.src.saving.legacy.hdf5_format")
    import tf_keras

    arrays = weights(gates, bias=(2 * gates * H,))
    path = write(
        tmp_path / "c.h5", [(f"CuDNN{kind}", dict(name=f"cu_dnn{kind.lower()}_1", units=H), arrays)], "2.2.4", config
    )
    options = dict(reset_after=True) if kind == "GRU" else {}
    theirs = getattr(tf_keras.layers, kind)(H, return_sequences=True, **options)
    theirs.build((None, None, D))
    theirs.set_weights(hdf5_format._convert_rnn_weights(theirs, list(arrays.values())))
    layer, params = interop.load(path)
    xs = f(6, 2, D)
    wanted = theirs(xs.swapaxes(0, 1)).numpy().swapaxes(0, 1)
    _, ys = jaxrnn.scan(layer, params, xs)
    np.testing.assert_allclose(ys, wanted, 2e-6, 2e-6)


# ---------------------------------------------------------------- several layers


def sequences(name: str, units: int = H, inputs: int = H, **more: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    config = dict(name=name, units=units, return_sequences=True, recurrent_activation="sigmoid") | more
    return "LSTM", config, weights(4, inputs, units, (4 * units,))


NORM = ("BatchNormalization", dict(name="norm"), dict(gamma=f(H)))
DROPOUT = ("Dropout", dict(name="dropout", rate=0.5), {})


def test_a_plain_chain_alone_is_stacked(tmp_path: Path) -> None:
    low, high = sequences("low", inputs=D), sequences("high")
    path = write(tmp_path / "m.h5", [low, DROPOUT, high], "2.9.0")
    assert interop.load(path, prefix=["low", "high"]).layer == jaxrnn.stack([jaxrnn.lstm(H), jaxrnn.lstm(H)])
    between = {
        "a layer between": [low, NORM, high],
        "the other order": [sequences("high", inputs=D), sequences("low")],
        "the last step alone": [sequences("low", inputs=D, return_sequences=False), high],
        "time turned around": [sequences("low", inputs=D, go_backwards=True), high],
    }
    for what, layers in between.items():
        path = write(tmp_path / "m.h5", layers, "2.9.0")
        with pytest.raises(ValueError, match="`prefix` must be layers of which each takes the outputs"):
            interop.load(path, prefix=["low", "high"])
        assert interop.load(path, prefix="high").layer.size == H, what


def test_sizes_that_do_not_follow(tmp_path: Path) -> None:
    """Where no configuration tells, the sizes do."""
    path = write(tmp_path / "w.h5", [sequences("low", inputs=D), sequences("high", 5, 7)], "2.9.0", config=False)
    with pytest.raises(ValueError, match="must be"):
        interop.load(path, prefix=["low", "high"])


MODELS = ("keras", "tf_keras")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("package", MODELS)
@pytest.mark.parametrize("suffix", [".keras", ".h5", ""])
def test_nested_models(package: str, suffix: str, tmp_path: Path) -> None:
    """A Sequential in a functional model, TimeDistributed layers, and chains that branch; "" is the live model."""
    keras = pytest.importorskip(package)
    layers = keras.layers
    with default_promotion():
        x = keras.Input((5, D))
        inner = keras.Sequential(
            [layers.LSTM(H, name="a", return_sequences=True), layers.GRU(H, return_sequences=True)], name="enc"
        )
        films = layers.TimeDistributed(layers.LSTM(2, name="frame"), name="films")(layers.Reshape((5, D, 1))(x))
        y = inner(x)
        first = layers.LSTM(H, name="first", return_sequences=True)(x)
        second = layers.LSTM(H, name="second", return_sequences=True)(layers.Dropout(0.1)(first))
        beside = layers.LSTM(H, name="beside", return_sequences=True)(layers.add([first, second]))
        whole = keras.Model(x, [y, films, beside])
    for variable in whole.weights:
        variable.assign(0.5 * f(*variable.shape))
    source: Any = whole
    if suffix:
        source = tmp_path / f"model{suffix}"
        with default_promotion():
            whole.save(source)
    for prefix, layer in (("enc/a", inner.layers[0]), ("films/frame", whole.get_layer("films").layer)):
        wanted, got = interop.load(layer), interop.load(source, prefix=prefix)
        assert got.layer == wanted.layer
        jax.tree.map(np.testing.assert_array_equal, got.params, wanted.params)
    assert interop.load(source, prefix=["first", "second"]).layer == jaxrnn.stack([jaxrnn.lstm(H)] * 2)
    with pytest.raises(ValueError, match="takes something else than the outputs of 'second'"):
        interop.load(source, prefix=["first", "second", "beside"])


@pytest.mark.filterwarnings("ignore")
def test_a_subclassed_model(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")

    class Model(keras.Model):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.rnn = keras.layers.GRU(H)
            self.head = keras.layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.head(self.rnn(x))

    with default_promotion():
        model = Model()
        model(np.zeros((1, 5, D), "f"))
        model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="Pass `prefix`, one of 'layers'"):
        interop.load(tmp_path / "model.keras")
    got = interop.load(tmp_path / "model.keras", prefix="layers/gru")
    jax.tree.map(np.testing.assert_array_equal, got.params, interop.load(model.rnn).params)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN", "Bidirectional"])
def test_live_layers_of_keras_2(kind: str) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    options = {} if kind == "SimpleRNN" else dict(recurrent_activation="hard_sigmoid")
    theirs = getattr(tf_keras.layers, "LSTM" if kind == "Bidirectional" else kind)(H, return_sequences=True, **options)
    theirs = tf_keras.layers.Bidirectional(theirs) if kind == "Bidirectional" else theirs
    xs = f(6, 2, D)
    with default_promotion():
        theirs(xs.swapaxes(0, 1))
        for variable in theirs.weights:
            variable.assign(0.5 * f(*variable.shape))
        wanted = theirs(xs.swapaxes(0, 1)).numpy().swapaxes(0, 1)
    layer, params = interop.load(theirs)
    np.testing.assert_allclose(jaxrnn.scan(layer, params, xs)[1], wanted, 2e-6, 2e-6)
