"""Functions around layers as graphs of ONNX, in onnxruntime against JAX: several sizes, ragged rows, NaN in padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import jaxrnn
from tests.interop.runtimes import in_onnxruntime
from tests.promotion import default_promotion

pytest.importorskip("onnxruntime")
of_program = pytest.importorskip("jaxrnn.interop.graphs.of_program")

RNG = np.random.default_rng(0)
SYMBOLS, D, H, CLASSES = 7, 3, 4, 5
SIZES = ((3, 5), (1, 9), (4, 1))  # B, T


def single(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


EMBEDDING, HEAD = single(SYMBOLS, D), single(4 * H, CLASSES)
LAYERS = {
    "lstm": jaxrnn.lstm(H),
    "both ways, then a cell that ONNX lacks": jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.gru(H)), jaxrnn.mgu(H)]),
    "complex states both ways": jaxrnn.bidirectional(jaxrnn.lru(H)),
    "backwards": jaxrnn.reverse(jaxrnn.lstm(H)),
    "peepholes": jaxrnn.stack([jaxrnn.lstm(H, peepholes=True), jaxrnn.residual(jaxrnn.elman(H))]),
}
NODES = {"lstm": ["LSTM"], "backwards": ["LSTM"], "both ways, then a cell that ONNX lacks": ["GRU", "Scan"]}


def masked(ys: Any, lengths: Any) -> Any:
    return jnp.where((jnp.arange(ys.shape[1]) < lengths[:, None])[..., None], ys, 0)


def pooled(layer: jaxrnn.Layer, params: Any) -> Callable[..., tuple[Any, ...]]:
    """What classifiers and taggers do: embed, scan, pool in four ways, attend, read out."""

    def run(ids: Any, lengths: Any) -> tuple[Any, ...]:
        carry, ys = jaxrnn.scan(layer, params, jnp.moveaxis(jnp.asarray(EMBEDDING)[ids], 0, 1), lengths=lengths)
        ys = jnp.moveaxis(ys, 0, 1)
        head = jnp.asarray(HEAD)[: ys.shape[-1]]
        most = jnp.where((jnp.arange(ids.shape[1]) < lengths[:, None])[..., None], ys, -jnp.inf).max(1)
        mean = masked(ys, lengths).sum(1) / lengths[:, None]
        last = jnp.take_along_axis(ys, (lengths - 1)[:, None, None], axis=1)[:, 0]
        also = ys[jnp.arange(ys.shape[0]), lengths - 1] + ys[:, -1]
        weights = jax.nn.softmax(jnp.where(jnp.arange(ids.shape[1]) < lengths[:, None], ys.sum(-1), -1e30))
        seen = jnp.einsum("bt,bth->bh", weights, ys)
        tags = jax.nn.log_softmax(jnp.reshape(ys, (-1, ys.shape[-1])) @ head).reshape(*ids.shape, -1)
        first = jax.tree.leaves(carry)[0]
        return jax.nn.softmax((most + mean + last + also) @ head), tags, tags.argmax(-1), seen, first

    return run


def arguments(**shapes: tuple[str, Any]) -> dict[str, Any]:
    scope = export.SymbolicScope()
    return {
        name: jax.ShapeDtypeStruct(export.symbolic_shape(shape, scope=scope), dtype)
        for name, (shape, dtype) in shapes.items()
    }


def ops(model: Any) -> list[str]:
    return [node.op_type for node in model.graph.node if node.name]


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_what_is_around_a_layer(name: str) -> None:
    layer = LAYERS[name]
    with jax.enable_x64(False), default_promotion():
        params = jax.tree.map(np.asarray, layer.init(jax.random.key(0), inputs=D))
        function = pooled(layer, params)
        given = arguments(ids=("B, T", np.int32), lengths=("B,", np.int32))
        results = ("chances", "tags", "best", "seen", "carry")
        model = of_program.program_to_onnx(function, given, results)
        assert ops(model) == NODES.get(name, ops(model))
        for rows, steps in SIZES:
            ids = RNG.integers(0, SYMBOLS, (rows, steps), np.int32)
            lengths = RNG.integers(1, steps + 1, rows, np.int32)
            got = in_onnxruntime(model, {"ids": ids, "lengths": lengths})
            for result, wanted in zip(results, jax.jit(function)(ids, lengths), strict=True):
                assert got[result].dtype == wanted.dtype
                np.testing.assert_allclose(got[result], wanted, rtol=2e-5, atol=2e-6, err_msg=result)


@pytest.mark.parametrize("name", LAYERS)
def test_carries_go_in_and_out_and_nan_in_padding_stays_there(name: str) -> None:
    """Two pieces are the whole; what lies beyond a row's length changes no bit."""
    layer = LAYERS[name]
    with jax.enable_x64(False), default_promotion():
        params = jax.tree.map(np.asarray, layer.init(jax.random.key(0), inputs=D))
        start = layer.initial_carry((1,), params)
        leaves, tree = jax.tree.flatten(start)

        def run(xs: Any, lengths: Any, *carry: Any) -> tuple[Any, ...]:
            after, ys = jaxrnn.scan(layer, params, xs, jax.tree.unflatten(tree, carry), lengths=lengths)
            return ys, *jax.tree.leaves(after)

        states = {f"s{i}": (", ".join(["B", *map(str, leaf.shape[1:])]), np.float32) for i, leaf in enumerate(leaves)}
        given = arguments(xs=("T, B, 3", np.float32), lengths=("B,", np.int32), **states)
        model = of_program.program_to_onnx(run, given, ("ys", *(f"n{i}" for i in range(len(leaves)))))
        xs, lengths = single(6, 3, D), np.array([6, 2, 4], np.int32)
        carry = [single(3, *leaf.shape[1:]) for leaf in leaves]
        whole = {"xs": xs, "lengths": lengths} | {f"s{i}": a for i, a in enumerate(carry)}
        got = in_onnxruntime(model, whole)
        for found, wanted in zip(got.values(), jax.jit(run)(xs, lengths, *carry), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)
        spoiled = xs.copy()
        for row, length in enumerate(lengths):
            spoiled[length:, row] = np.nan
        for found, again in zip(got.values(), in_onnxruntime(model, whole | {"xs": spoiled}).values(), strict=True):
            np.testing.assert_array_equal(found, again)


def test_symbols_functions_of_sizes_and_the_largest() -> None:
    layer = jaxrnn.lstm(H)
    with jax.enable_x64(False), default_promotion():
        params = jax.tree.map(np.asarray, layer.init(jax.random.key(0), inputs=SYMBOLS))

        def run(symbols: Any) -> tuple[Any, ...]:
            _, ys = jaxrnn.scan(layer, params, symbols.T)
            values, where = jax.lax.top_k(ys.mean(0), 2)
            some = (symbols > 2).any(1) & ~(symbols > 5).all(1)
            return values, where, some, jnp.arange(symbols.shape[1])[None] + symbols, jax.lax.erfc(ys[-1])

        results = ("values", "where", "some", "places", "erfc")
        model = of_program.program_to_onnx(run, arguments(symbols=("B, T", np.int32)), results)
        for rows, steps in SIZES:
            symbols = RNG.integers(0, SYMBOLS, (rows, steps), np.int32)
            got = in_onnxruntime(model, {"symbols": symbols})
            for result, wanted in zip(results, jax.jit(run)(symbols), strict=True):
                np.testing.assert_allclose(got[result], wanted, rtol=2e-5, atol=2e-6, err_msg=result)


LSTM = jaxrnn.lstm(H)


def wrong(params: Any) -> dict[str, tuple[Callable[..., Any], str]]:
    return {
        "several rows of a layer": (
            lambda x, w: (jax.vmap(lambda x: jaxrnn.scan(LSTM, params, x[:, None])[1], 1)(x),),
            "as it stands, not by vmap",
        ),
        "resets": (
            lambda x, w: (jaxrnn.scan(LSTM, params, x, resets=x[..., 0] > 0)[1],),
            "nothing but lengths and a carry",
        ),
        "parameters that are computed": (
            lambda x, w: (jaxrnn.scan(LSTM, params | {"bias": params["bias"] * w[0]}, x)[1],),
            "closed over",
        ),
        "an operation": (lambda x, w: (jnp.linalg.qr(jnp.ones((3, 3)) * w[0])[0],), "'qr'|'geqrf'|'householder"),
        "a size": (lambda x, w: (jnp.zeros((x.shape[0] * x.shape[1],)) + w[0],), "sizes that are numbers or one of"),
        "another count of results": (lambda x, w: (x, w), "a function that returns 1 arrays"),
    }


@pytest.mark.parametrize("name", wrong({"bias": 0}))
def test_what_is_refused(name: str) -> None:
    with jax.enable_x64(False), default_promotion():
        params = jax.tree.map(np.asarray, LSTM.init(jax.random.key(0), inputs=D))
        function, message = wrong(params)[name]
        given = arguments(x=("T, B, 3", np.float32), w=("1,", np.float32))
        with pytest.raises(ValueError, match=message):
            of_program.program_to_onnx(function, given, ("y",))
