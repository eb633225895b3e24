"""ONNX models as exporters make them, against onnxruntime: nested graphs, folded weights, files beside, zero states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

T, B, D, H = 5, 2, 3, 4
RNG = np.random.default_rng(0)
WEIGHTS = {n: RNG.normal(size=s).astype("f") for n, s in (("W", (1, 16, D)), ("R", (1, 16, H)), ("B", (1, 32)))}
XS = RNG.normal(size=(T, B, D)).astype("f")
FLOAT32 = 3e-6
helper = onnx.helper


def lstm(name: str = "rnn", inputs: Sequence[str] = ("X", "W", "R", "B"), out: str = "Y") -> Any:
    return helper.make_node("LSTM", list(inputs), [out], hidden_size=H, name=name)


def model(nodes: Sequence[Any], out: str = "Y", functions: Sequence[Any] = (), **arrays: Any) -> Any:
    values = [helper.make_tensor_value_info("X", 1, [T, B, D])]
    tensors = [onnx.numpy_helper.from_array(np.asarray(a), n) for n, a in arrays.items()]
    graph = helper.make_graph(list(nodes), "g", values, [helper.make_tensor_value_info(out, 1, None)], tensors)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("own", 1)]
    made = helper.make_model(graph, opset_imports=opsets, functions=list(functions))
    made.ir_version = 10
    return made


def run(source: Any) -> Any:
    content = str(source) if isinstance(source, Path) else source.SerializeToString()
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    return runtime.InferenceSession(content, options).run(None, {"X": XS})[0]


def check(source: Any, **load: Any) -> None:
    """`load` gives onnxruntime's outputs."""
    layer, params = interop.load(source, **load)
    np.testing.assert_allclose(jaxrnn.scan(layer, params, XS)[1], run(source)[:, 0], FLOAT32, FLOAT32)


def ints(*numbers: int) -> Any:
    return np.array(numbers, np.int64)


W, R, BIAS = (WEIGHTS[n] for n in "WRB")
node = helper.make_node
FOLDED: dict[str, Callable[[], Any]] = {
    "Constant": lambda: model(
        [node("Constant", [], ["W"], value=onnx.numpy_helper.from_array(W)), lstm()], R=R, B=BIAS
    ),
    "Identity": lambda: model([node("Identity", ["w"], ["W"]), lstm()], w=W, R=R, B=BIAS),
    "Unsqueeze": lambda: model([node("Unsqueeze", ["w", "a"], ["W"]), lstm()], w=W[0], a=ints(0), R=R, B=BIAS),
    "Squeeze": lambda: model([node("Squeeze", ["w", "a"], ["W"]), lstm()], w=W[None], a=ints(0), R=R, B=BIAS),
    "Transpose": lambda: model(
        [node("Transpose", ["w"], ["W"], perm=[0, 2, 1]), lstm()], w=W.swapaxes(1, 2).copy(), R=R, B=BIAS
    ),
    "Reshape": lambda: model([node("Reshape", ["w", "s"], ["W"]), lstm()], w=W.ravel(), s=ints(1, -1, D), R=R, B=BIAS),
    "Cast": lambda: model([node("Cast", ["w"], ["W"], to=1), lstm()], w=W.astype(np.float16), R=R, B=BIAS),
    "Split": lambda: model(
        [node("Split", ["w", "s"], ["W", "rest"], axis=0), lstm()],
        w=np.concatenate([W, W + 1]),
        s=ints(1, 1),
        R=R,
        B=BIAS,
    ),
    "Slice, backwards": lambda: model(
        [node("Slice", ["w", "s", "e", "a", "d"], ["W"]), lstm()],
        w=W[:, ::-1].copy(),
        s=ints(-1),
        e=ints(-100),
        a=ints(1),
        d=ints(-1),
        R=R,
        B=BIAS,
    ),
    "Concat of slices": lambda: model(
        [
            *(node("Slice", ["w", f"s{i}", f"e{i}", "a"], [f"w{i}"]) for i in range(3)),
            node("Concat", ["w0", "w1", "w2"], ["joined"], axis=0),
            node("Unsqueeze", ["joined", "a"], ["W"]),
            lstm(),
        ],
        w=np.concatenate([W[0, :H], W[0, 2 * H :], W[0, H : 2 * H]]),
        a=ints(0),
        R=R,
        B=BIAS,
        s0=ints(0),
        e0=ints(H),
        s1=ints(3 * H),
        e1=ints(2**62),
        s2=ints(H),
        e2=ints(3 * H),
    ),
    "DequantizeLinear": lambda: model(
        [node("DequantizeLinear", ["w", "s", "z"], ["W"]), lstm()],
        w=RNG.integers(-9, 9, W.shape).astype("i1"),
        s=np.float32(0.1),
        z=np.int8(2),
        R=R,
        B=BIAS,
    ),
    "DequantizeLinear by axis": lambda: model(
        [node("DequantizeLinear", ["w", "s", "z"], ["W"], axis=1), lstm()],
        w=RNG.integers(0, 9, W.shape).astype("u1"),
        s=np.linspace(0.1, 0.3, 16, dtype="f"),
        z=np.arange(16, dtype="u1"),
        R=R,
        B=BIAS,
    ),
}


@pytest.mark.parametrize("name", FOLDED)
def test_weights_that_the_graph_computes(name: str) -> None:
    check(FOLDED[name]())


def test_weights_that_depend_on_the_input() -> None:
    made = model([node("Mul", ["w", "w"], ["W"]), lstm()], w=W, R=R, B=BIAS)
    with pytest.raises(ValueError, match=r"`W of node 'rnn'` must be constant, an initializer, got computed as 'W'"):
        interop.load(made)


def test_folding_is_bounded() -> None:
    """Each node doubles what there is; and a value of itself is none."""
    doubled = [node("Concat", [f"w{i}", f"w{i}"], [f"w{i + 1}"], axis=0) for i in range(60)]
    with pytest.raises(ValueError, match=r"of at most 8 times the bytes of the model's tensors, got more"):
        interop.load(model([*doubled, lstm(inputs=("X", "w60", "R", "B"))], w0=W, R=R, B=BIAS))
    circle = [node("Identity", ["b"], ["W"]), node("Identity", ["W"], ["b"]), lstm()]
    with pytest.raises(ValueError, match="must be constant"):
        interop.load(model(circle, R=R, B=BIAS))


# ---------------------------------------------------------------- graphs within graphs


def test_tensors_of_inner_graphs_count_for_what_may_be_folded() -> None:
    """Of a model that has none elsewhere, as silero-vad's."""
    r = np.random.default_rng(0)
    large = dict(W=r.normal(size=(1, 512, 3)), R=r.normal(size=(1, 512, 128)), B=r.normal(size=(1, 1024)))
    held = [onnx.numpy_helper.from_array(a.astype("f"), f"{n}0") for n, a in large.items()]
    nodes = [node("Identity", [f"{n}0"], [n]) for n in large]
    value = helper.make_tensor_value_info("Y_a", 1, None)
    rnn = helper.make_node("LSTM", ["X", "W", "R", "B"], ["Y_a"], hidden_size=128, name="it")
    inner = helper.make_graph([*nodes, rnn], "a", [], [value], held)
    made = model([node("If", ["c"], ["Y"], name="which", then_branch=inner, else_branch=inner)], c=np.array(True))
    assert interop.load(made, prefix="which/then_branch/it").layer == jaxrnn.lstm(128)


def branch(name: str, weight: str) -> Any:
    value = helper.make_tensor_value_info(f"Y_{name}", 1, None)
    return helper.make_graph([lstm("it", ("X", weight, "R", "B"), f"Y_{name}")], name, [], [value])


@pytest.mark.parametrize("taken", [True, False])
def test_branches(taken: bool) -> None:
    """Each sees the values around it."""
    choice = node("If", ["c"], ["Y"], name="which", then_branch=branch("a", "W"), else_branch=branch("b", "V"))
    made = model([choice], c=np.array(taken), W=W, V=W + 1, R=R, B=BIAS)
    names = {one.name for one in interop.read_onnx(made)}
    assert names == {"which/then_branch/it", "which/else_branch/it"}
    check(made, prefix=f"which/{'then' if taken else 'else'}_branch/it")
    with pytest.raises(ValueError, match="no plain chain"):
        interop.load(made)


def test_functions_and_what_they_are_called_with() -> None:
    body = [node("Unsqueeze", ["w", "axis"], ["W"]), lstm("it", ("x", "W", "R", "b"), "y")]
    constant = node("Constant", [], ["R"], value=onnx.numpy_helper.from_array(R))
    axis = node("Constant", [], ["axis"], value_ints=[0])
    made = helper.make_function(
        "own", "Layer", ["x", "w", "b"], ["y"], [constant, axis, *body], [helper.make_opsetid("", 21)]
    )
    whole = model([node("Layer", ["X", "w", "B"], ["Y"], domain="own", name="first")], functions=[made], w=W[0], B=BIAS)
    assert [one.name for one in interop.read_onnx(whole)] == ["first/it"]
    check(whole)


def test_a_function_that_calls_itself_has_an_end() -> None:
    body = [node("Layer", ["x"], ["y"], domain="own", name=f"n{i}") for i in range(2)]
    made = helper.make_function("own", "Layer", ["x"], ["y"], body, [helper.make_opsetid("own", 1)])
    whole = model([node("Layer", ["X"], ["Y"], domain="own")], functions=[made], W=W)
    with pytest.raises(ValueError, match="50 graphs deep, got more"):
        interop.load(whole)


# ---------------------------------------------------------------- states, files beside, decomposed cells, eight bits


def test_states_that_are_zero() -> None:
    zeros = lstm(inputs=("X", "W", "R", "B", "", "h", "h"))
    check(model([zeros], W=W, R=R, B=BIAS, h=np.zeros((1, B, H), "f")))
    spread = node("Expand", ["z", "s"], ["h"])
    check(model([spread, zeros], W=W, R=R, B=BIAS, z=np.zeros((1, 1, 1), "f"), s=ints(1, B, H)))
    filled = [node("Shape", ["X"], ["n"], start=1, end=2), node("Concat", ["a", "n", "k"], ["s"], axis=0)]
    filled += [node("ConstantOfShape", ["s"], ["h"]), zeros]
    check(model(filled, W=W, R=R, B=BIAS, a=ints(1), k=ints(H)))


@pytest.mark.parametrize("spread", [False, True])
def test_states_that_are_not_zero_are_no_carry_of_load(spread: bool) -> None:
    arrays = dict(W=W, R=R, B=BIAS, **({"z": np.ones((1, 1, H), "f")} if spread else {"h": np.ones((1, B, H), "f")}))
    rows = [node("Shape", ["X"], ["n"], start=1, end=2), node("Concat", ["a", "n", "a"], ["s"], axis=0)]
    nodes = [*rows, node("Expand", ["z", "s"], ["h"])] if spread else []
    made = model([*nodes, lstm(inputs=("X", "W", "R", "B", "", "h"))], **arrays, a=ints(1))
    with pytest.raises(ValueError, match="nodes without constant carry"):
        interop.load(made)


def test_files_beside_the_model(tmp_path: Path) -> None:
    made = model([lstm()], **WEIGHTS)
    beside = model([lstm(), node("Add", ["Y", "other"], ["Z"])], "Z", other=np.zeros(H, "f"), **WEIGHTS)
    path = tmp_path / "model.onnx"
    onnx.save(beside, path, save_as_external_data=True, location="model.data", size_threshold=0)
    expected = interop.load(made)
    got = interop.load(path)
    jax.tree.map(np.testing.assert_array_equal, got.params, expected.params)
    check(path)
    assert [one.name for one in interop.read_onnx(path)] == ["rnn"]
    (tmp_path / "model.data").rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"in model.data, beside the model, got no such file"):
        interop.load(path)


def test_only_what_is_wanted_is_read_from_beside(tmp_path: Path) -> None:
    made = model([lstm(), node("Add", ["Y", "other"], ["Z"])], "Z", other=np.zeros(400, "f"), **WEIGHTS)
    onnx.save(made, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=1500)
    (tmp_path / "m.data").unlink()
    assert interop.load(tmp_path / "m.onnx").layer == jaxrnn.lstm(H)


HOSTILE = {
    "above": dict(location="../secret"),
    "absolute": dict(location="/etc/hostname"),
    "a link": dict(location="link"),
    "too long": dict(location="data", length="1000000"),
    "beyond the end": dict(location="data", offset="999999"),
    "no number": dict(location="data", offset="-1"),
    "nowhere": dict(location=""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_files_that_are_not_beside(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for place in (tmp_path / "secret", folder / "data"):
        place.write_bytes(W.tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    made = model([lstm()], **WEIGHTS)
    tensor = next(t for t in made.graph.initializer if t.name == "W")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in HOSTILE[name].items():
        tensor.external_data.add(key=key, value=value)
    (folder / "m.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(ValueError, match="`W` must be "):
        interop.load(folder / "m.onnx")
    with pytest.raises(ValueError, match="kept in another file"):
        interop.load(made)


@pytest.mark.parametrize("beside", [False, True])
def test_a_mutated_model_is_one_error_or_the_layer(beside: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    onnx.save(model([lstm()], **WEIGHTS), tmp_path / "m.onnx", save_as_external_data=beside, size_threshold=0)
    whole = (tmp_path / "m.onnx").read_bytes()
    for _ in range(200):
        changed = bytearray(whole)
        for at in rng.integers(len(whole), size=rng.choice([1, 1, 2, 5])):
            changed[at] = rng.integers(256)
        (tmp_path / "m.onnx").write_bytes(bytes(changed))
        try:
            assert interop.load(tmp_path / "m.onnx").layer.output_size == H
        except (ValueError, TypeError) as error:
            assert " must be " in str(error) or "m.onnx cannot be read: " in str(error), error  # noqa: PT017


def test_initializers_that_keep_the_names_of_torch() -> None:
    torch = pytest.importorskip("torch")
    state = {f"rnn.{n}": t.numpy() for n, t in torch.nn.LSTMCell(D, H).state_dict().items()}
    made = model([node("MatMul", ["X", "rnn.weight_ih"], ["Y"])], **state)
    expected = interop.load(state, prefix="rnn")
    got = interop.load(made, prefix="rnn")
    assert got.layer == expected.layer
    jax.tree.map(np.testing.assert_array_equal, got.params, expected.params)
    rnn = {n: t.numpy() for n, t in torch.nn.RNNCell(D, H).state_dict().items()}
    with pytest.raises(ValueError, match="nothing tells whether an RNN of torch applies tanh or relu"):
        interop.load(model([node("MatMul", ["X", "weight_ih"], ["Y"])], **rnn))


def rounded(a: Any, axis: int | None) -> Any:
    """What onnxruntime makes of inputs: numbers of eight bits between the least and the largest, of all or of a row."""
    least, most = (np.float32(f(a.astype("f"), axis, keepdims=True, initial=0)) for f in (np.min, np.max))
    step = (most - least) / np.float32(255)
    zero = np.rint(-least / step)
    return (np.clip(np.rint(a.astype("f") / step) + zero, 0, 255) - zero) * step


def lstm_of(params: Any, rounds: bool) -> Any:
    """The outputs of an LSTM in float64; as DynamicQuantizeLSTM rounds inputs, all at once, and states, row by row."""
    kernel, recurrent, bias = (np.asarray(params[n], np.float64) for n in ("kernel", "recurrent_kernel", "bias"))
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    c, h, ys = np.zeros((B, H)), np.zeros((B, H)), []
    for x in rounded(XS, None) if rounds else XS:
        read = rounded(h, -1) if rounds and h.any() else h
        i, f, g, o = np.moveaxis(np.tensordot(x, kernel, 1) + np.tensordot(read, recurrent, 1) + bias, 1, 0)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        ys.append(h)
    return np.stack(ys)


@pytest.mark.parametrize("by_column", [False, True])
def test_lstms_of_eight_bits(by_column: bool, tmp_path: Path) -> None:
    """With weights that were read, onnxruntime's numbers where inputs and states are rounded as it does, else ours."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    onnx.save(model([lstm()], **WEIGHTS), tmp_path / "float.onnx")
    quantization.quantize_dynamic(tmp_path / "float.onnx", tmp_path / "int8.onnx", per_channel=by_column)
    assert "DynamicQuantizeLSTM" in {one.op_type for one in onnx.load(tmp_path / "int8.onnx").graph.node}
    layer, params = interop.load(tmp_path / "int8.onnx")
    exact = interop.load(model([lstm()], **WEIGHTS)).params
    for name in ("kernel", "recurrent_kernel"):
        step = np.abs(exact[name]).max() / 127
        np.testing.assert_allclose(params[name], exact[name], atol=1.01 * step)
    wanted = run(tmp_path / "int8.onnx")[:, 0]
    np.testing.assert_allclose(lstm_of(params, rounds=True), wanted, FLOAT32, FLOAT32)
    np.testing.assert_allclose(jaxrnn.scan(layer, params, XS)[1], lstm_of(params, rounds=False), FLOAT32, FLOAT32)


@pytest.mark.parametrize("by_column", [False, True])
def test_products_of_eight_bits(by_column: bool, tmp_path: Path) -> None:
    """An Elman cell taken apart into products, as quantize_dynamic makes integers of it: a step of onnxruntime's."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    weights = {
        "w_ih": RNG.normal(size=(D, H)),
        "w_hh": RNG.normal(size=(H, H)),
        "b_ih": RNG.normal(size=H),
        "b_hh": RNG.normal(size=H),
    }
    arrays = {f"cell.{n.replace('w', 'weight').replace('b', 'bias')}": a.astype("f") for n, a in weights.items()}
    nodes = [node("MatMul", ["X", "cell.weight_ih"], ["x"]), node("MatMul", ["h", "cell.weight_hh"], ["r"])]
    nodes += [node("Add", ["x", "r"], ["z"]), node("Add", ["z", "cell.bias_ih"], ["b"])]
    nodes += [node("Add", ["b", "cell.bias_hh"], ["a"]), node("Tanh", ["a"], ["Y"])]
    made = model(nodes, **arrays)
    made.graph.input.append(helper.make_tensor_value_info("h", 1, [T, B, H]))
    onnx.save(made, tmp_path / "float.onnx")
    quantization.quantize_dynamic(tmp_path / "float.onnx", tmp_path / "int8.onnx", per_channel=by_column)
    assert "MatMulInteger" in {one.op_type for one in onnx.load(tmp_path / "int8.onnx").graph.node}
    cell = jaxrnn.elman(H)
    params = interop.load(tmp_path / "int8.onnx", "torch", prefix="cell", layer=cell).params
    for ours, theirs in (("kernel", "weight_ih"), ("recurrent_kernel", "weight_hh")):
        exact = arrays[f"cell.{theirs}"]
        np.testing.assert_allclose(params[ours][:, 0], exact, atol=1.01 * np.abs(exact).max() / 127)
    h = RNG.normal(size=(T, B, H)).astype("f")
    session = runtime.InferenceSession(str(tmp_path / "int8.onnx"))
    wanted = session.run(None, {"X": XS, "h": h})[0]
    x, state = rounded(XS, None), rounded(h, None)
    products = np.tensordot(x, params["kernel"][:, 0], 1) + np.tensordot(state, params["recurrent_kernel"][:, 0], 1)
    np.testing.assert_allclose(np.tanh(products + np.asarray(params["bias"][0])), wanted, FLOAT32, FLOAT32)
