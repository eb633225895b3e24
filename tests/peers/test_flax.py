"""Flax's LSTM and GRU cells, linen and NNX, live in float64: outputs and every gradient."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from tests.peers.weights import GRADIENTS, OUTPUTS, B, D, H, T, all_close, close, data, run, scan_of

linen = pytest.importorskip("flax.linen")
nnx = pytest.importorskip("flax.nnx")

LSTM_GATES, GRU_GATES = "ifgo", "rzn"


def lstm_of(read: Any) -> dict[str, Any]:
    """linen and NNX alike: `i*` without bias, `h*` with the one bias."""
    return {
        "kernel": np.stack([read(f"i{g}", "kernel") for g in LSTM_GATES], 1),
        "recurrent_kernel": np.stack([read(f"h{g}", "kernel") for g in LSTM_GATES], 1),
        "bias": np.stack([read(f"h{g}", "bias") for g in LSTM_GATES]),
    }


def linen_gru_of(read: Any) -> dict[str, Any]:
    """The biases of r and z are on the input's side, that of the candidate's product inside the reset."""
    return {
        "kernel": np.stack([read(f"i{g}", "kernel") for g in GRU_GATES], 1),
        "recurrent_kernel": np.stack([read(f"h{g}", "kernel") for g in GRU_GATES], 1),
        "bias": np.stack([read(f"i{g}", "bias") for g in GRU_GATES]),
        "recurrent_bias": read("hn", "bias"),
    }


def nnx_gru_of(read: Any) -> dict[str, Any]:
    """Fused, in the order r, z, n, and without the bias inside the reset (trap 38)."""
    return {
        "kernel": read("dense_i", "kernel").reshape(D, 3, H),
        "recurrent_kernel": read("dense_h", "kernel").reshape(H, 3, H),
        "bias": read("dense_i", "bias").reshape(3, H),
    }


def compare(
    step: Any, weights: Any, convert: Any, read_of: Any, cell: Any, backend: str, added: dict[str, Any]
) -> None:
    """`step(weights, carry, x)` is theirs; `read_of(tree)` makes a reader of weights or gradients."""
    shapes = cell.carry_shapes((B,))
    xs, *states = data(11, (T, B, D), *shapes)
    *carry_weights, ys_weight = data(12, *shapes, (T, B, H))
    many = len(states) > 1
    theirs = tuple(states) if many else states[0]
    cotangent = (tuple(carry_weights) if many else carry_weights[0], ys_weight)
    (last, out), pull = jax.vjp(lambda w, x, c: scan_of(lambda c, x: step(w, c, x), x, c), weights, xs, theirs)
    dweights, dx, dc = pull(cotangent)
    params = convert(read_of(weights)) | added
    (carry, ys), (dparams, dxs, dcarry) = run(
        cell, params, xs, cell.carry_type(*states), (cell.carry_type(*carry_weights), ys_weight), backend=backend
    )
    close(ys, out, OUTPUTS)
    for a, e in zip(carry, last if many else (last,), strict=True):
        close(a, e, OUTPUTS)
    close(dxs, dx, GRADIENTS)
    for a, e in zip(dcarry, dc if many else (dc,), strict=True):
        close(a, e, GRADIENTS)
    all_close({k: v for k, v in dparams.items() if k not in added}, convert(read_of(dweights)), GRADIENTS)


@pytest.mark.parametrize("backend", ["scheduled", "reference"])
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_linen(name: str, backend: str) -> None:
    make, convert, cell = {
        "lstm": (linen.LSTMCell, lstm_of, jaxrnn.lstm(H)),
        "gru": (linen.GRUCell, linen_gru_of, jaxrnn.gru(H)),
    }[name]
    module = make(H, param_dtype=np.float64, dtype=np.float64)
    carry = cell.carry_type(*(np.zeros(s) for s in cell.carry_shapes((B,))))
    weights = module.init(jax.random.key(0), tuple(carry) if len(carry) > 1 else carry[0], np.zeros((B, D)))["params"]
    weights = jax.tree.map(
        lambda a: a + 0.3 * np.sin(np.arange(a.size)).reshape(a.shape), weights
    )  # zero biases hide mistakes
    compare(
        lambda w, c, x: module.apply({"params": w}, c, x),
        weights,
        convert,
        lambda w: lambda layer, kind: np.asarray(w[layer][kind]),
        cell,
        backend,
        {},
    )


def simple_of(read: Any) -> dict[str, Any]:
    return {
        "kernel": read("dense_i", "kernel")[:, None],
        "recurrent_kernel": read("dense_h", "kernel")[:, None],
        "bias": read("dense_i", "bias")[None],
    }


@pytest.mark.parametrize("backend", ["scheduled", "reference", "native"])
@pytest.mark.parametrize("residual", [False, True])
def test_simple_cells(residual: bool, backend: str) -> None:
    """Flax adds the state inside the activation, `residual="inside"` here."""
    flax = dict(param_dtype=np.float64, dtype=np.float64, residual=residual)
    cell = jaxrnn.elman(H, residual="inside" if residual else False)
    in_nnx = nnx.SimpleCell(D, H, rngs=nnx.Rngs(0), **flax)
    graph, params = nnx.split(in_nnx, nnx.Param)
    noise = lambda a: a + 0.3 * np.sin(np.arange(a.size)).reshape(a.shape)  # noqa: E731
    weights = jax.tree.map(noise, nnx.to_pure_dict(params))

    def step(w: Any, c: Any, x: Any) -> Any:
        state = jax.tree.map(lambda a: a, params)
        nnx.replace_by_pure_dict(state, w)
        return nnx.merge(graph, state)(c, x)

    compare(step, weights, simple_of, lambda w: lambda layer, kind: np.asarray(w[layer][kind]), cell, backend, {})
    module = linen.SimpleCell(H, **flax)
    weights = jax.tree.map(noise, module.init(jax.random.key(0), np.zeros((B, H)), np.zeros((B, D)))["params"])
    theirs = {"dense_i": "i", "dense_h": "h"}
    read = lambda w: lambda layer, kind: np.asarray(w[theirs[layer]][kind])  # noqa: E731
    compare(lambda w, c, x: module.apply({"params": w}, c, x), weights, simple_of, read, cell, backend, {})


@pytest.mark.parametrize("backend", ["scheduled", "reference"])
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_nnx(name: str, backend: str) -> None:
    make, convert, cell = {
        "lstm": (nnx.LSTMCell, lstm_of, jaxrnn.lstm(H)),
        "gru": (nnx.GRUCell, nnx_gru_of, jaxrnn.gru(H)),
    }[name]
    module = make(D, H, param_dtype=np.float64, dtype=np.float64, rngs=nnx.Rngs(0))
    graph, params, rest = nnx.split(module, nnx.Param, ...)
    weights = jax.tree.map(lambda a: a + 0.3 * np.sin(np.arange(a.size)).reshape(a.shape), nnx.to_pure_dict(params))

    def step(w: Any, c: Any, x: Any) -> Any:
        state = jax.tree.map(lambda a: a, params)
        nnx.replace_by_pure_dict(state, w)
        return nnx.merge(graph, state, rest)(c, x)

    def read_of(w: Any) -> Any:
        return lambda layer, kind: np.asarray(w["if_" if layer == "if" else layer][kind])

    compare(step, weights, convert, read_of, cell, backend, {"recurrent_bias": np.zeros(H)} if name == "gru" else {})
