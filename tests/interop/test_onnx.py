"""ONNX: a random sweep against onnxruntime, the official node cases, what onnxruntime lacks against the definition."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from jaxrnn.functions.activations import hard_sigmoid, keras2_hard_sigmoid
from tests.interop.compare import randomised

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

T, B, D, H = 5, 3, 3, 4
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
ALPHA = ("Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu")
BETA = ("Affine", "ScaledTanh", "HardSigmoid")
NAMES = ("Tanh", "Sigmoid", "Relu", "Softsign", "Softplus", *ALPHA)
BOUNDED = ("Tanh", "Sigmoid", "Softsign", "ScaledTanh", "HardSigmoid")
FLOAT32 = 3e-6  # onnxruntime computes its recurrent nodes in float32 only


def model_of(op: str, weights: dict[str, Any], given: dict[str, Any], attributes: dict[str, Any]) -> Any:
    """A model of one node with weights as initializers, and what is given at run time as inputs."""
    order = ["X", "W", "R", "B", "sequence_lens", "initial_h", *(["initial_c", "P"] if op == "LSTM" else [])]
    names = [n if n in weights or n in given else "" for n in order]
    outputs = ["Y", "Y_h", *(["Y_c"] if op == "LSTM" else [])]
    node = onnx.helper.make_node(op, names, outputs, name="it", hidden_size=H, **attributes)
    values = [
        onnx.helper.make_tensor_value_info(n, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in given.items()
    ]
    results = [onnx.helper.make_tensor_value_info(n, 1, None) for n in outputs]
    arrays = [onnx.numpy_helper.from_array(a, n) for n, a in weights.items()]
    graph = onnx.helper.make_graph([node], "g", values, results, arrays)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 22)])
    model.ir_version = 10
    return model


def run_onnx(model: Any, given: dict[str, Any]) -> list[Any]:
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    return runtime.InferenceSession(model.SerializeToString(), options).run(None, given)


def run_ours(node: Any, given: dict[str, Any]) -> list[Any]:
    """A node of ours on the inputs of ONNX's, and its outputs in ONNX's axes."""
    cells = [node.layer.forward, node.layer.backward] if hasattr(node.layer, "forward") else [node.layer]
    xs = np.swapaxes(given["X"], 0, 1) if node.batch_major else given["X"]
    carry = node.carry
    states = {n: given[n] for n in ("initial_h", "initial_c") if n in given}
    if states:
        states = {n: np.swapaxes(a, 0, 1) if node.batch_major else a for n, a in states.items()}
        zero = np.zeros_like(next(iter(states.values())))
        h, c = states.get("initial_h", zero), states.get("initial_c", zero)
        two = len(jax.tree.leaves(node.layer.initial_carry((1,)))) == 2 * len(h)
        parts = [(c[k], h[k]) if two else (h[k],) for k in range(len(h))]
        carry = tuple(parts) if len(parts) == 2 else parts[0]
    lengths = given.get("sequence_lens", node.lengths)
    with jax.numpy_dtype_promotion("standard"):
        final, ys = jaxrnn.scan(node.layer, node.params, xs, carry, lengths=lengths)
    size = ys.shape[-1] // len(cells)
    ys = np.stack([ys[..., k * size : (k + 1) * size] for k in range(len(cells))], 1)
    finals = list(final) if len(cells) == 2 else [final]
    out = [np.stack([np.asarray(f.h) for f in finals])]
    out += [np.stack([np.asarray(f.c) for f in finals])] if hasattr(finals[0], "c") else []
    if node.batch_major:
        return [ys.transpose(2, 0, 1, 3), *(a.transpose(1, 0, 2) for a in out)]
    return [ys, *out]


def draw(seed: int) -> tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A node at random: its type, weights, inputs and attributes."""
    rng = np.random.default_rng(seed)
    op = ("LSTM", "GRU", "RNN")[seed % 3]
    direction = ("forward", "reverse", "bidirectional")[rng.integers(3)]
    ways, gates = 1 + (direction == "bidirectional"), GATES[op]
    normal = lambda *shape: (0.6 * rng.standard_normal(shape)).astype(np.float32)  # noqa: E731
    weights = {"W": normal(ways, gates * H, D), "R": normal(ways, gates * H, H)}
    if rng.random() < 0.7:
        weights["B"] = normal(ways, 2 * gates * H)
    attributes: dict[str, Any] = {"direction": direction}
    if op == "LSTM" and rng.random() < 0.5:
        weights["P"] = normal(ways, 3 * H)
    if op == "LSTM":
        attributes["input_forget"] = int(rng.random() < 0.3)
    if op == "GRU":
        attributes["linear_before_reset"] = int(rng.random() < 0.5)
    if rng.random() < 0.4:
        attributes["clip"] = float(rng.uniform(0.2, 1.0))
    if rng.random() < 0.6:
        count = {"LSTM": 3, "GRU": 2, "RNN": 1}[op] * ways
        names = [str(n) for n in rng.choice(NAMES, count)]
        per_way = count // ways
        if op != "RNN":  # gates without a bound would let the state grow beyond float32
            names[::per_way] = [str(n) for n in rng.choice(BOUNDED, ways)]
        attributes["activations"] = names
        alphas = [float(rng.uniform(0.1, 0.9)) for n in names if n in ALPHA]
        betas = [float(rng.uniform(0.1, 0.9)) for n in names if n in BETA]
        attributes |= {"activation_alpha": alphas} if alphas else {}
        attributes |= {"activation_beta": betas} if betas else {}
    given = {"X": normal(T, B, D)}
    if rng.random() < 0.5:
        given["sequence_lens"] = rng.integers(1, T + 1, B).astype(np.int32)
    if rng.random() < 0.5:
        given["initial_h"] = normal(ways, B, H)
    if op == "LSTM" and rng.random() < 0.5:
        given["initial_c"] = normal(ways, B, H)
    return op, weights, given, attributes


@pytest.mark.parametrize("seed", range(48))
def test_import_against_onnxruntime(seed: int) -> None:
    op, weights, given, attributes = draw(seed)
    model = model_of(op, weights, given, attributes)
    (node,) = interop.read_onnx(model)
    for got, wanted in zip(run_ours(node, given), run_onnx(model, given), strict=True):
        scale = max(1.0, float(np.abs(wanted).max()))  # activations without a bound
        np.testing.assert_allclose(got, wanted, FLOAT32, FLOAT32 * scale, err_msg=f"{op} {attributes} {list(given)}")


def official() -> dict[str, Any]:
    """The node cases of the ONNX test suite, by name."""
    from onnx.backend.test.case import node

    for op in ("lstm", "gru", "rnn"):
        importlib.import_module(f"onnx.backend.test.case.node.{op}")
    kinds = tuple(f"test_{k}" for k in ("lstm", "gru", "rnn", "simple_rnn"))
    return {c.name: c for c in node.collect_testcases(None) if c.name.startswith(kinds)}


@pytest.mark.filterwarnings("ignore")  # the other node cases' own
@pytest.mark.slow
def test_official_node_cases() -> None:
    cases = official()
    assert len(cases) >= 10
    for name, case in cases.items():
        (proto,) = case.model.graph.node
        arrays = dict(zip([i for i in proto.input if i], case.data_sets[0][0], strict=True))
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        weights = {n: a for n, a in arrays.items() if n not in ("X", "sequence_lens", "initial_h", "initial_c")}
        model.graph.initializer.extend(onnx.numpy_helper.from_array(a, n) for n, a in weights.items())
        (node,) = interop.read_onnx(model)
        given = {n: a for n, a in arrays.items() if n not in weights}
        got = dict(zip(["Y", "Y_h", "Y_c"], run_ours(node, given), strict=False))
        wanted = dict(
            zip([("Y", "Y_h", "Y_c")[i] for i, o in enumerate(proto.output) if o], case.data_sets[0][1], strict=True)
        )
        for output, array in wanted.items():
            np.testing.assert_allclose(got[output], array, 1e-5, 1e-6, err_msg=f"{name}: {output}")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_layout_1_is_the_same_with_the_batch_first(seed: int) -> None:
    """onnxruntime refuses layout=1: the definition is layout=0 with axes swapped, which it runs."""
    op, weights, given, attributes = draw(seed)
    wanted = run_onnx(model_of(op, weights, given, attributes), given)
    turned = {n: np.swapaxes(a, 0, 1) if a.ndim == 3 else a for n, a in given.items()}
    (node,) = interop.read_onnx(model_of(op, weights, turned, attributes | {"layout": 1}))
    ys, *states = run_ours(node, turned)
    np.testing.assert_allclose(ys.transpose(1, 2, 0, 3), wanted[0], FLOAT32, FLOAT32)
    for got, expected in zip(states, wanted[1:], strict=True):
        np.testing.assert_allclose(got.transpose(1, 0, 2), expected, FLOAT32, FLOAT32)


def test_rows_of_length_0_keep_their_state() -> None:
    """onnxruntime puts out 0 there; by the definition the final state is the initial one."""
    op, weights, given, attributes = draw(0)
    given |= {"sequence_lens": np.array([2, 0, 5], np.int32), "initial_h": np.ones((2, B, H), np.float32)}
    attributes["direction"] = "bidirectional"
    weights = {n: np.concatenate([a, a])[:2] for n, a in weights.items()}
    attributes.pop("activations", None)
    attributes.pop("activation_alpha", None)
    attributes.pop("activation_beta", None)
    given.pop("initial_c", None)
    (node,) = interop.read_onnx(model_of(op, weights, given, attributes))
    ys, h, c = run_ours(node, given)
    np.testing.assert_array_equal(h[:, 1], 1)
    np.testing.assert_array_equal(c[:, 1], 0)
    np.testing.assert_array_equal(ys[:, :, 1], 0)


def test_constant_states_and_lengths_are_returned() -> None:
    op, weights, given, attributes = draw(3)
    given |= {"initial_h": np.full((1, B, H), 0.5, np.float32), "sequence_lens": np.array([1, 5, 2], np.int32)}
    given.pop("initial_c", None)
    attributes["direction"] = "forward"
    attributes.pop("activations", None)
    attributes.pop("activation_alpha", None)
    attributes.pop("activation_beta", None)
    weights = {n: a[:1] for n, a in weights.items()}
    constant = {n: given[n] for n in ("initial_h", "sequence_lens")}
    x = {"X": given["X"]}
    model = model_of(op, weights | constant, x, attributes)
    (node,) = interop.read_onnx(model)
    for got, wanted in zip(run_ours(node, x), run_onnx(model, x), strict=True):
        np.testing.assert_allclose(got, wanted, FLOAT32, FLOAT32)
    with pytest.raises(ValueError, match="constant carry"):
        interop.load(model)


act = interop.activation
EXPORTS = {
    "lstm": jaxrnn.lstm(H),
    "lstm without bias": jaxrnn.lstm(H, use_bias=False),
    "peepholes": jaxrnn.lstm(H, peepholes=True),
    "coupled, peepholes": jaxrnn.lstm(H, coupled=True, peepholes=True),
    "gru": jaxrnn.gru(H),
    "gru, reset before": jaxrnn.gru(H, reset_after=False),
    "elman, relu": jaxrnn.elman(H, activation=jax.nn.relu),
    "hard sigmoid, clip": jaxrnn.gru(
        H, gate_activation=act("HardSigmoid", 0.25, 0.5, clip=0.75), activation=act("Tanh", clip=0.75)
    ),
    "hard sigmoid of keras 3": jaxrnn.lstm(H, gate_activation=hard_sigmoid),
    "hard sigmoid of keras 2": jaxrnn.lstm(H, gate_activation=keras2_hard_sigmoid),
    "reverse": jaxrnn.reverse(jaxrnn.gru(H)),
    "both ways, sum": jaxrnn.bidirectional(jaxrnn.gru(H), merge="sum"),
    "both ways, ave": jaxrnn.bidirectional(jaxrnn.elman(H), merge="ave"),
    "stack": jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.lstm(H)), jaxrnn.bidirectional(jaxrnn.gru(2)), jaxrnn.elman(3)]),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_export_runs_in_onnxruntime(name: str, tmp_path: Path) -> None:
    layer = EXPORTS[name]
    params = randomised(layer.init(jax.random.key(0), D), 3)
    params = jax.tree.map(lambda a: a.astype(np.float32), params)
    path = tmp_path / "model.onnx"
    interop.to_onnx(layer, params, path, lengths=True, carry=True)
    model = onnx.load(path)
    rng = np.random.default_rng(4)
    xs, lengths = rng.standard_normal((T, B, D)).astype(np.float32), np.array([5, 1, 3], np.int32)
    given: dict[str, Any] = {"X": xs, "sequence_lens": lengths}
    dims = {i.name: [d.dim_value or B for d in i.type.tensor_type.shape.dim] for i in model.graph.input}
    given |= {n: rng.standard_normal(s).astype(np.float32) for n, s in dims.items() if n.startswith("initial")}
    carry = layer.pack(_carry(layer, given))
    final, ys = jaxrnn.scan(layer, params, xs, carry, lengths=lengths)
    out = dict(zip([o.name for o in model.graph.output], run_onnx(model, given), strict=True))
    np.testing.assert_allclose(ys, out["Y"], FLOAT32, FLOAT32)
    for key, value in _carry_back(layer, final).items():
        np.testing.assert_allclose(value, out[key], FLOAT32, FLOAT32, err_msg=key)
    if "keras" in name or "ave" in name or "sum" in name:
        return  # its functions and merges come back by ONNX's names, and a merge outside the node not at all
    again = interop.load(path)
    assert again.layer == layer
    jax.tree.map(np.testing.assert_array_equal, again.params, params)


def _layers(layer: Any) -> Any:
    return layer.layers if hasattr(layer, "layers") else (layer,)


def _carry(layer: Any, given: dict[str, Any]) -> Any:
    """Our carry from ONNX's initial states."""
    carries = []
    for i in range(len(_layers(layer))):
        h, c = given[f"initial_h_{i}"], given.get(f"initial_c_{i}")
        ways = [(h[k],) if c is None else (c[k], h[k]) for k in range(len(h))]
        carries.append(tuple(ways) if len(ways) == 2 else ways[0])
    return tuple(carries) if hasattr(layer, "layers") else carries[0]


def _carry_back(layer: Any, carry: Any) -> dict[str, Any]:
    out = {}
    for i, part in enumerate(carry if hasattr(layer, "layers") else (carry,)):
        ways = list(part) if hasattr(part, "forward") else [part]
        for field in ("h", "c"):
            if hasattr(ways[0], field):
                out[f"Y_{field}_{i}"] = np.stack([np.asarray(getattr(w, field)) for w in ways])
    return out


def test_import_refuses_by_name() -> None:
    op, weights, given, attributes = draw(1)
    weights = {n: a[:1] for n, a in weights.items()}
    attributes = {"direction": "forward"}
    for change, message in (
        ({"activations": ["Swish", "Tanh"]}, "`activations` must be out of"),
        ({"activations": ["Tanh"]}, "`activations` must be 2 a direction"),
        ({"clip": -1.0}, "`clip` must be a positive number"),
        ({"direction": "sideways"}, "`direction` must be forward"),
        ({"swish_beta": 1.0}, "the attribute 'swish_beta'"),
        ({"layout": 2}, "`layout` must be 0 or 1"),
    ):
        with pytest.raises(ValueError, match=message):
            interop.read_onnx(model_of(op, weights, given, {**attributes, **change}))
    with pytest.raises(ValueError, match="a model with a node out of"):
        interop.read_onnx(onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [])))
    short = weights | {"W": weights["W"][:, :-1]}
    with pytest.raises(ValueError, match="W` must be of shape"):
        interop.read_onnx(model_of(op, short, given, attributes))
