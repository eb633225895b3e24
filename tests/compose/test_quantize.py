"""int8 kernels: the form against integers in NumPy and a bound against float64, on every backend; layers; refusals."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load, save

import jaxrnn
from jaxrnn import forms
from jaxrnn.forms.quantized import Quantized, encode
from jaxrnn.kernels.native import library
from tests.laws.programs import GENERAL, assert_close, assert_same_bits
from tests.table import ROWS

FORMS: dict[str, Any] = {
    "dense": {},
    "heads": dict(recurrent=jaxrnn.heads(3), input=jaxrnn.heads(3)),
    "low rank": dict(input=jaxrnn.low_rank(2), recurrent=jaxrnn.low_rank(3)),
    "some gates": dict(input=jaxrnn.only("r", "n"), recurrent=jaxrnn.shared(("r", "z"), of=jaxrnn.heads(3))),
    "maps": dict(input=forms.weight_norm(), recurrent=forms.orthogonal()),
    "diagonal": dict(recurrent=jaxrnn.diagonal),
}


def integers(h: Any, w: Any) -> Any:
    """h [N, R] @ w [R, M] as it is to be quantised, each sum in whole numbers."""
    h, w = np.asarray(h, np.float64), np.asarray(w, np.float64)
    of_rows, of_columns = np.abs(h).max(1, keepdims=True) / 127, np.abs(w).max(0, keepdims=True) / 127
    over = lambda a, b: np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape)), where=b > 0)  # noqa: E731
    q, u = (np.rint(over(a, s)).astype(object) for a, s in ((h, of_rows), (w, of_columns)))
    return np.array(q @ u, np.float64) * (of_rows * np.float32(of_columns))


def bound(h: Any, w: Any) -> Any:
    """How far that may be from the product, as `jaxrnn.forms.quantized` says; and what float32 scales round."""
    a, s = np.abs(h).max(1, keepdims=True) / 127, np.abs(w).max(0, keepdims=True) / 127
    off = a / 2 * np.abs(w).sum(0) + s / 2 * np.abs(h).sum(1, keepdims=True) + len(w) * a * s / 4
    return off + 1e-6 * np.abs(h) @ np.abs(w)


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 3, 5), (3, 17, 33), (2, 260, 65), (5, 1100, 7)], ids=str)
def test_a_product_is_one_of_integers(size: tuple[int, ...]) -> None:
    N, R, H = size
    rng = np.random.default_rng(R)
    w, h = rng.standard_normal((R, 2, H)), rng.standard_normal((N, R)) * np.exp(rng.standard_normal((N, 1)))
    w[:, 0, 0], h[0, : R // 2] = 0, 0
    form = Quantized(jaxrnn.dense, np.dtype(np.float64))
    actual = np.asarray(form.product(form.encoded((jnp.asarray(w),)), jnp.asarray(h))).reshape(N, -1)
    flat = w.reshape(R, -1)
    assert np.abs(actual - integers(h, flat)).max() <= 1e-12 * np.abs(h @ flat).max() + 1e-300
    assert (np.abs(actual - h @ flat) <= bound(h, flat)).all()


def test_numbers_that_are_special() -> None:
    """A row of zeros, of tiny numbers, with NaN, with infinity; and -128, which others may have stored."""
    rows = np.array([[0.0, 0.0], [1e-38, -1e-38], [np.nan, 1.0], [np.inf, 1.0], [2.0, -1.0]], np.float32)
    numbers, scales = encode(jnp.asarray(rows), -1)
    assert np.asarray(numbers).tolist() == [[0, 0], [0, 0], [0, 0], [0, 0], [127, -64]]
    assert not np.asarray(scales)[:2].any()
    assert np.isnan(np.asarray(scales)[2:4]).all()
    cell, params, _ = made("gru", "dense", 4, np.float32)
    least = params | {n: jnp.full_like(a, -128) for n, a in params.items() if a.dtype == np.int8}
    xs = np.random.default_rng(0).standard_normal((5, 2, 6)).astype(np.float32)
    assert_close(*(jaxrnn.scan(cell, least, xs, backend=b) for b in ("native", "reference")), 1e-5)
    spoilt = xs.copy()
    spoilt[2, 0, 0] = np.nan
    for backend in GENERAL:
        ys = np.asarray(jaxrnn.scan(cell, params, spoilt, backend=backend)[1])
        assert np.isnan(ys[2:, 0]).all()
        assert ys[:, 1].tobytes() == np.asarray(jaxrnn.scan(cell, params, xs, backend=backend)[1])[:, 1].tobytes()


def made(name: str, form: str, size: int = 6, dtype: Any = np.float64, inputs: int = 6) -> tuple[Any, Any, Any]:
    """A quantised cell, its parameters, and a floating cell with the numbers that these stand for."""
    cell = getattr(jaxrnn, name)(size, param_dtype=dtype, **FORMS[form])
    params = cell.init(jax.random.key(1), inputs)
    return *jaxrnn.quantize(cell, params), (cell, params)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["lstm", "gru", "elman"])
def test_backends_agree(name: str, form: str) -> None:
    """In float64, where no rounding moves a number to another integer: lengths, resets, both ways, step by step."""
    if form == "some gates" and name != "gru":
        pytest.skip("names gates of a GRU")
    cell, params, (floating, before) = made(name, form)
    xs = np.random.default_rng(0).standard_normal((9, 3, 6))
    resets = np.zeros((9, 3), bool)
    resets[4, 1] = True
    for more in ({}, dict(lengths=np.array([9, 4, 0]), resets=resets, reverse=True)):
        results = [jaxrnn.scan(cell, params, xs, **more, backend=b) for b in GENERAL]
        assert_close(results[0], results[2], 1e-12)
        assert_close(results[1], results[2], 1e-12)
        near = jaxrnn.scan(floating, before, xs, **more)
        assert 0 < np.abs(np.asarray(near[1]) - np.asarray(results[0][1])).max() < 0.1
    carry, stepped = cell.initial_carry((3,), params), []
    for x in xs:
        carry, y = cell.step(params, carry, x)
        stepped.append(y)
    assert_close((carry, jnp.stack(stepped)), jaxrnn.scan(cell, params, xs, backend="reference"), 1e-12)


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 3, 5), (3, 65, 33), (7, 66, 129), (11, 130, 20)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
def test_odd_sizes_natively(size: tuple[int, ...], dtype: Any, monkeypatch: Any) -> None:
    """One step, where it lies and by threads; one step of a scan, packed: within a rounding of the reference."""
    from jaxrnn.kernels.native import arrays

    N, D, H = size
    cell, params, _ = made("lstm", "dense", H, dtype, D)
    x = np.random.default_rng(0).standard_normal((N, D)).astype(dtype)
    carry = jax.tree.map(
        lambda a: jnp.asarray(np.random.default_rng(1).standard_normal(a.shape), dtype), cell.initial_carry((N,))
    )
    expected = jaxrnn.scan(cell, params, x[None], carry, backend="reference")
    tolerance = 64 * np.finfo(dtype).eps
    assert_close(jaxrnn.scan(cell, params, x[None], carry, backend="native"), expected, tolerance)
    for least in (1, 2**40):
        monkeypatch.setattr(arrays, "PART_BYTES", least)
        step = jax.jit(lambda *a: cell.step(*a))
        new, y = step(params, carry, x)
        assert_close((new, y[None]), expected, tolerance)
    calls = jax.jit(lambda *a: cell.step(*a)).lower(params, carry, x).as_text().count(f"@{library.TARGET}(")
    assert calls == (1 if N <= 8 else 0)


@pytest.mark.parametrize("row", sorted(ROWS)[::6])
def test_cells_of_the_table(row: str) -> None:
    """Each runs with int8 kernels and stays near."""
    cell = ROWS[row].factory(8)
    params = cell.init(jax.random.key(0), cell.made_for or 8)
    made, numbers = jaxrnn.quantize(cell, params)
    assert made.output_size == cell.output_size
    assert any(a.dtype == np.int8 for a in jax.tree.leaves(numbers))
    if not cell.asked:
        xs = np.random.default_rng(0).standard_normal((4, 2, cell.made_for or 8))
        found = [np.asarray(jaxrnn.scan(c, p, xs)[1]) for c, p in ((cell, params), (made, numbers))]
        assert np.abs(found[0] - found[1]).max() < 0.2 * max(1, np.abs(found[0]).max())


def test_layers_of_layers() -> None:
    """Stack, both directions, wrappers: int8 throughout, the same structure, near the layer that was trained."""
    inner = jaxrnn.bidirectional(jaxrnn.gru(4), jaxrnn.zoneout(jaxrnn.lstm(4), h=0.1))
    layer = jaxrnn.stack([inner, jaxrnn.highway(jaxrnn.lstm(8)), jaxrnn.residual(jaxrnn.reverse(jaxrnn.elman(8)))])
    params = layer.init(jax.random.key(0), 3)
    made, numbers = jaxrnn.quantize(layer, params)
    xs = np.random.default_rng(0).standard_normal((7, 2, 3)).astype(np.float32)
    ys, near = (jaxrnn.scan(*at, xs, lengths=np.array([7, 3]))[1] for at in ((layer, params), (made, numbers)))
    assert 0 < np.abs(np.asarray(ys - near)).max() < 0.05
    assert not np.asarray(near[3:, 1]).any()
    kept = numbers["layer_1"]
    assert kept["gate_kernel"] is params["layer_1"]["gate_kernel"]
    assert kept["layer"]["kernel"].dtype == np.int8
    assert jax.tree.structure(made.initial_carry((2,), numbers)) == jax.tree.structure(
        layer.initial_carry((2,), params)
    )
    assert_same_bits(load(save(flat(numbers))), flat(numbers))
    assert str(jaxrnn.explain(made)).count("runs on 'native'") == 4


def flat(tree: Any) -> dict[str, Any]:
    """By names, as files have them."""
    return {jax.tree_util.keystr(k): np.asarray(a) for k, a in jax.tree_util.tree_leaves_with_path(tree)}


def test_rows_do_not_know_each_other() -> None:
    cell, params, _ = made("lstm", "dense", 6, np.float32)
    xs = np.random.default_rng(0).standard_normal((5, 4, 6)).astype(np.float32)
    loud = xs * np.array([1, 1e4, 1e-4, 1], np.float32)[:, None]
    for backend in GENERAL:
        a, b = (np.asarray(jaxrnn.scan(cell, params, x, backend=backend)[1]) for x in (xs, loud))
        assert a[:, ::3].tobytes() == b[:, ::3].tobytes()


def test_symbols_are_one_hot_inputs() -> None:
    cell, params, _ = made("gru", "dense")
    symbols = np.random.default_rng(0).integers(0, 6, (5, 2))
    assert_close(jaxrnn.scan(cell, params, symbols), jaxrnn.scan(cell, params, np.eye(6)[symbols]), 1e-13)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_dtypes_stay(dtype: str) -> None:
    """Of outputs and carries, with parameters and inputs of the dtype, and where the cell says one."""
    cell = jaxrnn.gru(4, param_dtype=dtype)
    params = cell.init(jax.random.key(0), 3)
    made, numbers = jaxrnn.quantize(cell, params)
    for given in ("bfloat16", "float32"):
        xs = jnp.ones((3, 2, 3), given)
        before, after = (jaxrnn.scan(c, p, xs) for c, p in ((cell, params), (made, numbers)))
        assert [a.dtype for a in jax.tree.leaves(before)] == [a.dtype for a in jax.tree.leaves(after)]
    assert numbers["kernel_scale"].dtype == np.float32


def test_there_is_no_derivative() -> None:
    cell, params, _ = made("lstm", "dense")
    xs, carry = jnp.ones((4, 2, 6)), cell.initial_carry((2,), params)
    calls: list[Any] = [partial(jaxrnn.scan, cell, params, backend=b) for b in GENERAL]
    for call in (*calls, jax.jit(calls[0]), lambda xs: cell.step(params, carry, xs[0]), partial(cell.project, params)):
        with pytest.raises(TypeError, match=r"`kernels of lstm` must be floating ones .*, got int8 ones"):
            jax.grad(lambda xs: sum(a.sum() for a in jax.tree.leaves(call(xs))))(xs)  # noqa: B023
    bias = lambda b: jaxrnn.scan(cell, params | {"bias": b}, xs)[1].sum()  # noqa: E731
    with pytest.raises(TypeError, match="int8 ones"):
        jax.grad(bias)(params["bias"])
    head = lambda w: (jaxrnn.scan(cell, params, xs)[1] @ w).sum()  # noqa: E731
    assert jax.grad(head)(jnp.ones(6)).shape == (6,)


def test_refusals() -> None:
    cell = jaxrnn.lstm(4)
    params = cell.init(jax.random.key(0), 3)
    made, numbers = jaxrnn.quantize(cell, params)
    with pytest.raises(ValueError, match="`cell` must be a layer with floating kernels"):
        jaxrnn.quantize(made, numbers)
    spoilt = {"layer_0": params | {"kernel": params["kernel"].at[0, 0, 0].set(np.inf)}}
    with pytest.raises(ValueError, match=r"`params\['layer_0'\]\['kernel'\]` must be finite numbers, got NaN"):
        jaxrnn.quantize(jaxrnn.stack([cell]), spoilt)
    grid = jaxrnn.lstm(4, input=jaxrnn.convolution(3), recurrent=jaxrnn.convolution(3))
    with pytest.raises(ValueError, match="with kernels of matrices"):
        jaxrnn.quantize(grid, grid.init(jax.random.key(0), 3))
    with pytest.raises(TypeError, match=r"`params\['kernel'\]` must be an array of int8"):
        jaxrnn.scan(made, numbers | {"kernel": params["kernel"]}, np.ones((2, 2, 3), np.float32))
    with pytest.raises(ValueError, match="`of` must be a form of matrices"):
        forms.quantized(jaxrnn.diagonal)


def test_a_zero_column() -> None:
    cell = jaxrnn.gru(4)
    params = {n: a.at[..., 1].set(0.0) for n, a in cell.init(jax.random.key(0), 3).items()}
    made, numbers = jaxrnn.quantize(cell, params)
    for backend in GENERAL:
        assert not np.asarray(jaxrnn.scan(made, numbers, np.ones((3, 2, 3), np.float32), backend=backend)[1])[
            ..., 1
        ].any()


def test_stored_parameters_and_modules() -> None:
    """The form by itself takes what `quantize` made; an NNX module holds it."""
    from flax import nnx

    cell = jaxrnn.lstm(4, param_dtype=np.float32)
    made, numbers = jaxrnn.quantize(cell, cell.init(jax.random.key(0), 3))
    again = jaxrnn.lstm(4, param_dtype=np.float32, input=forms.quantized(), recurrent=forms.quantized())
    xs = np.random.default_rng(0).standard_normal((5, 2, 3)).astype(np.float32)
    expected = jaxrnn.scan(made, numbers, xs)
    assert_same_bits(jaxrnn.scan(again, numbers, xs), expected)
    rnn = jaxrnn.nnx.RNN(made, 3, time_major=True, rngs=nnx.Rngs(0))
    for name, a in numbers.items():
        getattr(rnn, name)[...] = a
    assert_close(rnn(xs), expected[1], 1e-6)
    assert_same_bits(
        jax.jit(jax.vmap(lambda x: jaxrnn.scan(made, numbers, x)[1], 1, 1))(xs), jaxrnn.scan(made, numbers, xs)[1]
    )
