"""A graph that `to_onnx` wrote, run by a runtime, against `scan`: outputs and every final state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

import jaxrnn
from jaxrnn import interop
from tests.interop.runtimes import RUN

T, B, D, H = 5, 3, 3, 4
LENGTHS = np.array([5, 0, 3], np.int32)
FLOAT32 = 1e-5  # OpenVINO's exp is off by up to 3e-7 of its value; there are some ten operations in series a step

act = interop.activation
LAYERS = {
    "lstm": jaxrnn.lstm(H),
    "peepholes": jaxrnn.lstm(H, peepholes=True),
    "coupled": jaxrnn.lstm(H, coupled=True),
    "projection": jaxrnn.lstm(H, projection=2),
    "cell clip": jaxrnn.lstm(H, cell_clip=0.3),
    "layer norm": jaxrnn.lstm(H, layer_norm=True),
    "gru": jaxrnn.gru(H),
    "reset before": jaxrnn.gru(H, reset_after=False),
    "learned carry": jaxrnn.gru(H, learn_carry=True),
    "clip": jaxrnn.gru(H, gate_activation=act("HardSigmoid", 0.25, 0.5, clip=0.75), activation=act("Tanh", clip=0.75)),
    "relu": jaxrnn.elman(H, activation=jax.nn.relu),
    "swish": jaxrnn.elman(H, activation=jax.nn.swish),
    "reverse": jaxrnn.reverse(jaxrnn.gru(H)),
    "both ways": jaxrnn.bidirectional(jaxrnn.lstm(H)),
    "both ways, ave": jaxrnn.bidirectional(jaxrnn.lstm(H, peepholes=True), merge="ave"),
    "both ways, other functions": jaxrnn.bidirectional(jaxrnn.elman(H), jaxrnn.elman(H, activation=jax.nn.relu)),
    "stack": jaxrnn.stack(
        [jaxrnn.bidirectional(jaxrnn.lstm(H)), jaxrnn.residual(jaxrnn.gru(2 * H)), jaxrnn.highway(jaxrnn.elman(2 * H))],
        dropout=0.5,
    ),
    "zoneout": jaxrnn.zoneout(jaxrnn.gru(H), h=0.1),
    "mgu": jaxrnn.mgu(H),
    "slstm": jaxrnn.slstm(H),
}


def params_of(layer: Any, seed: int = 4, dtype: Any = np.float32) -> Any:
    rng = np.random.default_rng(seed)
    drawn = layer.init(jax.random.key(0), D)
    return jax.tree.map(lambda a: (0.5 * rng.standard_normal(a.shape)).astype(dtype), drawn)


def _states(tree: Any) -> dict[str, Any]:
    """Leaves [directions, ...] of one layer's carry by name."""
    ways = list(tree) if hasattr(tree, "forward") else [tree]
    named = [jax.tree_util.tree_leaves_with_path(way) for way in ways]
    keys = [jax.tree_util.keystr(path, simple=True, separator="_") for path, _ in named[0]]
    return {key: np.stack([np.asarray(way[k][1]) for way in named]) for k, key in enumerate(keys)}


def _drawn(tree: Any, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda a: (0.5 * rng.standard_normal(a.shape)).astype(a.dtype), tree)


def compare(
    layer: Any,
    params: Any,
    runtime: str,
    lengths: bool,
    carry: bool,
    fixed: bool,
    tolerance: float = FLOAT32,
    named: bool = True,
    xs: Any = None,
    expected: Any = None,
    **options: Any,
) -> str:
    """The operators that the layers became; `named`: the graph is written for this runtime. `expected` is made of the
    outputs of `scan`."""
    sizes = dict(steps=T, batch=B) if fixed else {}
    if named:
        options["runtime"] = runtime
    model = interop.to_onnx(layer, params, lengths=lengths, carry=carry, **sizes, **options)
    read = np.random.default_rng(5).standard_normal((T, B, D)).astype(np.float32) if xs is None else xs
    given: dict[str, Any] = {"X": read if xs is None else read.astype(np.int64)}
    if lengths:
        given["sequence_lens"] = LENGTHS
    start = layer.initial_carry((B,), params)
    start = _drawn(start, 6) if carry else start
    final, ys = jaxrnn.scan(layer, params, _read(read, options), start, lengths=LENGTHS if lengths else None)
    parts = list(zip(start, final, strict=True)) if hasattr(layer, "layers") else [(start, final)]
    wanted = {"Y": ys if expected is None else expected(ys)}
    for i, (before, after) in enumerate(parts):
        given |= {f"initial_{key}_{i}": a for key, a in _states(before).items()} if carry else {}
        wanted |= {f"Y_{key}_{i}": a for key, a in _states(after).items()}
    assert {i.name for i in model.graph.input} == set(given)
    out = RUN[runtime](model, given)
    assert set(out) == set(wanted)
    for name, array in wanted.items():
        np.testing.assert_allclose(out[name], array, tolerance, tolerance, err_msg=f"{runtime}: {name}")
    return " ".join(node.op_type for node in model.graph.node if node.name)


def _read(xs: Any, options: Mapping[str, Any]) -> Any:
    return options["embedding"][xs] if "embedding" in options else xs
