"""What was seen with models of 36 public packages: a case for each of the 22 faults, with weights of ours."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from jaxrnn.cli import main
from jaxrnn.functions.activations import keras2_hard_sigmoid
from tests.waiting import ran

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
h5py = pytest.importorskip("h5py")
helper, tensors = onnx.helper, onnx.numpy_helper

RNG = np.random.default_rng(0)
D, H = 3, 4


def f(*shape: int) -> Any:
    return RNG.normal(size=shape).astype("f")


W, R, BIAS = f(1, 16, D), f(1, 16, H), f(1, 32)
LSTM = dict(kernel=f(D, 16), recurrent_kernel=f(H, 16), bias=f(16))


def info(name: str) -> Any:
    return helper.make_tensor_value_info(name, 1, None)


def model(nodes: list[Any], out: str = "Y", **arrays: Any) -> Any:
    inits = [tensors.from_array(np.asarray(a), n) for n, a in arrays.items()]
    return helper.make_model(helper.make_graph(nodes, "g", [info("X")], [info(out)], inits))


def rnn(*more: str, **options: Any) -> Any:
    return helper.make_node("LSTM", ["X", "W", "R", "B", *more], ["Y"], hidden_size=H, name="rnn", **options)


def h5(path: Path, layers: list[Any], version: str, config: bool = True) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], top = version, file
        if config:
            nodes = [{"class_name": c, "config": k} for c, k, _ in layers]
            file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": nodes}})
            top = file.create_group("model_weights")
        for _, k, weights in layers:
            group = top.create_group(k["name"]).create_group(k["name"])
            for n, a in weights.items():
                group[n + ":0"] = a
    return path


def kernel_of(layer: Any) -> Any:
    return np.asarray(layer.params["kernel"])


def test_1_nodes_inside_branches() -> None:
    def branch(name: str) -> Any:
        node = helper.make_node("LSTM", ["X", "W", "R", "B"], [name], hidden_size=H)
        return helper.make_graph([node], "s", [], [info(name)])

    made = model(
        [helper.make_node("If", ["c"], ["Y"], then_branch=branch("a"), else_branch=branch("b"))], W=W, R=R, B=BIAS
    )
    assert [one.layer for one in interop.read_onnx(made)] == [jaxrnn.lstm(H)] * 2


def test_2_constants_behind_a_node() -> None:
    unsqueezed = model([helper.make_node("Unsqueeze", ["V", "a"], ["W"]), rnn()], V=W[0], a=np.array([0]), R=R, B=BIAS)
    expected = kernel_of(interop.load(model([rnn()], W=W, R=R, B=BIAS)))
    np.testing.assert_array_equal(kernel_of(interop.load(unsqueezed)), expected)
    numbers = RNG.integers(-9, 9, W.shape).astype("i1")
    bits = helper.make_node("DequantizeLinear", ["V", "s"], ["W"])
    got = interop.load(model([bits, rnn()], V=numbers, s=np.float32(0.1), R=R, B=BIAS))
    plain = interop.load(model([rnn()], W=numbers.astype("f") * np.float32(0.1), R=R, B=BIAS))
    np.testing.assert_array_equal(kernel_of(got), kernel_of(plain))


def test_3_names_of_torch_without_nodes() -> None:
    state = dict(weight_ih=W[0], weight_hh=R[0], bias_ih=BIAS[0, :16], bias_hh=BIAS[0, 16:])
    made = model(
        [helper.make_node("MatMul", ["X", "rnn.weight_ih"], ["Y"])], **{f"rnn.{n}": a for n, a in state.items()}
    )
    np.testing.assert_array_equal(kernel_of(interop.load(made, prefix="rnn")), kernel_of(interop.load(state)))


def test_4_lstms_of_eight_bits() -> None:
    inputs = ["X", "W", "R", "B", "", "", "", "", "ws", "wz", "rs", "rz"]
    node = helper.make_node("DynamicQuantizeLSTM", inputs, ["Y"], domain="com.microsoft", hidden_size=H)
    one, zero = np.full(1, 0.5, "f"), np.ones(1, "i1")
    arrays = dict(W=np.full((1, D, 16), 3, "i1"), R=np.full((1, H, 16), 3, "i1"), B=BIAS)
    (found,) = interop.read_onnx(model([node], **arrays, ws=one, wz=zero, rs=one, rz=zero))
    np.testing.assert_array_equal(found.params["recurrent_kernel"], 1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of TorchScript
def test_5_modules_of_torch(tmp_path: Path) -> None:
    """A whole module is refused in our words; of TorchScript the tensors are read."""
    module = torch.nn.LSTM(D, H)
    torch.save(module, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"state_dict\(\)") as error:
        interop.load(tmp_path / "w.pt")
    assert "weights_only=False" not in str(error.value).partition("trust")[0]
    assert "\x1b" not in str(error.value)
    script = torch.jit.script(module)
    script.save(str(tmp_path / "j.pt"))
    for source in (tmp_path / "j.pt", script):
        np.testing.assert_array_equal(kernel_of(interop.load(source)), kernel_of(interop.load(module)))


BESIDE = (
    {"epoch": 3},
    {"char2idx": {"a": 1}},
    {"idx2char": {0: "a"}},
    {"args": None},
    {"optimizer": {"param": [{"lr": 1}]}},
)


@pytest.mark.parametrize("beside", BESIDE, ids=lambda b: next(iter(b)))
def test_6_checkpoints_with_more_than_tensors(beside: Any, tmp_path: Path) -> None:
    state = torch.nn.LSTM(D, H).state_dict()
    torch.save({"model": state} | beside, tmp_path / "c.pt")
    for source in (tmp_path / "c.pt", {"model": state} | beside):
        np.testing.assert_array_equal(kernel_of(interop.load(source, prefix="model")), kernel_of(interop.load(state)))


def test_7_files_by_content(tmp_path: Path) -> None:
    torch.save(torch.nn.GRU(D, H).state_dict(), tmp_path / "weights")
    h5(tmp_path / "x.model", [("LSTM", dict(name="lstm_1", units=H), LSTM)], "2.3.1")
    np.savez(tmp_path / "a.npz", weight_ih=f(12, D), weight_hh=f(12, H))
    (tmp_path / "a.npz").rename(tmp_path / "a.sav")
    assert [interop.load(tmp_path / n).layer.name for n in ("weights", "x.model", "a.sav")] == ["gru", "lstm", "gru"]


def test_8_flat_names(tmp_path: Path) -> None:
    state = {"weight_ih": f(12, D), "weight_hh": f(12, H), "bias_ih": f(12), "bias_hh": f(12)}
    names = {f"enc_{n.replace('weight', 'w').replace('bias', 'b')}": n for n in state}
    np.savez(tmp_path / "a.npz", other=f(2), **{theirs: state[n] for theirs, n in names.items()})
    np.testing.assert_array_equal(
        kernel_of(interop.load(tmp_path / "a.npz", names=names)), kernel_of(interop.load(state))
    )


def test_9_a_gru_of_keras_2_0(tmp_path: Path) -> None:
    weights = dict(kernel=f(D, 12), recurrent_kernel=f(H, 12))
    path = h5(tmp_path / "g.h5", [("GRU", dict(name="gru_1", units=H, use_bias=False), weights)], "2.0.8")
    expected = jaxrnn.gru(H, reset_after=False, use_bias=False, gate_activation=keras2_hard_sigmoid)
    assert interop.load(path).layer == expected


def test_10_two_layers_of_a_kind(tmp_path: Path) -> None:
    upper = dict(kernel=f(H, 20), recurrent_kernel=f(5, 20), bias=f(20))
    layers = [("LSTM", dict(name="lstm_1", units=H), LSTM), ("LSTM", dict(name="lstm_2", units=5), upper)]
    path = h5(tmp_path / "t.h5", layers, "2.2.4")
    assert [interop.load(path, prefix=f"lstm_{k}").layer.size for k in (1, 2)] == [H, 5]


def test_11_weights_without_a_configuration(tmp_path: Path) -> None:
    old, open_ = (
        h5(tmp_path / f"{v}.h5", [("LSTM", dict(name="lstm_1"), LSTM)], v, False) for v in ("2.2.0", "2.2.4-tf")
    )
    assert dict(interop.load(old).layer.update.options)["gate_activation"] == keras2_hard_sigmoid
    with pytest.raises(ValueError, match="layer"):
        interop.load(open_)


@pytest.mark.parametrize("config", [True, False])
def test_12_layers_of_cudnn(config: bool, tmp_path: Path) -> None:
    weights = LSTM | dict(bias=f(32))
    path = h5(tmp_path / "c.h5", [("CuDNNLSTM", dict(name="cu_dnnlstm_1", units=H), weights)], "2.1.5", config)
    got = interop.load(path)
    np.testing.assert_array_equal(kernel_of(got)[:, 0], LSTM["kernel"][:, :H].T.reshape(D, H, order="F"))
    sums = weights["bias"].reshape(2, 4, H).sum(0)
    np.testing.assert_allclose(got.params["bias"], sums, rtol=1e-6)


def test_13_a_dense_layer_is_no_cell() -> None:
    with pytest.raises(ValueError, match="dense"):
        interop.load({"dense/kernel": f(10, 16), "dense/bias": f(16)})


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_14_live_layers_of_keras(backend: str) -> None:
    pytest.importorskip("keras")
    code = """
import keras, numpy as np
from jaxrnn import interop
layer = keras.layers.LSTM(4); layer.build((None, 3, 2))
found = interop.load(layer)
kernel = keras.ops.convert_to_numpy(layer.cell.kernel).reshape(2, 4, 4)
np.testing.assert_array_equal(found.params["kernel"], kernel)
"""
    done = ran([sys.executable, "-c", code], env={**os.environ, "KERAS_BACKEND": backend})
    assert done.returncode == 0, done.stderr


def test_15_a_gru_of_tensorflow_1() -> None:
    gates, candidate = f(10, 16), f(10, 8)
    gru = {"gates/kernel": gates, "gates/bias": f(16), "candidate/kernel": candidate, "candidate/bias": f(8)}
    got = interop.load(gru)
    assert got.layer == jaxrnn.gru(8, reset_after=False)
    with pytest.raises(ValueError, match="must be"):
        interop.load(gru, prefix="candidate")


def test_16_advice_may_be_pasted() -> None:
    tree = {"a/b/gru/w_i": f(D, 12), "a/b/gru/w_h": f(H, 12), "a/b/gru/b": f(12), "a/b/norm/scale": f(4)}
    with pytest.raises(ValueError, match="'a/b/gru'"):
        interop.load(tree, prefix="a/b")
    assert interop.load(tree, prefix="a/b/gru").layer.size == H


def test_17_weights_beside_the_model(tmp_path: Path) -> None:
    made = model([rnn(), helper.make_node("Add", ["Y", "e"], ["Z"])], "Z", W=W, R=R, B=BIAS, e=f(400))
    onnx.save(made, tmp_path / "e.onnx", save_as_external_data=True, location="e.data", size_threshold=100)
    plain = interop.load(model([rnn()], W=W, R=R, B=BIAS))
    np.testing.assert_array_equal(kernel_of(interop.load(tmp_path / "e.onnx")), kernel_of(plain))


def test_18_states_that_are_zeros() -> None:
    made = model([rnn("", "h", "h")], W=W, R=R, B=BIAS, h=np.zeros((1, 2, H), "f"))
    assert interop.load(made).layer == jaxrnn.lstm(H)


def test_19_a_layer_between_layers_is_no_stack(tmp_path: Path) -> None:
    norm = ("BatchNormalization", dict(name="bn"), dict(gamma=f(H), beta=f(H)))
    upper = dict(kernel=f(H, 16), recurrent_kernel=f(H, 16), bias=f(16))
    first = ("LSTM", dict(name="a", units=H, return_sequences=True), LSTM)
    last = ("LSTM", dict(name="b", units=H, return_sequences=True), upper)
    path = h5(tmp_path / "n.h5", [first, norm, last], "2.3.1")
    with pytest.raises(ValueError, match="takes something else than the outputs of 'a'"):
        interop.load(path, prefix=["a", "b"])
    assert interop.load(h5(tmp_path / "p.h5", [first, last], "2.3.1"), prefix=["a", "b"]).layer.output_size == H


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Keras, about NumPy
def test_20_nested_models_of_keras(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # where Keras runs on JAX
        x, inner = keras.Input((5, D)), keras.Sequential([keras.layers.LSTM(H, name="a")], name="enc")
        keras.Model(x, keras.layers.Dense(2)(inner(x))).save(tmp_path / "n.keras")
    assert interop.load(tmp_path / "n.keras", prefix="enc/a").layer.size == H


def test_21_several_prefixes_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All are kept; and a target of torch has torch's names."""
    lower, upper = torch.nn.LSTM(D, H), torch.nn.LSTM(H, H)
    torch.save(
        {f"{n}.{k}": t for n, m in (("a", lower), ("b", upper)) for k, t in m.state_dict().items()}, tmp_path / "x.pt"
    )
    assert main(["convert", str(tmp_path / "x.pt"), str(tmp_path / "y.pt"), "--prefix", "a", "--prefix", "b"]) == 0
    torch.nn.LSTM(D, H, num_layers=2).load_state_dict(torch.load(tmp_path / "y.pt"))
    assert "for torch" in capsys.readouterr().out


def test_22_printing_a_layer() -> None:
    assert repr(jaxrnn.lstm(4)) == "lstm(4)"
    assert len(repr(jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.lstm(4))] * 3))) < 200
