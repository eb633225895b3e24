"""Graphs in onnxruntime, OpenVINO and tract: what `to_onnx(runtime=)` writes is right there, and what each passes over.

    bash .ci/runtimes

makes an environment with the versions that are pinned in pyproject.toml, and runs this.
"""

from __future__ import annotations

import itertools
import sys
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from tests.interop.exported import LAYERS, B, D, H, T, act, compare, params_of
from tests.interop.runtimes import RUN
from tests.waiting import ran

pytestmark = pytest.mark.release

OTHERS = ("openvino", "tract")


@pytest.fixture(autouse=True, scope="module")
def _installed() -> None:
    for name in ("onnx", "onnxruntime", *OTHERS):
        pytest.importorskip(name)


@pytest.mark.parametrize("asked", list(itertools.product((False, True), repeat=3)))
@pytest.mark.parametrize("runtime", RUN)
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_and_option(name: str, runtime: str, asked: tuple[bool, bool, bool]) -> None:
    """With lengths, one of them 0; with initial states; with sizes that are fixed, and not."""
    compare(LAYERS[name], params_of(LAYERS[name]), runtime, *asked)


@pytest.mark.parametrize("runtime", RUN)
@pytest.mark.parametrize("name", ["lstm", "reset before", "both ways", "stack", "mgu"])
def test_kernels_of_eight_bits(name: str, runtime: str) -> None:
    layer, params = jaxrnn.quantize(LAYERS[name], params_of(LAYERS[name]))
    compare(layer, params, runtime, lengths=True, carry=True, fixed=False)


@pytest.mark.parametrize("runtime", RUN)
@pytest.mark.parametrize("embedded", [True, False])
def test_a_whole_model(embedded: bool, runtime: str) -> None:
    rng = np.random.default_rng(7)
    head = {"kernel": rng.standard_normal((2 * H, 2)).astype("f"), "bias": rng.standard_normal(2).astype("f")}
    options: dict[str, Any] = dict(embedding=rng.standard_normal((7, D)).astype("f")) if embedded else {"symbols": True}
    symbols = rng.integers(0, 7 if embedded else D, (T, B))
    layer = LAYERS["both ways"]
    read = lambda ys: np.asarray(ys) @ head["kernel"] + head["bias"]  # noqa: E731
    given = dict(xs=symbols, expected=read, head=head, **options)
    compare(layer, params_of(layer), runtime, True, True, False, **given)


@pytest.mark.parametrize("runtime", RUN)
def test_the_model_that_ships(runtime: str) -> None:
    """Its logits."""
    run = jaxrnn.load_run("char_lm")
    layer, _ = run.layers["rnn"]
    params = jax.tree.map(lambda a: np.asarray(a, np.float32), run.params)  # tests run in float64
    symbols = np.array([run.task.encode("ROMEO:"), run.task.encode("JULIET")]).T
    model = interop.to_onnx(layer, params["rnn"], runtime=runtime, **run.task.around(params))
    wanted = run.task.logits(params, jaxrnn.scan(layer, params["rnn"], symbols)[1])
    np.testing.assert_allclose(RUN[runtime](model, {"X": symbols.astype(np.int64)})["Y"], wanted, 2e-5, 2e-5)


# ---------------------------------------------------------------- a plain graph of (layer, lengths, carry, fixed)

RELU = jaxrnn.lstm(H, activation=act("Relu"))
DIFFERENT = LAYERS["both ways, other functions"]
PASSED_OVER: dict[tuple[str, str], tuple[Any, bool, bool, bool]] = {
    ("openvino", "peepholes"): (LAYERS["peepholes"], False, True, False),
    ("openvino", "input_forget"): (LAYERS["coupled"], False, True, False),
    ("openvino", "activations that differ by direction"): (DIFFERENT, False, True, False),
    ("openvino", "lengths where a size is not fixed"): (LAYERS["lstm"], True, False, False),
    ("tract", "clip"): (LAYERS["clip"], False, True, False),
    ("tract", "activations"): (RELU, False, True, False),
    ("tract", "input_forget"): (LAYERS["coupled"], False, True, False),
    ("tract", "direction=reverse"): (LAYERS["reverse"], False, True, False),
}
FAILS: dict[tuple[str, str], tuple[Any, bool, bool, bool]] = {
    ("openvino", "activations other than sigmoid, tanh, relu"): (
        jaxrnn.elman(H, activation=act("Softsign")),
        False,
        True,
        False,
    ),
    ("tract", "lengths"): (LAYERS["lstm"], True, True, True),
    ("tract", "initial states that are no inputs"): (LAYERS["lstm"], False, False, True),
}


@pytest.mark.parametrize("case", PASSED_OVER)
def test_what_a_runtime_passes_over(case: tuple[str, str]) -> None:
    """A plain graph, right in onnxruntime, gives other numbers without a word; one for the runtime, the right ones."""
    layer, *asked = PASSED_OVER[case]
    compare(layer, params_of(layer), "onnxruntime", *asked, named=False)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        compare(layer, params_of(layer), case[0], *asked, named=False)
    compare(layer, params_of(layer), case[0], *asked)


@pytest.mark.parametrize("case", FAILS)
def test_what_a_runtime_refuses(case: tuple[str, str]) -> None:
    layer, *asked = FAILS[case]
    with pytest.raises((RuntimeError, sys.modules["tract"].TractError) if case[0] == "tract" else RuntimeError):
        compare(layer, params_of(layer), case[0], *asked, named=False)
    compare(layer, params_of(layer), case[0], *asked)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_rows_of_length_0_in_a_bare_node(runtime: str) -> None:
    """Their final states are zeros, whatever the initial ones are; the graph puts those back."""
    import onnx

    layer = LAYERS["lstm"]
    model = interop.to_onnx(layer, params_of(layer), lengths=True, carry=True, steps=T, batch=B)
    (bare,) = [node.output[1] for node in model.graph.node if node.op_type == "LSTM"]
    model.graph.output.append(onnx.helper.make_tensor_value_info(bare, 1, [1, B, H]))
    start = np.ones((1, B, H), "f")
    given = {"X": np.ones((T, B, D), "f"), "sequence_lens": np.array([5, 0, 3], np.int32)}
    out = RUN[runtime](model, given | {"initial_h_0": start, "initial_c_0": start})
    np.testing.assert_array_equal(out[bare][0, 1], 0)
    np.testing.assert_array_equal(out["Y_h_0"][0, 1], 1)


@pytest.mark.parametrize("runtime", RUN)
def test_versions(runtime: str) -> None:
    """Of an opset that does not exist yet, onnxruntime alone takes notice."""
    layer = LAYERS["gru"]
    model = interop.to_onnx(layer, params_of(layer), carry=True, steps=T, batch=B)
    model.opset_import[0].version = 99
    given = {"X": np.ones((T, B, D), "f"), "initial_h_0": np.ones((1, B, H), "f")}
    if runtime == "onnxruntime":
        with pytest.raises(Exception, match="ValidateOpsetForDomain"):
            RUN[runtime](model, given)
    else:
        assert np.isfinite(RUN[runtime](model, given)["Y"]).all()


def test_tract_ends_the_process() -> None:
    """Where the number of rows is open and initial states are no inputs."""
    code = """
import numpy as np
from tests.interop.exported import LAYERS, compare, params_of
compare(LAYERS["gru"], params_of(LAYERS["gru"]), "tract", False, False, False, named=False)
"""
    done = ran([sys.executable, "-c", code])
    assert done.returncode < 0, done.stderr
    assert "UndeterminedSymbol" in done.stderr
