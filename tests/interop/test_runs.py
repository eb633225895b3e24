"""Runs for programs and on the command line: the model that ships, as a graph and as torch's; names and formats."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from jaxrnn.cli import main

H, D = 4, 3


def test_a_run_is_a_task_with_its_layers() -> None:
    run = jaxrnn.load_run("char_lm")
    assert (run.name, list(run.layers)) == ("char_lm", ["rnn"])
    layer, params = run.layers["rnn"]
    assert layer == run.task.layer
    assert params is run.params["rnn"]
    with pytest.raises(ValueError, match=r"`run` must be a run's folder, or .* char_lm, got 'runs/none'"):
        jaxrnn.load_run("runs/none")


def test_a_whole_model_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its logits and states in onnxruntime, two halves of a text one after the other."""
    runtime = pytest.importorskip("onnxruntime")
    target = tmp_path / "model.onnx"
    with jax.enable_x64(False):
        assert main(["convert", "char_lm", str(target), "--carry", "--runtime", "onnxruntime", "--batch", "1"]) == 0
    assert "wrote" in capsys.readouterr().out
    run = jaxrnn.load_run("char_lm")
    symbols = np.array([run.task.encode("ROMEO: what light")]).T
    wanted = run.task.logits(run.params, jaxrnn.scan(run.task.layer, run.params["rnn"], symbols)[1])
    session = runtime.InferenceSession(str(target))
    state = {f"initial_{s}_0": np.zeros((1, 1, run.task.layer.output_size), "f") for s in "hc"}
    got = []
    for half in (symbols[:7], symbols[7:]):
        out = session.run(["Y", "Y_h_0", "Y_c_0"], {"X": half.astype(np.int64)} | state)
        state = {"initial_h_0": out[1], "initial_c_0": out[2]}
        got.append(out[0])
    np.testing.assert_allclose(np.concatenate(got), wanted, 2e-5, 2e-5)


def test_a_layer_of_a_run_as_another_librarys(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with jax.enable_x64(False):
        assert main(["convert", "char_lm", str(tmp_path / "rnn.pt")]) == 0
        _, params = jaxrnn.load_run("char_lm").layers["rnn"]
    sizes = params["layer_0"]["kernel"].shape
    module = torch.nn.LSTM(sizes[0], sizes[2], len(params))
    module.load_state_dict(torch.load(tmp_path / "rnn.pt"))
    np.testing.assert_array_equal(interop.load(module).params["kernel"], params["layer_0"]["kernel"])


WRONG = {
    "a prefix": (["x.npz", "--prefix", "rmm"], "`prefix` must be where a layer is in the model: 'rnn', got 'rmm'"),
    "an option of graphs": (["x.npz", "--carry"], "`graph` must be left out for jaxrnn, which is no graph"),
    "an option of files": (["x.onnx", "--format", "npz"], "`--format` must be left out for a run"),
    "a runtime": (["x.onnx", "--runtime", "onnx"], "`runtime` must be None, or one of"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, message = WRONG[name]
    assert main(["convert", "char_lm", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_names_and_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    state = {"weight_ih": rng.normal(size=(12, D)), "weight_hh": rng.normal(size=(12, H))}
    flat = {f"enc_{name.replace('weight', 'w')}": a.astype("f") for name, a in state.items()}
    np.savez(tmp_path / "flat.npz", head=np.ones(2), **flat)
    (tmp_path / "flat.npz").rename(tmp_path / "flat")
    pairs = ["--names", "enc_w_ih=weight_ih", "enc_w_hh=weight_hh", "--format", "npz"]
    assert main(["inspect", str(tmp_path / "flat"), *pairs]) == 0
    assert "torch GRUCell" in capsys.readouterr().out
    assert main(["convert", str(tmp_path / "flat"), str(tmp_path / "ours.npz"), *pairs]) == 0
    got = interop.load(tmp_path / "ours.npz", "jaxrnn", layer=jaxrnn.gru(H, use_bias=False))
    np.testing.assert_array_equal(
        got.params["kernel"], interop.load(flat, names=dict(p.split("=") for p in pairs[1:3]))[1]["kernel"]
    )
    assert main(["convert", str(tmp_path / "flat"), str(tmp_path / "o.npz"), "--names", "foo"]) == 1
    assert "`--names` must be pairs" in capsys.readouterr().err
