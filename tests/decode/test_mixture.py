"""Mixture densities against scipy and NumPy: densities, gradients, draws."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrnn.decode import mixture_density
from tests.refusal import assert_refused

K = 3
DENSITY = mixture_density(K)


def outputs(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(*shape, DENSITY.size))


def parts(out: Any) -> tuple[Any, ...]:
    """By the order of the docstring: end, weights, means [2, K], deviations [2, K], correlations."""
    w = np.exp(out[1 : 1 + K])
    cut = [out[1 + n * K : 1 + (n + 1) * K] for n in range(6)]
    return 1 / (1 + np.exp(-out[0])), w / w.sum(), np.stack(cut[1:3]), np.exp(np.stack(cut[3:5])), np.tanh(cut[5])


def covariances(s: Any, r: Any) -> list[Any]:
    return [np.array([[a * a, c * a * b], [c * a * b, b * b]]) for a, b, c in zip(*s, r, strict=True)]


def log_density(out: Any, point: Any) -> Any:
    """From the matrices of the Gaussians themselves."""
    e, w, m, s, r = parts(out)
    total = 0.0
    for k, cov in enumerate(covariances(s, r)):
        d = point[:2] - m[:, k]
        total += w[k] * np.exp(-0.5 * d @ np.linalg.inv(cov) @ d) / (2 * np.pi * np.sqrt(np.linalg.det(cov)))
    return np.log(total) + np.log(e if point[2] else 1 - e)


def test_log_density_equals_numpy_and_scipy() -> None:
    out, points = outputs(4, 5), np.random.default_rng(1).normal(size=(4, 5, 3))
    points[..., 2] = points[..., 2] > 0
    found = DENSITY.log_density(DENSITY.split(out), points)
    expected = [[log_density(o, p) for o, p in zip(*row, strict=True)] for row in zip(out, points, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-11)
    stats = pytest.importorskip("scipy.stats")
    e, w, m, s, r = parts(out[0, 0])
    x, y, end = points[0, 0]
    values = [stats.multivariate_normal(m[:, k], c).pdf([x, y]) for k, c in enumerate(covariances(s, r))]
    np.testing.assert_allclose(np.exp(found[0, 0]), w @ values * (e if end else 1 - e), rtol=1e-11)


def test_integrates_to_one() -> None:
    """Over the plane and both values of `end`, by the trapezoidal rule, which converges fast for Gaussians."""
    mixture = DENSITY.split(outputs() * 0.5)
    axis = np.linspace(-15, 15, 401)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    total = 0.0
    for end in (0.0, 1.0):
        points = np.concatenate([grid, np.full((len(grid), 1), end)], -1)
        total += np.exp(jax.vmap(DENSITY.log_density, (None, 0))(mixture, points)).sum() * (axis[1] - axis[0]) ** 2
    np.testing.assert_allclose(total, 1, rtol=1e-9)


def test_gradient_equals_torch() -> None:
    torch = pytest.importorskip("torch")
    out, points = outputs(7, seed=2), np.random.default_rng(3).normal(size=(7, 3))
    points[:, 2] = points[:, 2] > 0
    found = jax.grad(lambda *a: DENSITY.log_density(DENSITY.split(a[0]), a[1]).sum(), (0, 1))(out, points)
    o, p = (torch.tensor(a, requires_grad=True) for a in (out, points))
    e, logits, mx, my, sx, sy, a = o.split([1, *[K] * 6], 1)
    r, zx, zy = torch.tanh(a), (p[:, :1] - mx) / sx.exp(), (p[:, 1:2] - my) / sy.exp()
    exponent = -(zx**2 + zy**2 - 2 * r * zx * zy) / (2 * (1 - r**2)) - sx - sy - 0.5 * torch.log(1 - r**2)
    place = torch.logsumexp(torch.log_softmax(logits, 1) + exponent, 1) - np.log(2 * np.pi)
    coin = torch.nn.functional.binary_cross_entropy_with_logits(e[:, 0], p[:, 2], reduction="sum")
    (place.sum() - coin).backward()
    np.testing.assert_allclose(found[0], o.grad, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found[1][:, :2], p.grad[:, :2], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("scale", [1e2, 1e4])
def test_finite_at_extremes_in_float32(scale: float) -> None:
    out, points = (outputs(200, seed=4) * scale).astype(np.float32), np.full((200, 3), 300, np.float32)
    points[:, 2] = 1
    value, slope = jax.value_and_grad(lambda o: DENSITY.log_density(DENSITY.split(o), points).sum())(out)
    assert np.isfinite(value)
    assert np.isfinite(slope).all()
    assert np.isfinite(DENSITY.sample(jax.random.key(0), DENSITY.split(out))).all()


def test_half_precision_outputs_are_read_in_float32() -> None:
    mixture = DENSITY.split(jnp.asarray(outputs(2), jnp.bfloat16))
    assert {leaf.dtype.name for leaf in jax.tree.leaves(mixture)} == {"float32"}


def drawn(out: Any, bias: float, count: int = 40_000) -> Any:
    mixture = DENSITY.split(np.broadcast_to(out, (count, DENSITY.size)))
    return np.asarray(DENSITY.sample(jax.random.key(1), mixture, bias))


@pytest.mark.parametrize("bias", [0.0, 0.7])
def test_draws_have_the_moments_of_the_biased_mixture(bias: float) -> None:
    out = outputs(seed=5)
    e, w, m, s, r = parts(out)
    w = w ** (1 + bias) / (w ** (1 + bias)).sum()
    covs = covariances(s * np.exp(-bias), r)
    mean = m @ w
    cov = sum(w[k] * (covs[k] + np.outer(m[:, k] - mean, m[:, k] - mean)) for k in range(K))
    found = drawn(out, bias)
    error = 5 * np.sqrt(np.diag(cov) / len(found))
    assert (np.abs(found[:, :2].mean(0) - mean) < error).all()
    products = np.einsum("ni,nj->nij", *2 * (found[:, :2] - mean,))
    assert (np.abs(products.mean(0) - cov) < 5 * products.std(0) / np.sqrt(len(found))).all()
    assert abs(found[:, 2].mean() - e) < 5 * np.sqrt(e * (1 - e) / len(found))


def test_much_bias_gives_the_mean_of_the_likeliest_component() -> None:
    out = outputs(seed=6)
    _, w, m, _, _ = parts(out)
    np.testing.assert_allclose(drawn(out, 200.0, 50)[:, :2], np.tile(m[:, w.argmax()], (50, 1)), atol=1e-12)


@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (2, 1, 5)])
def test_any_batch_axes(shape: tuple[int, ...]) -> None:
    mixture = DENSITY.split(outputs(*shape))
    points = DENSITY.sample(jax.random.key(0), mixture)
    logs = DENSITY.log_density(mixture, points)
    assert (points.shape, logs.shape) == ((*shape, 3), shape)
    flat = DENSITY.log_density(DENSITY.split(outputs(*shape).reshape(-1, DENSITY.size)), points.reshape(-1, 3))
    np.testing.assert_allclose(logs.reshape(-1), flat, rtol=1e-12)


def test_wrong_calls(unchecked: None) -> None:
    mixture = DENSITY.split(outputs(2))
    assert_refused("components", lambda: mixture_density(0))
    assert_refused("outputs", lambda: DENSITY.split(np.zeros((2, 18))))
    assert_refused("outputs", lambda: DENSITY.split(np.zeros((2, 19), int)))
    assert_refused("point", lambda: DENSITY.log_density(mixture, np.zeros((2, 2))))
    assert_refused("place", lambda: DENSITY.log_density_of_place(mixture, np.zeros((2, 3))))
    assert_refused("bias", lambda: DENSITY.sample(jax.random.key(0), mixture, -1.0))
    assert_refused("bias", lambda: DENSITY.sample(jax.random.key(0), mixture, float("nan")))
    assert_refused("key", lambda: DENSITY.sample(0, mixture))
