"""Wrong arguments of every public function: one error that names the argument, and nothing written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop

GRU, LSTM = jaxrnn.gru(4), jaxrnn.lstm(4)
STATE = interop.save(GRU, GRU.init(jax.random.key(0), 3), "torch")
VECTOR = np.zeros(4 * 4 * (3 + 4) + 32, np.float32)
SUFFIXES = (".npz", ".safetensors", ".h5", ".keras", ".pt", ".onnx")


def parameters(layer: Any) -> Any:
    return layer.init(jax.random.key(0), 3)


pytestmark = pytest.mark.usefixtures("unchecked")

LOAD = ("source", "library", "layer", "prefix", "forget_bias")
SAVE = ("layer", "params", "library", "target", "cell", "prefix")
CALLS: tuple[tuple[Any, dict[str, Any], tuple[str, ...]], ...] = (
    (interop.load, dict(source=STATE), LOAD),
    (interop.load, dict(source="good.npz"), LOAD),
    (interop.load, dict(source=VECTOR, library="cudnn", layer=LSTM), LOAD),
    (interop.save, dict(layer=GRU, params=parameters(GRU), library="torch"), SAVE),
    (interop.save, dict(layer=GRU, params=parameters(GRU), library="keras", target="o.npz"), SAVE),
    (interop.save, dict(layer=LSTM, params=parameters(LSTM), library="haiku"), SAVE),
    (interop.save, dict(layer=LSTM, params=parameters(LSTM), library="cudnn"), SAVE),
    (interop.read_onnx, dict(model="good.onnx"), ("model",)),
    (interop.convert, dict(source="good.npz", target="o.npz"), ("source", "target", "of", "to", "prefix")),
    (interop.activation, dict(name="HardSigmoid"), ("name", "alpha", "beta", "clip")),
)
# What is right after all, by argument: None and "" where they are defaults, any number, any name.
RIGHT: dict[str, tuple[Any, ...]] = {
    "alpha": (None, 5, -1, 2.5),
    "beta": (None, 5, -1, 2.5),
    "clip": (None, 5, 2.5),
    "forget_bias": (None,),
    "library": (None,),
    "of": (None,),
    "to": (None,),
    "target": (None,),
    "cell": (None,),
    "layer": (None,),
}


def wrong() -> Iterator[Any]:
    yield from (None, 5, -1, 2.5, True, "x", "", "\0", b"", b"x", [], ["a"], [1], {}, {"a": 1}, ("a", "b"), object())
    yield from (np.array([np.nan]), np.zeros((2, 2)), np.array(["a"]), np.array(None), float("nan"), float("inf"))
    yield from (10**400, lambda x: x, int, {("a",): np.zeros(3)}, Path("folder"), "nowhere.npz", Path("nowhere.pt"))
    yield from (f"empty{suffix}" for suffix in SUFFIXES)


OURS = re.compile(r"`.+` must be .+, got |^could not write |^\S+ cannot be read: ", re.DOTALL)


def error_of(call: Any, given: dict[str, Any]) -> Exception | None:
    try:
        call(**given)
    except (ValueError, TypeError, OSError) as error:
        return error
    return None


def is_right(name: str, value: Any) -> bool:
    if name == "prefix":
        return value is None or isinstance(value, str)
    if name in ("target", "source", "model") and isinstance(value, str | Path) and len(str(value)) > 1:
        return True  # paths that do not exist may be written to, and by now do
    return any(value is right or (type(value) is type(right) and value == right) for right in RIGHT.get(name, ()))


@pytest.mark.filterwarnings("ignore")  # of torch and h5py, about empty files
def test_every_wrong_argument_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("h5py", "onnx", "safetensors", "torch"):
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    np.savez("good.npz", **STATE)
    interop.save(GRU, parameters(GRU), "onnx", "good.onnx")
    Path("folder").mkdir()
    for call, good, names in CALLS:
        call(**good)
        for name in names:
            for value in wrong():
                for suffix in SUFFIXES:
                    Path(f"empty{suffix}").write_bytes(b"")
                what = f"{call.__name__}({name}={value!r:.40})"
                error = error_of(call, {**good, name: value})
                if error is None:
                    assert is_right(name, value), f"{what} is taken"
                else:
                    assert OURS.search(str(error)), f"{what}: {type(error).__name__}: {error}"


def test_activations() -> None:
    for name, number in (("Tanh", "alpha"), ("Relu", "beta"), ("Elu", "beta"), ("LeakyRelu", "beta")):
        with pytest.raises(ValueError, match=f"`{number}` must be left out for {name}"):
            interop.activation(name, **{number: 1.0})
    for bad in (-1.0, 0, float("inf")):
        with pytest.raises(ValueError, match="`clip` must be a positive number"):
            interop.activation("Tanh", clip=bad)
    with pytest.raises(TypeError, match="`alpha` must be None or a number, got 'x'"):
        interop.activation("Elu", alpha="x")
    with pytest.raises(ValueError, match=r"`name` must be one of .* Did you mean 'HardSigmoid'"):
        interop.activation("Hardsigmoid")
    x = np.linspace(-3, 3, 7)
    np.testing.assert_allclose(interop.activation("ScaledTanh", 2, 0.5, 1)(x), 2 * np.tanh(0.5 * np.clip(x, -1, 1)))


def test_options_that_would_have_no_effect() -> None:
    lstm = parameters(LSTM)
    tf1 = interop.save(LSTM, lstm, "tf1")
    calls: tuple[tuple[Any, dict[str, Any], str], ...] = (
        (interop.save, dict(layer=LSTM, params=lstm, library="onnx", prefix="x"), "`prefix` must be left out for onnx"),
        (interop.save, dict(layer=LSTM, params=lstm, library="onnx", cell="LSTM"), "`cell` must be left out for onnx"),
        (interop.save, dict(layer=LSTM, params=lstm, library="cudnn", cell="x"), "`cell` must be left out for cudnn"),
        (interop.load, dict(source=VECTOR, library="cudnn", layer=LSTM, prefix="x"), "`prefix` must be left out"),
        (interop.load, dict(source=STATE, forget_bias=1.0), "`forget_bias` must be left out for torch GRU"),
        (interop.load, dict(source=tf1, prefix=["x"], layer=LSTM), "`layer` must be left out with several prefixes"),
    )
    for call, given, message in calls:
        with pytest.raises(ValueError, match=message):
            call(**given)
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="`library` must be left out, or 'torch' for this source, got 'keras'"):
        interop.load(torch.nn.LSTM(3, 4), "keras")


def test_convert_stacks_and_knows_suffixes(tmp_path: Path) -> None:
    for module in ("h5py", "onnx", "torch"):
        pytest.importorskip(module)
    upper = jaxrnn.lstm(5)
    above = interop.save(upper, upper.init(jax.random.key(1), 4), "torch", prefix="decoder")
    np.savez(tmp_path / "both.npz", **above, **{f"encoder.{name}": array for name, array in STATE.items()})
    library, table = interop.convert(tmp_path / "both.npz", tmp_path / "o.npz", prefix=["encoder", "decoder"])
    assert library == "jaxrnn"
    assert {row.ours.partition("/")[0] for row in table} == {"layer_0", "layer_1"}
    layer = jaxrnn.stack([GRU, upper])
    got = interop.load(tmp_path / "o.npz", layer=layer)
    wanted = interop.load(tmp_path / "both.npz", prefix=["encoder", "decoder"])
    assert wanted.layer == layer
    jax.tree.map(np.testing.assert_array_equal, got.params, wanted.params)
    np.savez(tmp_path / "one.npz", **STATE)
    for suffix, name in ((".pt", "torch"), (".pth", "torch"), (".h5", "keras"), (".onnx", "onnx"), (".npz", "jaxrnn")):
        assert interop.convert(tmp_path / "one.npz", tmp_path / f"o{suffix}")[0] == name
    torch = pytest.importorskip("torch")
    module = torch.nn.GRU(3, 4)
    module.load_state_dict(torch.load(tmp_path / "o.pt"))  # torch's own names
