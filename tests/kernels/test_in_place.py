"""A few steps of few rows, forward alone: kernels are read where they lie, and nothing is packed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.kernels.native import arrays as native_arrays
from jaxrnn.kernels.native.program import Tables
from tests import oracle
from tests.kernels.test_halves import CELLS as SMALL
from tests.kernels.test_halves import HALVES, drawn, wide
from tests.kernels.test_single import CELLS
from tests.laws import programs
from tests.laws.programs import assert_close, assert_same_bits, declines
from tests.table import CASES, ROWS, Steps, arrays

SIZES = [(2, 1, 1, 1), (3, 2, 17, 33), (1, 31, 9, 65), (32, 1, 130, 64), (5, 6, 260, 129)]  # T, B, D, H


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of each call that is compiled how many numbers its packed kernels have."""
    found: list[int] = []
    encode = Tables.encode

    def recorded(tables: Tables, *args: Any) -> Any:
        found.append(tables.packed)
        return encode(tables, *args)

    monkeypatch.setattr(Tables, "encode", recorded)
    return found


def test_where_it_is(packed: list[int]) -> None:
    """So many steps times rows, whichever of both they are; never where rows end early, and never for a gradient."""
    cell = jaxrnn.lstm(40)
    params = cell.init(jax.random.key(0), 24)
    run = partial(jaxrnn.scan, cell, params, backend="native")
    loss = lambda xs: run(xs)[1].sum()  # noqa: E731
    full, half = native_arrays.SHORT, native_arrays.SHORT_HALF
    for T, B, short in ((full, 1, True), (1, full, True), (4, full // 4, True), (full + 1, 1, False), (3, 11, False)):
        packed.clear()
        jax.jit(run).lower(jnp.zeros((T, B, 24)))
        assert [n == 0 for n in packed] == [short], (T, B)
    packed.clear()
    jax.jit(partial(run, lengths=np.array([2]))).lower(jnp.zeros((4, 1, 24)))
    jax.jit(jax.grad(loss)).lower(jnp.zeros((4, 1, 24)))
    low = partial(jaxrnn.scan, replace(cell, dtype=jnp.bfloat16), params, backend="native")
    jax.jit(low).lower(jnp.zeros((half + 1, 1, 24), jnp.bfloat16))
    assert [n == 0 for n in packed] == [False] * 4  # of a gradient a backward call too
    jax.jit(low).lower(jnp.zeros((half, 1, 24), jnp.bfloat16))
    jax.jit(jax.vmap(loss)).lower(jnp.zeros((4, 2, 3, 24)))
    assert packed[4:] == [0, 0]


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("row", [r for r in ROWS if not declines(r, "native")])
def test_every_cell_is_the_oracle(row: str, reverse: bool, monkeypatch: Any, packed: list[int]) -> None:
    """With resets and a carry that is given; tiles, kernels of every form, cells without products."""
    args, resets = arrays(row), CASES["resets"].resets
    expected = programs.run_oracle(row, args, Steps(None, None, resets, None), reverse)
    for most in (native_arrays.SHORT, 0):
        monkeypatch.setattr(native_arrays, "SHORT", most)
        run = jax.jit(lambda args, resets: programs.call(row, "native", args, resets=resets, reverse=reverse))
        assert_close(run(args, resets), expected, 1e-11)
    assert packed[0] == 0


@pytest.mark.parametrize("shared", [False, True], ids=["one thread", "threads"])
@pytest.mark.parametrize(
    "size", [(2, 1, 1, 1), (3, 2, 17, 33), (1, 31, 9, 65), (32, 1, 130, 64), (5, 6, 260, 129)], ids=str
)
@pytest.mark.parametrize("name", CELLS)
def test_odd_sizes(name: str, size: tuple[int, ...], shared: bool, monkeypatch: Any, packed: list[int]) -> None:
    """In float32 against the oracle in float64, also where threads share columns."""
    monkeypatch.setattr(native_arrays, "PART_BYTES", 1 if shared else 2**40)
    T, B, D, H = size
    factory, equations = CELLS[name]
    cell, rng = factory(H), np.random.default_rng(T)
    draw = lambda *shape: (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)  # noqa: E731
    params = {n: draw(*p.shape) for n, p in cell.declare(D).items()}
    xs, carry = draw(T, B, D), cell.carry_type(*(draw(*s) for s in cell.carry_shapes((B,))))
    final, ys = jax.jit(lambda *a: jaxrnn.scan(cell, *a, backend="native"))(params, xs, carry)
    carries, again = jax.jit(lambda *a: jaxrnn.scan_carries(cell, *a, backend="native"))(params, xs, carry)
    exact = jax.tree.map(lambda a: a.astype(np.float64), (params, xs, tuple(carry)))
    assert_close((final, ys), oracle.scan(equations, *exact), 32 * np.finfo(np.float32).eps * np.sqrt(D + H))
    assert_same_bits((jax.tree.map(lambda a: a[-1], carries), again), (final, ys))
    assert packed == [0, 0]


@pytest.mark.parametrize("size", [(8, 2, 46), (16, 1, 5), (1, 9, 33)], ids=str)
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", SMALL)
def test_halves(name: str, dtype: str, size: tuple[int, int, int], packed: list[int]) -> None:
    """Within the bound that `test_halves.py` derives."""
    half, cell = HALVES[dtype], SMALL[name]
    for held in (half, jnp.float32):
        params, xs = drawn(cell, size, held, half)
        run = jax.jit(lambda *a: jaxrnn.scan(replace(cell, dtype=half), *a, backend="native"))
        exact = jaxrnn.scan(cell, *wide((params, xs)), backend="reference")
        for a, e in zip(jax.tree.leaves(wide(run(params, xs))), jax.tree.leaves(exact), strict=True):
            assert np.abs(a - e).max() <= 4 * float(jnp.finfo(half).eps) * np.abs(e).max()
    assert packed == [0, 0]


@pytest.mark.parametrize("name", CELLS)
def test_symbols_and_projections(name: str, packed: list[int]) -> None:
    """Rows of the kernel that symbols pick, and inputs that are projected already."""
    factory, equations = CELLS[name]
    cell, rng = factory(21), np.random.default_rng(1)
    params = {n: rng.standard_normal(p.shape) / 3 for n, p in cell.declare(11).items()}
    symbols = rng.integers(0, 11, (5, 3))
    carry = tuple(np.zeros(s) for s in cell.carry_shapes((3,)))
    expected = oracle.scan(equations, params, np.eye(11)[symbols], carry)
    run = partial(jaxrnn.scan, cell, backend="native")
    assert_close(jax.jit(run)(params, symbols), expected, 1e-12)
    projected = cell.project(params, np.eye(11)[symbols])
    assert_close(jax.jit(partial(run, projected=True))(params, projected), expected, 1e-12)
    assert packed == [0, 0]
