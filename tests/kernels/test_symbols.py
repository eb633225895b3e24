"""Symbols as inputs of native calls, which take rows of the kernel and add to them in its gradient."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.kernels.native import library
from tests import oracle
from tests.kernels.test_native import CELLS
from tests.laws.programs import assert_close, assert_same_bits

T, B, H = 9, 5, 6
MARKS: dict[str, Any] = {
    "all": {},
    "lengths": {"lengths": np.array([9, 0, 4, 1, 7])},
    "mask": {"mask": np.random.default_rng(1).random((T, B)) < 0.6},
    "resets": {"resets": np.random.default_rng(2).random((T, B)) < 0.3, "lengths": np.array([9, 2, 4, 1, 7])},
}


def drawn(cell: Any, rows: int, dtype: Any = np.float64) -> tuple[Any, Any]:
    """Parameters for `rows` symbols, and a sequence of these."""
    rng = np.random.default_rng(0)
    params = {n: (rng.standard_normal(p.shape) / 2).astype(dtype) for n, p in cell.declare(rows).items()}
    return params, rng.integers(0, rows, (T, B))


def loss(params: Any, xs: Any, w: Any, *, cell: Any, backend: str = "native", **options: Any) -> Any:
    final, ys = jaxrnn.scan(cell, params, xs, backend=backend, **options)
    return (ys * w).sum() + sum((a * a).sum() for a in jax.tree.leaves(final)), (final, ys)


def gradients(cell: Any, params: Any, xs: Any, **options: Any) -> Any:
    w = np.random.default_rng(3).standard_normal((T, B, cell.output_size)).astype(params["kernel"].dtype)
    run = jax.value_and_grad(partial(loss, cell=cell, **options), has_aux=True)
    return jax.jit(run)(params, xs, w)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("name", CELLS)
def test_values_and_gradients(name: str, marks: str, reverse: bool) -> None:
    """Equal the reference's of symbols and of one-hot rows, however many steps a block has and whatever is kept."""
    cell = CELLS[name](H)
    for rows, chunk in ((1, None), (4, 4), (7, T)):
        params, xs = drawn(cell, rows)
        given = MARKS[marks] | {"reverse": reverse}
        found = gradients(cell, params, xs, chunk=chunk, **given)
        assert_close(found, gradients(cell, params, xs, backend="reference", **given), 1e-12)
        assert_close(found, gradients(cell, params, np.eye(rows)[xs], **given), 1e-12)


@pytest.mark.parametrize("size", [(1, 1, 1, 1), (3, 2, 65, 33), (17, 33, 5, 129)], ids=str)
def test_the_oracle(size: tuple[int, ...]) -> None:
    """Outputs and the gradients of every parameter, by a complex step through NumPy, at odd sizes."""
    T, B, rows, H = size
    cell, rng = jaxrnn.lstm(H), np.random.default_rng(4)
    params = {n: rng.standard_normal(p.shape) / 2 for n, p in cell.declare(rows).items()}
    xs, w = rng.integers(0, rows, (T, B)), rng.standard_normal((T, B, H))

    def expected(params: Any) -> Any:
        start = (np.zeros((B, H)), np.zeros((B, H)))
        return (oracle.scan(oracle.lstm, params, np.eye(rows)[xs], start)[1] * w).sum()

    run = jax.value_and_grad(lambda params: (jaxrnn.scan(cell, params, xs, backend="native")[1] * w).sum())
    value, found = jax.jit(run)(params)
    assert_close(value, expected(params), 1e-11)
    for name, array in params.items():
        for at in {0, array.size // 2, array.size - 1}:
            moved = array.astype(complex)
            moved.flat[at] += 1j * oracle.EPSILON
            slope = np.imag(expected(params | {name: moved})) / oracle.EPSILON
            assert_close(found[name].ravel()[at], slope, 1e-11)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_every_kind_of_integer(dtype: str) -> None:
    """Also where the last row's number does not fit; traced symbols that are out of range pick the nearest row."""
    cell = jaxrnn.gru(H)
    for rows in (7, 300):
        params, xs = drawn(cell, rows)
        bounds = np.iinfo(dtype)
        xs = np.minimum(xs, min(bounds.max, rows)).astype(dtype)
        xs[0, :2] = bounds.min, bounds.max
        run = jax.jit(lambda params, xs, backend: jaxrnn.scan(cell, params, xs, backend=backend)[1], static_argnums=2)
        assert_close(run(params, xs, "native"), run(params, xs, "reference"), 1e-12)
        step = jax.jit(lambda params, x: cell.step(params, cell.initial_carry((B,), params), x)[1])
        assert_close(step(params, xs[0]), run(params, xs, "reference")[0], 1e-12)


def test_padding_holds_any_symbol() -> None:
    """What stands at steps that do not count changes no bit of any output or gradient."""
    cell = jaxrnn.lstm(H)
    params, xs = drawn(cell, 4, np.float32)
    valid = MARKS["mask"]["mask"]
    clean = gradients(cell, params, jnp.where(valid, xs, 3), mask=valid)
    for other in (-(10**6), 2, 10**6):
        assert_same_bits(gradients(cell, params, jnp.where(valid, xs, other), mask=valid), clean)


def test_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """One has the same outputs to the bit as many, and gradients that add up in another order."""
    cell, rng = jaxrnn.lstm(64), np.random.default_rng(5)
    params = {n: rng.standard_normal(p.shape).astype(np.float32) / 8 for n, p in cell.declare(65).items()}
    xs, w = rng.integers(0, 65, (40, 13)), rng.standard_normal((40, 13, 64)).astype(np.float32)
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(library, "threads", lambda threads=threads: threads)
        run = jax.jit(jax.value_and_grad(partial(loss, cell=cell), has_aux=True))
        found.append(run(params, xs, w))
        assert_same_bits(run(params, xs, w), found[-1])
    for other in found[1:]:
        assert_same_bits(other[0][1], found[0][0][1])
        assert_close(other, found[0], 1e-5)


def test_vmap() -> None:
    """Over symbols rows join; over kernels one call follows the other; of each example its own gradient."""
    cell = jaxrnn.gru(H)
    params, _ = drawn(cell, 4)
    many = jax.tree.map(lambda a: np.stack([a, -a, a / 2]), params)
    xs = np.random.default_rng(6).integers(0, 4, (3, T, B))
    w = np.random.default_rng(3).standard_normal((T, B, H))
    for axes, given in (((None, 0, None), params), ((0, 0, None), many)):
        run = lambda b: jax.vmap(jax.grad(partial(loss, cell=cell, backend=b), has_aux=True), axes)  # noqa: B023, E731
        assert_close(jax.jit(run("native"))(given, xs, w), jax.jit(run("reference"))(given, xs, w), 1e-12)


def test_where_they_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the call, but where every thread's gradient of the kernel together is more than what it is made of."""
    cell = jaxrnn.lstm(H)
    monkeypatch.setattr(library, "threads", lambda: 4)
    total = lambda params, xs, backend: jaxrnn.scan(cell, params, xs, backend=backend)[1].sum()  # noqa: E731
    run = jax.jit(jax.grad(total), static_argnums=2)
    for rows, gathered in ((T * B // 3, False), (T * B // 3 + 1, True)):
        params, xs = drawn(cell, rows)
        text = run.lower(params, xs, "native").as_text()
        assert ("stablehlo.gather" in text) == gathered
        assert "stablehlo.scatter" not in text  # of so few kinds its gradient is a product
        assert_close(run(params, xs, "native"), run(params, xs, "reference"), 1e-12)
    step = jax.jit(lambda params, x: cell.step(params, cell.initial_carry((2,), params), x))
    assert "gather" not in step.lower(drawn(cell, 10**4)[0], np.zeros(2, np.int32)).as_text()
