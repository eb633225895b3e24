"""The native backend in bfloat16 and float16: products of 16 bits, sums, gates and carry in float32."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.kernels.native import arrays, build, library
from tests.kernels.test_elementary import runs_here
from tests.waiting import ran

THREADS = library.threads()
CELLS = {
    "lstm": jaxrnn.lstm(37),
    "lstm, peepholes": jaxrnn.lstm(20, peepholes=True),
    "gru": jaxrnn.gru(37),
    "gru, reset before": jaxrnn.gru(65, reset_after=False),
    "elman": jaxrnn.elman(130),
    "heads": jaxrnn.lstm(64, recurrent=jaxrnn.heads(4)),
    "low rank": jaxrnn.lstm(64, recurrent=jaxrnn.low_rank(9)),
    "diagonal": jaxrnn.gru(33, recurrent=jaxrnn.diagonal),
}
HALVES = {d.__name__: d for d in (jnp.bfloat16, jnp.float16)}
SIZES = {  # T, B, D; whether parameters are of 16 bits too
    "one row": ((9, 1, 5), False),
    "ragged": ((40, 7, 46), True),
    "many rows": ((17, 41, 33), False),
    "many rows, small parameters": ((17, 41, 33), True),
}


def drawn(cell: Any, size: tuple[int, int, int], held: Any, dtype: Any) -> tuple[Any, Any]:
    """Parameters and inputs that `dtype` holds, so that the truth has the same."""
    rng, (T, B, D) = np.random.default_rng(0), size
    rounded = lambda a, to: jnp.asarray(a, jnp.float32).astype(dtype).astype(to)  # noqa: E731
    scale = 2 * (D + cell.size) ** 0.5  # so that states forget
    params = {n: rounded(rng.standard_normal(p.shape) / scale, held) for n, p in cell.declare(D).items()}
    return params, rounded(rng.standard_normal((T, B, D)), dtype)


def results(cell: Any, params: Any, xs: Any, backend: str = "native", **steps: Any) -> Any:
    """(final carry, outputs), and gradients of parameters and inputs."""

    def run(params: Any, xs: Any) -> Any:
        return jaxrnn.scan(cell, params, xs, backend=backend, **steps)

    def both(params: Any, xs: Any) -> Any:
        outputs, pull = jax.vjp(run, params, xs)
        return outputs, pull(
            jax.tree.map(lambda a: jnp.cos(jnp.arange(a.size).reshape(a.shape)).astype(a.dtype), outputs)
        )

    return jax.jit(both)(params, xs)


def wide(tree: Any) -> Any:
    return jax.tree.map(lambda a: np.asarray(a.astype(jnp.float32), np.float64), tree)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", CELLS)
def test_values_and_gradients(name: str, dtype: str, size: str) -> None:
    """Against the reference in float64 on the same numbers.

    What is multiplied is rounded once on its way in, what is kept or put out once on its way out, each by half an eps;
    sums of products are float32. These cells forget: a rounding counts for some steps. So an entry is within 4 eps of
    the largest of its array, T has no part in it; a gradient, whose terms cancel over rows and steps, within twice
    that. Law 6 allows 4 T eps.
    """
    half, cell, (shape, narrow) = HALVES[dtype], CELLS[name], SIZES[size]
    params, xs = drawn(cell, shape, half if narrow else jnp.float32, half)
    steps = {"lengths": np.array([40, 0, 3, 17, 39, 1, 8]), "reverse": True} if size == "ragged" else {}
    found = results(replace(cell, dtype=half), params, xs, **steps)
    exact = results(cell, *wide((params, xs)), backend="reference", **steps)
    (carry, ys), (dparams, dxs) = found
    assert ys.dtype == dxs.dtype == half
    assert {a.dtype for a in carry} == {jnp.dtype(jnp.float32)}
    assert {a.dtype for a in dparams.values()} == {a.dtype for a in params.values()}
    for times, actual, true in zip((4, 8), wide(found), exact, strict=True):
        for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(true), strict=True):
            assert np.abs(a - e).max() <= times * float(jnp.finfo(half).eps) * np.abs(e).max()


@pytest.mark.parametrize("narrow", [False, True], ids=["float32 parameters", "small parameters"])
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", ["lstm, peepholes", "gru, reset before", "elman"])
def test_threads_that_share_columns(name: str, dtype: str, narrow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `test_values_and_gradients`, whatever the number of rows; the bits of outputs are those that rows give."""
    half, cell = HALVES[dtype], CELLS[name]
    params, xs = drawn(cell, (23, 7, 45), half if narrow else jnp.float32, half)
    steps = {"lengths": np.array([23, 0, 3, 17, 22, 1, 8]), "resets": np.arange(23 * 7).reshape(23, 7) % 11 == 5}
    exact = results(cell, *wide((params, xs)), backend="reference", **steps)
    found = []
    for team in (0, 64):
        monkeypatch.setattr(arrays, "_team", lambda *_, team=team, **__: team)
        found.append(results(replace(cell, dtype=half), params, xs, **steps))
        for times, actual, true in zip((4, 8), wide(found[-1]), exact, strict=True):
            for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(true), strict=True):
                assert np.abs(a - e).max() <= times * float(jnp.finfo(half).eps) * np.abs(e).max()
    for rows, columns in zip(*(jax.tree.leaves(wide(f[0])) for f in found), strict=True):
        np.testing.assert_array_equal(rows, columns)


@pytest.mark.parametrize("narrow", [False, True], ids=["float32 parameters", "small parameters"])
@pytest.mark.parametrize("dtype", HALVES)
def test_symbols(dtype: str, narrow: bool) -> None:
    """Rows of the kernel are taken as they are held, and added to in float32."""
    half, cell = HALVES[dtype], CELLS["gru"]
    params, _ = drawn(cell, (1, 1, 11), half if narrow else jnp.float32, half)
    xs, low = np.random.default_rng(1).integers(0, 11, (19, 7)), replace(cell, dtype=half)

    def both(cell: Any, params: Any, backend: str) -> Any:
        run = lambda p: jaxrnn.scan(cell, p, xs, backend=backend)[1]  # noqa: E731
        ys, pull = jax.vjp(run, params)
        return ys, pull(jnp.cos(jnp.arange(ys.size).reshape(ys.shape)).astype(ys.dtype))

    found = both(low, params, "native")
    for a, e in zip(jax.tree.leaves(wide(found)), jax.tree.leaves(both(cell, wide(params), "reference")), strict=True):
        assert np.abs(a - e).max() <= 4 * float(jnp.finfo(half).eps) * np.abs(e).max()


@pytest.mark.parametrize("dtype", HALVES)
def test_it_runs_where_it_says_so(dtype: str) -> None:
    cell = jaxrnn.lstm(4, dtype=HALVES[dtype])
    params, xs = drawn(cell, (5, 2, 3), jnp.float32, HALVES[dtype])
    gradient = jax.jit(jax.grad(lambda p: jaxrnn.scan(cell, p, xs)[1].sum().astype(jnp.float32)))
    assert gradient.lower(params).as_text().count(f"@{library.TARGET}(") == 2
    assert jaxrnn.explain(cell).cells[0][2] == "native"
    narrow = jaxrnn.lstm(4, dtype=HALVES[dtype], carry_dtype=HALVES[dtype])
    assert f"not {dtype} with a carry of {dtype}" in str(jaxrnn.explain(narrow))


@pytest.mark.parametrize("name", ["lstm", "gru", "heads"])
def test_rows_are_alone_whatever_shares_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bits do not depend on the number of cores, on other rows, nor on NaN in padding; gradients of kernels only on
    the cores' sums."""
    cell = replace(CELLS[name], dtype=jnp.bfloat16)
    params, xs = drawn(cell, (17, 41, 33), jnp.float32, jnp.bfloat16)
    lengths = np.arange(41) % 18
    outputs, (_, dxs) = results(cell, params, xs, lengths=lengths)
    spoiled = jnp.where(np.arange(17)[:, None, None] < lengths[:, None], xs, jnp.asarray(jnp.nan, xs.dtype))
    again = results(cell, params, spoiled, lengths=lengths)
    monkeypatch.setattr(library, "threads", lambda: 1 if THREADS > 1 else 2)
    jax.clear_caches()
    other = results(cell, params, xs, lengths=lengths)
    for found in (again, other):
        for a, b in zip(jax.tree.leaves((outputs, dxs)), jax.tree.leaves((found[0], found[1][1])), strict=True):
            np.testing.assert_array_equal(np.asarray(a.astype(jnp.float32)), np.asarray(b.astype(jnp.float32)))
    assert all(np.isfinite(a).all() for a in jax.tree.leaves(wide(again)))


def test_vmap_and_remat() -> None:
    """The mapped axis joins the rows, and what is run again is the same to the bit."""
    cell = replace(CELLS["gru"], dtype=jnp.bfloat16)
    params, xs = drawn(cell, (9, 6, 5), jnp.float32, jnp.bfloat16)

    def loss(run: Any, params: Any) -> Any:
        return (run(params, xs).astype(jnp.float32) ** 2).sum()

    plain = lambda p, xs: jaxrnn.scan(cell, p, xs)[1]  # noqa: E731
    mapped = jax.vmap(plain, (None, 1), 1)
    runs = [plain, jax.checkpoint(plain), lambda p, xs: mapped(p, xs.reshape(9, 2, 3, 5)).reshape(9, 6, -1)]
    values, gradients = zip(
        *[jax.jit(jax.value_and_grad(lambda p, r=r: loss(r, p)))(params) for r in runs], strict=True
    )
    assert values[0] == values[1] == values[2]
    for other in gradients[1:]:
        for a, b in zip(jax.tree.leaves(gradients[0]), jax.tree.leaves(other), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(a).max())


@pytest.mark.parametrize("held", ["float32", "half"])
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", CELLS)
def test_one_step(name: str, dtype: str, held: str) -> None:
    """In one call: kernels are read as they are held, and what is multiplied is not even rounded."""
    half, cell = HALVES[dtype], CELLS[name]
    params, xs = drawn(cell, (1, 3, 29), jnp.float32 if held == "float32" else half, half)
    low = replace(cell, dtype=half)
    carry = jax.tree.map(lambda a: a + 0.3, low.initial_carry((3,), params))
    step = jax.jit(lambda *args: low.step(*args))
    assert step.lower(params, carry, xs[0]).as_text().count(f"@{library.TARGET}(") == 1
    new, y = step(params, carry, xs[0])
    exact, shown = cell.step(*wide((params, carry, xs[0])))
    for a, e in zip(jax.tree.leaves(wide(new)), jax.tree.leaves(exact), strict=True):
        np.testing.assert_allclose(a, e, rtol=0, atol=1e-5)
    np.testing.assert_allclose(wide(y), shown, rtol=0, atol=float(jnp.finfo(half).eps))


@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
@pytest.mark.parametrize("name", build.SETS)
def test_products_and_conversions_on_every_instruction_set(name: str, tmp_path: Path) -> None:
    """Sums within the bound that product16.h derives, all conversions of 16 bits to the bit."""
    if not runs_here(name):
        pytest.skip(f"this processor has no {name}")
    program, here = tmp_path / "product16", Path(__file__).parent
    command = ["g++", *build.FLAGS, *build.SETS[name], "-I", build.HERE / "src", here / "product16.cc", "-o", program]
    ran(list(map(str, command)), check=True)
    assert ran([program], check=True).stdout == ""
