"""Gradients that are sums over very many rows or steps, beside NumPy's float64 sums of the same terms."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxrnn

pytestmark = pytest.mark.slow
DIGITS = 6e-7  # of the norm: some roundings of float32, in a row of parts that are rounded independently


def total(cell: Any, params: Any, xs: Any, backend: str, *, projected: bool = False) -> Any:
    w = jnp.linspace(1, 2, cell.output_size, dtype=jnp.float32)
    return jnp.sum(jaxrnn.scan(cell, params, xs, backend=backend, projected=projected)[1] @ w)


def gradients(cell: Any, params: Any, xs: Any, backend: str) -> Any:
    """Of all parameters; and in float64 those of the projected inputs, of which they are sums."""
    found = jax.jit(jax.grad(lambda p: total(cell, p, xs, backend)))(params)
    terms = jax.jit(jax.grad(lambda z: total(cell, params, z, backend, projected=True)))
    return found, np.asarray(terms(cell.project(params, xs)), np.float64)


def of(cell: Any, inputs: int) -> Any:
    return jax.tree.map(jnp.float32, cell.init(jax.random.key(0), inputs))


def assert_digits(found: Any, expected: np.ndarray) -> None:
    assert found.dtype == np.float32
    assert np.linalg.norm(np.asarray(found, np.float64) - expected) <= DIGITS * np.linalg.norm(expected)


@pytest.mark.parametrize("size", [(32, 4001), (4001, 32)], ids=str)
@pytest.mark.parametrize("backend", ["native", "scheduled"])
def test_symbols_of_few_kinds(backend: str, size: tuple[int, int]) -> None:
    """Each row of the kernel adds up what a third of all rows and steps have."""
    cell = jaxrnn.lstm(5)
    params, xs = of(cell, 3), np.random.default_rng(1).integers(0, 3, size)
    found, terms = gradients(cell, params, xs, backend)
    expected = np.zeros((3, 4, 5))
    np.add.at(expected, xs, terms)
    assert_digits(found["kernel"], expected)


@pytest.mark.parametrize("backend", ["native", "scheduled"])
def test_a_step_of_very_many_rows(backend: str) -> None:
    """One product over all rows, and a sum of them."""
    cell = jaxrnn.lstm(5)
    params, xs = of(cell, 3), np.random.default_rng(2).uniform(0, 2, (1, 200_001, 3)).astype(np.float32)
    found, terms = gradients(cell, params, xs, backend)
    assert_digits(found["kernel"], np.einsum("tbd,tbgh->dgh", np.asarray(xs, np.float64), terms))
    assert_digits(found["bias"], terms.sum((0, 1)))


@pytest.mark.parametrize("backend", ["native", "scheduled"])
def test_peepholes_of_very_many_steps(backend: str) -> None:
    """A row's own sum over time, of what the cell state is and was at each step."""
    cell = jaxrnn.lstm(5, peepholes=True)
    params, xs = of(cell, 3), np.random.default_rng(3).uniform(0, 2, (60_000, 1, 3)).astype(np.float32)
    found, terms = gradients(cell, params, xs, backend)
    start = cell.initial_carry((1,), params)

    def step(carry: Any, x: Any) -> Any:
        new = cell.step(params, carry, x)[0]
        return new, (carry.c, new.c)

    before, after = (np.asarray(c, np.float64) for c in lax.scan(step, start, jnp.asarray(xs))[1])
    own = ((0, before), (1, before), (3, after))
    assert_digits(found["peepholes"], np.stack([(terms[:, :, gate] * c).sum((0, 1)) for gate, c in own]))
