"""Maps whose exponents, points, norms and memories are known in closed form."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, special

import jaxrnn
from jaxrnn import dynamics
from tests.dynamics.cells import Plane, State, elman_of, henon_map, logistic_map, rotation

W = np.array([[0.9, 0.5, 0.0], [0.0, 0.7, -0.4], [0.1, 0.0, 0.5]])  # not normal: norms rise before they fall
F64 = "float64"


def at_rest(cell: Any) -> Any:
    """Parameters with which inputs of zero do nothing."""
    return jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0), inputs=1))


def test_a_linear_network_is_its_matrix() -> None:
    cell, params = elman_of(W, bias=[0.1, -0.2, 0.3])
    xs = np.random.default_rng(0).normal(size=(40, 2, 3))
    found = dynamics.gradient_norms(cell, params, xs, dtype=F64)
    powers = [np.linalg.matrix_power(W, k) for k in range(41)]
    for row in range(2):
        np.testing.assert_allclose(found.norms[:, row], [np.linalg.norm(p) for p in powers], rtol=1e-12)
    exponents = dynamics.lyapunov(cell, params, np.zeros((600, 3)), dtype=F64).exponents
    values = np.linalg.eigvals(W)
    values = values[np.argsort(-np.abs(values))]
    np.testing.assert_allclose(exponents, np.log(np.abs(values)), atol=2e-3)
    spectrum = dynamics.spectra(cell, params)["recurrent_kernel/h"]
    np.testing.assert_allclose(np.sort_complex(spectrum.eigenvalues), np.sort_complex(values), rtol=1e-6)
    np.testing.assert_allclose(spectrum.singular_values, np.linalg.svd(W, compute_uv=False), rtol=1e-6)
    point = dynamics.fixed_points(cell, params, np.array([1.0, 0.0, -1.0]), 8, dtype=F64)
    expected = np.array([1.1, -0.2, -0.7]) @ np.linalg.inv(np.eye(3) - W)
    np.testing.assert_allclose(point.points.h, expected[None], rtol=1e-8)
    np.testing.assert_allclose(np.sort_complex(point.eigenvalues[0]), np.sort_complex(values), rtol=1e-8)
    assert point.hits.tolist() == [8]
    assert point.lost == 0
    assert point.stable.tolist() == [np.abs(values).max() < 1]


def test_long_products_neither_vanish_nor_overflow() -> None:
    """0.1 to the power of 200 is no float32."""
    for size in (0.1, 10.0):
        cell, params = elman_of(np.diag([size, size]))
        norms = dynamics.gradient_norms(cell, params, np.zeros((200, 2), np.float32), dtype="float32").norms
        np.testing.assert_allclose(np.log10(norms / np.sqrt(2)), np.arange(201) * np.log10(size), atol=1e-4)


def test_an_oscillator() -> None:
    """A linear one has two exponents, both ln r, and eigenvalues r exp(+-i angle)."""
    cell, params = elman_of(rotation(0.3, 0.95))
    found = dynamics.lyapunov(cell, params, np.zeros((400, 2)), dtype=F64)
    np.testing.assert_allclose(found.exponents, [np.log(0.95)] * 2, rtol=1e-10)
    point = dynamics.fixed_points(cell, params, np.zeros(2), 5, dtype=F64)
    np.testing.assert_allclose(np.sort_complex(point.eigenvalues[0]), 0.95 * np.exp([-0.3j, 0.3j]), rtol=1e-9)
    lengths = dynamics.memory_lengths(cell, params, np.zeros((60, 2)), dtype=F64)
    np.testing.assert_allclose(lengths.h, [-1 / np.log(0.95)] * 2, rtol=1e-9)


@pytest.mark.slow
def test_an_oscillator_that_is_squashed_has_a_limit_cycle() -> None:
    """Around an unstable point; along the cycle differences keep, across it they die: exponents 0 and below."""
    cell, params = elman_of(rotation(0.7, 1.3), jnp.tanh)
    start = jaxrnn.ElmanCarry(np.array([0.5, 0.1]))
    found = dynamics.lyapunov(cell, params, np.zeros((6000, 2)), start, dtype=F64)
    assert abs(found.exponents[0]) < 1e-3
    assert found.exponents[1] < -0.2
    assert found.dimension == pytest.approx(1, abs=0.01) or found.dimension == 0  # as 0 falls on either side
    point = dynamics.fixed_points(cell, params, np.zeros(2), 30, dtype=F64)
    np.testing.assert_allclose(point.points.h, np.zeros((1, 2)), atol=1e-8)
    np.testing.assert_allclose(np.sort_complex(point.eigenvalues[0]), 1.3 * np.exp([-0.7j, 0.7j]), rtol=1e-6)
    assert not point.stable.any()


@pytest.mark.parametrize(("r", "expected"), [(4.0, np.log(2)), (2.5, np.log(0.5)), (3.2, None)])
def test_the_logistic_map(r: float, expected: float | None) -> None:
    cell = logistic_map(1, r=r)
    start = State(np.array([[0.3], [0.612]]))
    found = dynamics.lyapunov(cell, at_rest(cell), np.zeros((20_000, 2, 1)), start, dtype=F64)
    if expected is None:  # it goes back and forth between two values
        a, b = np.roots([r**2, -r * (r + 1), r + 1])
        expected = 0.5 * np.log(abs(r**2 * (1 - 2 * a) * (1 - 2 * b)))
    np.testing.assert_allclose(found.exponents, np.full((2, 1), expected), atol=0.01 if r == 4 else 1e-6)


def test_fixed_points_of_the_logistic_map() -> None:
    cell = logistic_map(1, r=2.5)
    starts = State(np.linspace(-0.3, 1.0, 25)[:, None])
    found = dynamics.fixed_points(cell, at_rest(cell), np.zeros(1), starts, dtype=F64)
    order = np.argsort(found.points.h[:, 0])
    np.testing.assert_allclose(found.points.h[order, 0], [0.0, 0.6], atol=1e-9)
    np.testing.assert_allclose(found.eigenvalues[order, 0], [2.5, -0.5], atol=1e-8)
    assert found.stable[order].tolist() == [False, True]
    assert found.hits.sum() + found.lost == 25
    assert (found.residuals < 1e-9).all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 22, 23])
def test_fixed_points_of_a_wild_gru_are_those_that_scipy_finds(seed: int) -> None:
    """Scipy's hybrid of Powell from the same starts, on equations in NumPy.

    It names many more, outside of [-1, 1]: where a gate z is 1 to the last digit any state is one. A fixed point of a
    GRU is h = n, a hyperbolic tangent.
    """
    cell, rng = jaxrnn.gru(3), np.random.default_rng(seed)
    shapes = cell.init(jax.random.key(0), inputs=1)
    params = {name: jnp.asarray(3 * rng.normal(size=a.shape)) for name, a in sorted(shapes.items())}
    p = {name: np.asarray(a, np.float64) for name, a in params.items()}

    def speed(h: np.ndarray) -> np.ndarray:
        net = np.einsum("r,rgh->gh", h, p["recurrent_kernel"])
        r, z = special.expit(p["bias"][:2] + net[:2])
        return (1 - z) * (np.tanh(p["bias"][2] + r * (net[2] + p["recurrent_bias"])) - h)

    starts = rng.uniform(-1, 1, (80, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of starts that lead nowhere
        ends = [optimize.fsolve(speed, start, xtol=1e-13) for start in starts]
    rest = [h for h in ends if np.abs(h).max() <= 1 and np.abs(speed(h)).max() < 1e-12]
    point = dynamics.fixed_points(cell, params, np.zeros(1), jaxrnn.GRUCarry(jnp.asarray(starts)), dtype=F64)
    found = point.points.h[np.abs(point.points.h).max(-1) <= 1]
    assert all(np.abs(speed(h)).max() < 1e-8 for h in found)
    gaps = np.abs(np.array(rest)[:, None] - found).max(-1)
    assert (gaps.min(1) < 1e-6).all()
    assert (gaps.min(0) < 1e-6).all()
    assert len(found) == 3


@pytest.mark.slow
def test_the_henon_map() -> None:
    """Its exponents sum to ln b; the largest is 0.419 (Wolf et al. 1985), the dimension 1.26."""
    cell = henon_map(1)
    start = Plane(np.array([0.1]), np.array([0.1]))
    found = dynamics.lyapunov(cell, at_rest(cell), np.zeros((20_000, 1)), start, every=2, dtype=F64)
    np.testing.assert_allclose(found.exponents.sum(), np.log(0.3), rtol=1e-9)
    np.testing.assert_allclose(found.exponents, [0.419, -1.623], atol=0.005)
    np.testing.assert_allclose(found.dimension, 1.258, atol=0.005)


@pytest.mark.slow
def test_a_linear_cell_keeps_what_its_a_says() -> None:
    cell = jaxrnn.lru(5)
    params = cell.init(jax.random.key(3), inputs=2)
    radius = np.sort(np.abs(dynamics.spectra(cell, params, dtype=F64)["recurrence"].eigenvalues))
    lengths = dynamics.memory_lengths(cell, params, np.zeros((3000, 2)), dtype=F64)
    np.testing.assert_allclose(np.sort(lengths[0]), -1 / np.log(radius[::2]), rtol=1e-6)  # one of each pair
    exponents = dynamics.lyapunov(cell, params, np.zeros((2000, 2)), dtype=F64).exponents
    np.testing.assert_allclose(np.sort(exponents), np.log(radius), atol=5e-3)


def test_memory_without_an_end_is_open_and_with_none_is_short() -> None:
    cell, params = elman_of(np.diag([1.0, 0.5, 0.0]))
    lengths = dynamics.memory_lengths(cell, params, np.zeros((30, 3)), dtype=F64).h
    assert lengths.tolist() == [np.inf, pytest.approx(1 / np.log(2), rel=1e-12), 0.0]
    half = dynamics.memory_lengths(cell, params, np.zeros((30, 3)), level=0.25, dtype=F64).h
    assert half[1] == pytest.approx(2, rel=1e-12)
