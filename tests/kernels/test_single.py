"""One step by itself in a native call: where it is one, every size of kernel and batch, and every transformation."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.kernels.native import arrays as native_arrays
from jaxrnn.kernels.native import library
from jaxrnn.kernels.native.single import MOST_ROWS
from tests import oracle
from tests.laws import programs
from tests.laws.programs import assert_close, assert_same_bits, declines
from tests.table import ROWS, arrays

CELLS = {
    "lstm": (jaxrnn.lstm, oracle.lstm),
    "gru": (jaxrnn.gru, oracle.gru),
    "gru, reset before": (partial(jaxrnn.gru, reset_after=False), partial(oracle.gru, reset_after=False)),
    "elman": (jaxrnn.elman, oracle.elman),
    "projection": (
        lambda size: jaxrnn.lstm(size, projection=max(1, size // 2), peepholes=True),
        partial(oracle.lstm, peepholes=True),
    ),
}


def drawn(cell: Any, batch: tuple[int, ...], inputs: int, dtype: Any = np.float64, seed: int = 0) -> tuple[Any, ...]:
    """Parameters, a carry and an input."""
    rng = np.random.default_rng(seed)
    draw = lambda shape: (rng.standard_normal(shape) / math.sqrt(shape[0])).astype(dtype)  # noqa: E731
    params = {n: draw(p.shape) for n, p in cell.declare(inputs).items()}
    return params, cell.carry_type(*(draw(s) for s in cell.carry_shapes(batch))), draw((*batch, inputs))


def native_calls(function: Any, *args: Any) -> int:
    return jax.jit(function).lower(*args).as_text().count(f"@{library.TARGET}(")


@pytest.mark.parametrize("row", ROWS)
def test_it_is_one_call_where_the_cell_runs_natively(row: str) -> None:
    args, cell = arrays(row), ROWS[row].cell
    per_step = {name: a[0] for name, a in args["per_step"].items()}
    step = partial(cell.step, per_step=per_step)
    expected = 0 if declines(row, "native") else 1
    assert native_calls(step, args["params"], args["carry"], args["xs"][0]) == expected


def test_where_it_is_not() -> None:
    """Many rows, no rows, a derivative, another dtype, an exported program."""
    cell = jaxrnn.lstm(4)
    for rows, calls in ((0, 0), (1, 1), (MOST_ROWS, 1), (MOST_ROWS + 1, 0)):
        assert native_calls(cell.step, *drawn(cell, (rows,), 3)) == calls
    args = drawn(cell, (2,), 3)
    assert native_calls(jax.grad(lambda *a: cell.step(*a)[1].sum()), *args) == 0
    low = jaxrnn.lstm(4, dtype=jnp.float32)
    assert native_calls(low.step, *drawn(low, (2,), 3, np.float64)) == 0
    exported = jax.export.export(jax.jit(cell.step), platforms=("cpu", "tpu"))(*args)
    assert library.TARGET not in exported.mlir_module()
    assert_close(exported.call(*args), cell.step(*args), 1e-14)


@pytest.mark.parametrize("shared", [False, True], ids=["one thread", "threads"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
@pytest.mark.parametrize("size", [(1, 1, 1), (1, 3, 5), (3, 17, 33), (5, 9, 64), (8, 65, 129), (1, 520, 260)], ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_odd_sizes(name: str, size: tuple[int, ...], dtype: Any, shared: bool, monkeypatch: Any) -> None:
    """Against the oracle in float64: rows and columns that fill no vector, kernels that threads share."""
    monkeypatch.setattr(native_arrays, "PART_BYTES", 1 if shared else 2**40)
    B, D, H = size
    factory, equations = CELLS[name]
    cell = factory(H)
    params, carry, x = drawn(cell, (B,), D, dtype)
    step = jax.jit(lambda *args: cell.step(*args))  # a program of its own: sharing is settled when it is compiled
    assert native_calls(lambda *args: cell.step(*args), params, carry, x) == 1
    exact = jax.tree.map(lambda a: a.astype(np.float64), (params, tuple(carry), x))
    tolerance = 1e-13 if dtype is np.float64 else 8 * np.finfo(np.float32).eps * math.sqrt(D + H)
    assert_close(step(params, carry, x), equations(*exact), tolerance)


@pytest.mark.parametrize("batch", [(), (2, 3), (1, 1, 2)])
def test_any_number_of_batch_axes(batch: tuple[int, ...]) -> None:
    cell = jaxrnn.gru(5)
    params, carry, x = drawn(cell, batch, 3)
    assert native_calls(cell.step, params, carry, x) == 1
    expected = oracle.gru(params, (carry.h.reshape(-1, 5),), x.reshape(-1, 3))[1].reshape(*batch, 5)
    assert_close(cell.step(params, carry, x)[1], expected, 1e-13)


@pytest.mark.parametrize("row", ["lstm, peepholes", "gru", "a user's own"])
def test_derivatives(row: str) -> None:
    """Gradients through calls of step, forward mode and second derivatives equal those of the reference backend."""
    args, cell = arrays(row), ROWS[row].cell

    def stepped(args: Any) -> Any:
        def step(carry: Any, given: Any) -> Any:
            return cell.step(args["params"], carry, given[0], per_step=given[1])

        carry, ys = jax.lax.scan(step, args["carry"], (args["xs"], args["per_step"]))
        return (ys**2).sum() + sum((a**2).sum() for a in jax.tree.leaves(carry))

    def whole(args: Any) -> Any:
        carry, ys = programs.call(row, "reference", args)
        return (ys**2).sum() + sum((a**2).sum() for a in jax.tree.leaves(carry))

    given = programs.without_reset(args)
    direction = jax.tree.map(lambda a: np.cos(np.arange(a.size)).reshape(a.shape), given)
    for transform in (
        jax.value_and_grad,
        lambda f: lambda a: jax.jvp(f, (a,), (direction,)),
        lambda f: lambda a: jax.jvp(jax.grad(f), (a,), (direction,)),
    ):
        assert_close(jax.jit(transform(stepped))(given), jax.jit(transform(whole))(given), 1e-11)


def test_vmap() -> None:
    """Rows join, also beyond the most that one call takes; kernels that differ are no native call."""
    cell = jaxrnn.lstm(5)
    for size in (2, 7):
        params, carry, x = drawn(cell, (size, 3), 4)
        over_rows = jax.vmap(cell.step, (None, 0, 0))
        assert native_calls(over_rows, params, carry, x) == (1 if 3 * size <= MOST_ROWS else 0)
        assert_close(over_rows(params, carry, x), cell.step(params, carry, x), 1e-13)
    many = jax.tree.map(lambda a: np.stack([a, 2 * a]), params)
    over_kernels = jax.vmap(cell.step, (0, 0, None))
    assert native_calls(over_kernels, many, jax.tree.map(lambda a: a[:2], carry), x[0]) == 0
    for i in range(2):
        alone = cell.step({n: a[i] for n, a in many.items()}, jax.tree.map(lambda a, i=i: a[i], carry), x[0])
        both = over_kernels(many, jax.tree.map(lambda a: a[:2], carry), x[0])
        assert_close(jax.tree.map(lambda a, i=i: a[i], both), alone, 1e-13)


def test_symbols_and_noise() -> None:
    """Integers pick rows of the kernel; masks are those of the equations as they stand."""
    cell = jaxrnn.recurrent_dropout(jaxrnn.lstm(6), 0.5)
    params, carry, _ = drawn(cell, (3,), 7)
    symbols = np.array([6, 0, 2])
    one_hot = np.eye(7)[symbols]
    key = jax.random.key(3)
    for rng in (None, key):
        step = partial(cell.step, rng=rng, step=4)
        assert native_calls(step, params, carry, symbols) == 1
        assert_close(step(params, carry, symbols), step(params, carry, one_hot), 1e-13)
        scanned = jaxrnn.scan(cell, params, one_hot[None], carry, rng=rng, start_step=4, backend="reference")
        assert_close(step(params, carry, one_hot), (scanned[0], scanned[1][0]), 1e-13)
    assert np.any(np.asarray(cell.step(params, carry, symbols, rng=key)[1]) != cell.step(params, carry, symbols)[1])


def test_nan_stays_in_its_row() -> None:
    cell = jaxrnn.lstm(5)
    params, carry, x = drawn(cell, (3,), 4)
    clean = cell.step(params, carry, x)
    bad = x.copy()
    bad[1, 2] = np.nan
    spoilt = cell.step(params, carry, bad)
    assert np.all(np.isnan(spoilt[1][1]))
    others = jax.tree.map(lambda a: a[np.array([0, 2])], (clean, spoilt))
    assert_same_bits(others[1], others[0])


def test_many_callers_at_once(monkeypatch: Any) -> None:
    """Threads of Python share the library's; every result is that of a call alone."""
    monkeypatch.setattr(native_arrays, "PART_BYTES", 1)
    cell = jaxrnn.lstm(96)
    params, carry, _ = drawn(cell, (1,), 64)
    step = jax.jit(lambda *args: cell.step(*args))
    inputs = np.random.default_rng(5).standard_normal((200, 1, 64))
    expected = [step(params, carry, x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        for actual, alone in zip(pool.map(lambda x: step(params, carry, x), inputs), expected, strict=True):
            assert_same_bits(actual, alone)
