"""Graphs of ONNX: every layer in onnxruntime, against `scan`; what is refused; whole models."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

import jaxrnn
from jaxrnn import interop
from tests.interop.exported import LAYERS, B, D, H, T, compare, params_of

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

NODES = {
    "lstm": "LSTM", "peepholes": "LSTM", "coupled": "LSTM", "gru": "GRU", "reset before": "GRU", "clip": "GRU",
    "relu": "RNN", "reverse": "GRU", "both ways": "LSTM", "both ways, ave": "LSTM", "both ways, other functions": "RNN",
    "stack": "LSTM Scan Scan",
}  # fmt: skip


@pytest.mark.parametrize("asked", [(False, False, True), (True, True, False)])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_in_onnxruntime(name: str, asked: tuple[bool, bool, bool]) -> None:
    """As a node where ONNX has one, with a row of length 0; with sizes that are fixed, and that are not."""
    layer = LAYERS[name]
    assert compare(layer, params_of(layer), "onnxruntime", *asked) == NODES.get(name, "Scan")


@pytest.mark.parametrize("name", ["lstm", "reset before", "both ways", "stack", "mgu"])
def test_kernels_of_eight_bits(name: str) -> None:
    """The same numbers as ours: each row and step is rounded by its own maximum, sums are exact."""
    layer, params = jaxrnn.quantize(LAYERS[name], params_of(LAYERS[name]))
    compare(layer, params, "onnxruntime", lengths=True, carry=True, fixed=False, tolerance=1e-6)
    model = interop.to_onnx(layer, params)
    inside = [node for loop in model.graph.node if loop.op_type == "Scan" for node in loop.attribute[0].g.node]
    assert "MatMulInteger" in {node.op_type for node in inside}


def test_inputs_are_what_was_asked_for() -> None:
    layer = LAYERS["both ways"]
    params = params_of(layer)

    def names(**options: Any) -> list[str]:
        return [each.name for each in interop.to_onnx(layer, params, **options).graph.input]

    assert names() == ["X"]
    assert names(lengths=True) == ["X", "sequence_lens"]
    assert names(carry=True) == ["X", "initial_h_0", "initial_c_0"]
    model = interop.save(layer, params, "onnx")
    assert [each.name for each in model.graph.input] == ["X"]
    axes = [(d.dim_param, d.dim_value) for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert axes == [("T", 0), ("B", 0), ("", D)]
    model = interop.to_onnx(layer, params, steps=T, batch=B)
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [T, B, D]


RNG = np.random.default_rng(7)
HEAD = {"kernel": RNG.standard_normal((H, 2)).astype("f"), "bias": RNG.standard_normal(2).astype("f")}


@pytest.mark.parametrize("embedded", [True, False])
def test_a_whole_model(embedded: bool) -> None:
    """Symbols, their vectors or one-hot ones, a layer, a readout."""
    symbols = RNG.integers(0, D, (T, B))
    options: dict[str, Any] = dict(symbols=True)
    if embedded:
        options = dict(embedding=RNG.standard_normal((7, D)).astype("f"))
        symbols = RNG.integers(0, 7, (T, B))
    layer = LAYERS["gru"]
    read = lambda ys: np.asarray(ys) @ HEAD["kernel"] + HEAD["bias"]  # noqa: E731
    compare(layer, params_of(layer), "onnxruntime", True, True, False, xs=symbols, expected=read, head=HEAD, **options)


def test_variables_of_flax_are_read() -> None:
    """An embedding and a readout as their modules hold them, and as arrays: one graph."""
    embed = nnx.Embed(7, D, rngs=nnx.Rngs(0))
    readout = nnx.Linear(H, 2, rngs=nnx.Rngs(1))
    variables = {"kernel": readout.kernel, "bias": readout.bias}
    arrays = {name: variable[...] for name, variable in variables.items()}
    layer = LAYERS["gru"]
    graphs = [
        interop.to_onnx(layer, params_of(layer), embedding=embedding, head=head).SerializeToString()
        for embedding, head in ((embed.embedding, variables), (embed.embedding[...], arrays))
    ]
    assert graphs[0] == graphs[1]


REFUSED = {
    "per-step inputs": (jaxrnn.phased_lstm(H), {}, "must be of cells that read nothing but inputs and states"),
    "axes of positions": (jaxrnn.lstm(H, input=jaxrnn.forms.convolution(3)), {}, "without axes of positions"),
    "a pair": (jaxrnn.bidirectional(jaxrnn.gru(H), merge=None), {}, "`layer` must be of two directions, merged by"),
    "no step": (
        jaxrnn.stack([LAYERS["gru"], jaxrnn.residual(jaxrnn.bidirectional(jaxrnn.gru(H // 2)))]),
        {},
        "must be layers that have a step",
    ),
    "another runtime": (LAYERS["gru"], dict(runtime="tracts"), "`runtime` must be None, or .* Did you mean 'tract'"),
    "no size": (LAYERS["gru"], dict(batch=0), "`batch` must be a positive integer, got 0"),
    "the head's size": (LAYERS["gru"], dict(head={"kernel": np.ones((5, 2))}), r"`head\['kernel'\]` must be of shape"),
    "the embedding's size": (LAYERS["gru"], dict(embedding=np.ones((7, 5))), r"`embedding` must be an array \[V, 3\]"),
    "symbols twice": (LAYERS["gru"], dict(embedding=np.ones((7, D)), symbols=True), "`symbols` left out beside it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    layer, options, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        interop.to_onnx(layer, layer.init(jax.random.key(0), D), **options)


def test_dtypes_without_kernels_are_named() -> None:
    """A warning where no runtime is named, an error for one that has none; loops of float64 run."""
    layer = LAYERS["lstm"]
    double, half = (params_of(layer, dtype=dtype) for dtype in (np.float64, jax.numpy.bfloat16))
    with pytest.warns(UserWarning, match="no kernels for layers of float64"):
        interop.to_onnx(layer, double)
    with pytest.warns(UserWarning, match="no kernels for layers of bfloat16"):
        interop.to_onnx(layer, half)
    with pytest.raises(ValueError, match=r"must be of float16 or float32 or float64 for onnxruntime, .* got bfloat16"):
        interop.to_onnx(layer, half, runtime="onnxruntime")
    model = interop.to_onnx(layer, double, runtime="onnxruntime")
    assert [node.op_type for node in model.graph.node if node.name] == ["Scan"]
    xs = RNG.standard_normal((T, B, D))
    session = runtime.InferenceSession(model.SerializeToString())
    np.testing.assert_allclose(session.run(["Y"], {"X": xs})[0], jaxrnn.scan(layer, double, xs)[1], 1e-12, 1e-12)
    symbols = RNG.integers(0, D, (T, B))
    content = interop.to_onnx(layer, double, runtime="onnxruntime", symbols=True).SerializeToString()
    got = runtime.InferenceSession(content).run(["Y"], {"X": symbols})[0]
    np.testing.assert_allclose(got, jaxrnn.scan(layer, double, symbols)[1], 1e-12, 1e-12)


def test_a_loop_says_why() -> None:
    layer = jaxrnn.stack([jaxrnn.mgu(H), jaxrnn.lstm(H, projection=2), jaxrnn.lstm(2, peepholes=True)])
    model = interop.to_onnx(layer, params_of(layer), runtime="openvino")
    assert [node.doc_string for node in model.graph.node if node.name] == [
        "a loop, since ONNX has no node for mgu(4)",
        "a loop, since `projection` must be None for onnx LSTM, which has no such option, got 2 in layer lstm(4).",
        "a loop, since openvino passes over peepholes",
    ]


def test_a_loop_is_not_read_back() -> None:
    """It holds constants, no weights by name; and a node beside one is not the whole layer."""
    for layer in (jaxrnn.lstm(5, projection=3), jaxrnn.stack([jaxrnn.gru(3), jaxrnn.residual(jaxrnn.gru(3))])):
        model = jaxrnn.interop.to_onnx(layer, layer.init(jax.random.key(0), inputs=3))
        with pytest.raises(ValueError, match="must be of layers that ONNX has nodes for"):
            jaxrnn.interop.load(model)
