"""`jaxrnn convert`: the table it prints, the file it writes, what it says to a mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from jaxrnn.cli import main
from jaxrnn.cli.typed_cells import cell_of

WEIGHTS = {
    "encoder.rnn.weight_ih_l0": np.ones((12, 3), np.float32),
    "encoder.rnn.weight_hh_l0": np.full((12, 4), 2, np.float32),
    "encoder.rnn.bias_ih_l0": np.arange(12, dtype=np.float32),
    "encoder.rnn.bias_hh_l0": np.full(12, 3, np.float32),
    "head.weight": np.ones((2, 4), np.float32),
}
TABLE = """array         shape    parameter
weight_ih_l0  [12, 3]  kernel
weight_hh_l0  [12, 4]  recurrent_kernel
bias_ih_l0    [12]     bias
bias_hh_l0    [12]     recurrent_bias
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    np.savez(tmp_path / "torch.npz", **WEIGHTS)
    return tmp_path / "torch.npz"


def test_table_and_file(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("safetensors")
    target = tmp_path / "ours.safetensors"
    assert main(["convert", str(source), str(target), "--prefix", "encoder.rnn"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(TABLE)
    assert shown.endswith(f"wrote {target} for jaxrnn\n")
    layer, params = interop.load(target)
    assert layer == jaxrnn.gru(4)
    inner = WEIGHTS["encoder.rnn.bias_ih_l0"].reshape(3, 4) + np.array([[3.0], [3.0], [0.0]], np.float32)
    np.testing.assert_array_equal(params["bias"], inner)
    np.testing.assert_array_equal(params["recurrent_bias"], np.full(4, 3.0))


def test_from_library_to_library(source: Path, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    target = tmp_path / "keras.weights.h5"
    assert main(["convert", str(source), str(target), "--from", "torch", "--prefix", "encoder.rnn"]) == 0
    expected = interop.load(WEIGHTS, prefix="encoder.rnn")
    got = interop.load(target)
    assert got.layer == expected.layer
    jax.tree.map(np.testing.assert_array_equal, got.params, expected.params)


def test_cells_that_weights_leave_open(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torchrecurrent = pytest.importorskip("torchrecurrent")
    module = torchrecurrent.JANET(3, 4, num_layers=2, beta=0.5)
    torch.save(module.state_dict(), tmp_path / "janet.pt")
    cell = ["--cell", "janet(4, beta=0.5)"]
    target = tmp_path / "ours.npz"
    assert main(["convert", str(tmp_path / "janet.pt"), str(target), "--from", "torchrecurrent", *cell, *cell]) == 0
    expected = interop.load(module)
    got = interop.load(target, layer=expected.layer)
    jax.tree.map(np.testing.assert_array_equal, got.params, expected.params)


def test_cells_are_read_and_not_run() -> None:
    assert cell_of("ind_rnn(8, activation=tanh)") == jaxrnn.ind_rnn(8, activation=jax.nn.tanh)
    assert cell_of("cfc(4, mode='pure', backbone=8)") == jaxrnn.cfc(4, mode="pure", backbone=8)
    for text, expected in (
        ("mgu", "a cell as its factory is called"),
        ("mgu(", "a cell as its factory is called"),
        ("mgu(4)(5)", "a cell as its factory is called"),
        ("mgu(4, *x)", "a cell as its factory is called"),
        ("mgu(4, **x)", "a cell as its factory is called"),
        ("jaxrnn.mgu(4)", "a cell as its factory is called"),
        ("mgru(4)", "a call of one of .*Did you mean 'mgu'"),
        ("print(4)", "a call of one of"),
        ("mgu(4, reset=print())", "with options that are numbers, strings or names of activations"),
        ("mgu(4, activation=tanhh)", "Did you mean 'tanh'"),
    ):
        with pytest.raises((ValueError, TypeError), match=f"`cell` must be .*{expected}"):
            cell_of(text)
    with pytest.raises(TypeError, match="`size` must be "):
        cell_of("mgu('x')")


def test_help_names_the_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["convert", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert all(library in shown for library in interop.LIBRARIES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["torch.npz", "ours.npz"], "Pass `prefix`, one of 'encoder'"),
        (["torch.npz", "ours.bin", "--prefix", "encoder.rnn"], "`target` must be a path that ends in one of"),
        (["torch.npz", "ours.npz", "--prefix", "decoder"], "`prefix` must be the start of some names"),
        (["torch.npz", "ours.npz", "--from", "caffe"], "`of` must be one of"),
        (["torch.npz", "ours.npz", "--to", "caffe", "--prefix", "encoder.rnn"], "`to` must be one of"),
        (["torch.npz", "ours.npz", "--prefix", "encoder.rnn", "--cell", "mgru(4)"], "`cell` must be a call of one of"),
        (["torch.npz", "ours.npz", "--from", "ncps", "--prefix", "encoder.rnn"], "`layer` must be given for ncps"),
        (["nowhere.npz", "ours.npz"], "`source` must be a file that is there, got 'nowhere.npz'"),
    ],
)
def test_mistakes(
    arguments: list[str],
    message: str,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(source.parent)
    assert main(["convert", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("jaxrnn: error: ")
    assert message in error
    assert not list(source.parent.glob("ours*"))


def test_several_prefixes_make_a_stack(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.ModuleDict({"low": torch.nn.LSTM(3, 4), "high": torch.nn.LSTM(4, 5)})
    torch.save(model.state_dict(), tmp_path / "model.pt")
    target = tmp_path / "ours.npz"
    assert main(["convert", str(tmp_path / "model.pt"), str(target), "--prefix", "low", "--prefix", "high"]) == 0
    layer = jaxrnn.stack([jaxrnn.lstm(4), jaxrnn.lstm(5)])
    loaded, params = interop.load(target, layer=layer)
    xs = np.random.default_rng(1).normal(size=(6, 2, 3)).astype(np.float32)
    with torch.no_grad():
        want = model["high"](model["low"](torch.from_numpy(xs))[0])[0].numpy()
    np.testing.assert_allclose(jaxrnn.scan(loaded, params, xs)[1], want, rtol=1e-5, atol=1e-6)


OURS = {
    "two of a kind": jaxrnn.stack([jaxrnn.lstm(5), jaxrnn.lstm(4, peepholes=True)]),
    "several kinds": jaxrnn.stack([jaxrnn.lstm(5), jaxrnn.gru(4), jaxrnn.elman(3)]),
    "both directions": jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.lstm(5), jaxrnn.gru(3)), jaxrnn.lstm(4)]),
    "a stack each way": jaxrnn.bidirectional(jaxrnn.stack([jaxrnn.gru(3), jaxrnn.lstm(4)])),
}


def names_of(layer: Any) -> Any:
    """The kinds of a layer's cells and their sizes, as they lie in it."""
    if not layer.parts:
        return layer.name, layer.output_size
    return type(layer), [names_of(part) for part in layer.parts]


@pytest.mark.parametrize("name", OURS)
def test_our_own_parameters_tell_their_layers(name: str) -> None:
    """A kernel `[D, G, H]` is no kernel of a convolution over one axis, as Keras's ConvLSTM1D has one."""
    params = OURS[name].init(jax.random.key(0), inputs=3)
    layer, found = interop.load(params)
    assert names_of(layer) == names_of(OURS[name])
    assert jax.tree.structure(found) == jax.tree.structure(params)
    jax.tree.map(np.testing.assert_array_equal, found, params)


def test_our_own_parameters_that_several_cells_have() -> None:
    params = jaxrnn.mgu(4).init(jax.random.key(0), inputs=3)
    with pytest.raises(ValueError, match=r"those of our .*mgu.*: pass `layer`, such as jaxrnn\.\w+\(H\)"):
        interop.load(params)
