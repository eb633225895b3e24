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


def test_sizes_that_are_computed_pieces_of_any_length_and_pads() -> None:
    def run(xs: Any) -> tuple[Any, ...]:
        T, B, size = xs.shape
        flat = xs.reshape(T * B, size)
        late = jnp.pad(xs, ((3, 0), (0, 0), (0, 0)), constant_values=7)[:T]
        cut = jax.lax.pad(xs, jnp.float32(0), ((-1, 2, 0), (0, 0, 0), (1, -2, 0)))
        counts = jnp.arange(T // 2 + 2 * B), jnp.arange(-(-T // 3)), jnp.arange(T % 4 + B**2)
        last = jax.lax.dynamic_slice_in_dim(xs, jnp.int32(T), 1)  # of what there is: one step less
        return flat, late, cut, *counts, xs[1:], xs[-1:], xs[0], last, *jnp.split(xs, [1, 1], -1)

    with jax.enable_x64(False), default_promotion():
        results = tuple(f"r{n}" for n in range(13))
        model = of_program.program_to_onnx(run, arguments(xs=("T, B, 3", np.float32)), results)
        for rows, steps in SIZES:
            xs = single(steps, rows, 3)
            got = in_onnxruntime(model, {"xs": xs})
            late = np.concatenate([np.full((3, rows, 3), 7, np.float32), xs])[:steps]
            cut = np.pad(xs[1:], ((0, 2), (0, 0), (1, 0)))[..., :2]
            counts = [np.arange(n) for n in (steps // 2 + 2 * rows, -(-steps // 3), steps % 4 + rows**2)]
            pieces = [xs[1:], xs[-1:], xs[0], xs[-1:], *np.split(xs, [1, 1], -1)]
            wanted = [xs.reshape(-1, 3), late, cut, *counts, *pieces]
            for result, want in zip(results, wanted, strict=True):
                np.testing.assert_array_equal(got[result], want, err_msg=result)


PLACES = np.array([-30, -8, -7, -1, 0, 3, 6, 7, 30], np.int32)  # below, inside and beyond seven
DTYPES = ("float32", "float16", "int32", "int8", "uint8", "int16", "bool")


def picks(data: Any, mode: Any, **fill: Any) -> Callable[..., tuple[Any, ...]]:
    """Rows, single numbers, numbers along an axis and pieces, with and without Python's negative indices."""
    d = jax.lax.GatherDimensionNumbers((0, 1), (), (0,))

    def run(at: Any, one: Any) -> tuple[Any, ...]:
        table = jnp.asarray(data)  # [7, 4]
        raw = table.at[at].get(mode=mode, wrap_negative_indices=False, **fill)
        wrapped = table.at[at].get(mode=mode, **fill)
        pairs = table.at[at, jax.lax.div(at[::-1], jnp.int32(2))].get(mode=mode, **fill)
        moved = table.T.at[:, at[:, None]].get(mode=mode, **fill)
        along = jnp.take_along_axis(table, at[:, None], 0, mode)
        cut = jax.lax.gather(table, one, d, (3, 4), mode=mode, **fill)
        return raw, wrapped, pairs, moved, along, cut, table.at[one[0], 1].get(mode=mode, **fill)

    return run


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["clip", "fill", "fill with a number", "promise_in_bounds"])
def test_indices_below_inside_and_beyond(mode: str, dtype: str) -> None:
    """Each mode as `jax.jit` computes it; a promise is tried where it holds."""
    with jax.enable_x64(False), default_promotion():
        data = RNG.integers(0, 100, (7, 4)).astype(dtype)
        fill = dict(fill_value=1) if mode == "fill with a number" else {}
        run = picks(data, mode.split()[0], **fill)
        names = ("raw", "wrapped", "pairs", "moved", "along", "cut", "single")
        model = of_program.program_to_onnx(run, arguments(at=("N", np.int32), one=("1,", np.int32)), names)
        inside = np.arange(7, dtype=np.int32)
        for one in (2, 0, 4) if mode == "promise_in_bounds" else (-30, -1, 0, 2, 4, 5, 30):
            given = dict(at=inside if mode == "promise_in_bounds" else PLACES, one=np.array([one], np.int32))
            for name, want in zip(names, jax.jit(run)(**given), strict=True):
                got = in_onnxruntime(model, given)[name]
                assert got.dtype == want.dtype
                np.testing.assert_array_equal(got, want, err_msg=f"{name}, {one}")


@pytest.mark.parametrize("mode", ["clip", "fill"])
def test_indices_of_a_length_that_is_not_known_and_those_that_are(mode: Any) -> None:
    def run(xs: Any) -> tuple[Any, ...]:
        get = lambda *at: xs.at[at].get(mode=mode, wrap_negative_indices=False)  # noqa: E731
        return get(np.array([-1, 0, 4])), get(slice(None), np.array([[0, 2]])), get(slice(None), np.array([-1, 2, 3]))

    with jax.enable_x64(False), default_promotion():
        model = of_program.program_to_onnx(run, arguments(xs=("T, 3", np.float32)), ("a", "b", "c"))
        for steps in (1, 4, 9):
            xs = single(steps, 3)
            got = in_onnxruntime(model, {"xs": xs})
            for name, want in zip("abc", jax.jit(run)(xs), strict=True):
                np.testing.assert_array_equal(got[name], want, err_msg=f"{name}, {steps}")


def test_nodes_for_indices_outside_are_there_where_a_mode_asks_for_them() -> None:
    def extra(mode: Any, known: bool = False) -> set[str]:
        def run(ids: Any, table: Any) -> tuple[Any, ...]:
            at = np.array([0, SYMBOLS - 1]) if known else ids
            return (table.at[at].get(mode=mode, wrap_negative_indices=False),)

        given = arguments(ids=("T", np.int32), table=(f"{SYMBOLS}, 3", np.float32))
        nodes = of_program.program_to_onnx(run, given, ("y",)).graph.node
        return {node.op_type for node in nodes} & {"Where", "Min", "Max", "Equal"}

    with jax.enable_x64(False), default_promotion():
        assert extra("promise_in_bounds") == extra("clip", known=True) == extra("fill", known=True) == set()
        assert extra("clip") == {"Min", "Max"}
        assert extra("fill") == {"Where", "Min", "Max", "Equal"}


def test_a_size_that_no_argument_has() -> None:
    given = arguments(x=("2*N", np.float32))
    with pytest.raises(ValueError, match="sizes that are computed of"):
        of_program.program_to_onnx(lambda x: (jnp.arange(x.shape[0] // 2),), given, ("y",))


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
        "holes in a pad": (lambda x, w: (jax.lax.pad(x, w[0], ((0, 0, 1), (0, 0, 0), (0, 0, 0))),), "'pad'"),
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


def test_what_is_near_one_keeps_the_digits_of_its_difference() -> None:
    """e^x - 1 of small numbers: a decay near one makes 1 - a^2 of it."""
    xs = np.array([-np.inf, -90, -3, -1e-2, -1e-5, -1e-9, 0, 1e-9, 1e-5, 1e-2, 3, 80, np.inf], np.float32)
    shapes = {"xs": jax.ShapeDtypeStruct(export.symbolic_shape("n"), np.float32)}
    model = of_program.program_to_onnx(lambda xs: (jnp.expm1(xs),), shapes, ("ys",))
    found = in_onnxruntime(model, {"xs": xs})["ys"]
    np.testing.assert_allclose(found, np.expm1(xs.astype(np.float64)), rtol=1e-6)
