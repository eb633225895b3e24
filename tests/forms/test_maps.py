"""Kernels that are functions of what is held, at the ends of dtypes: zeros, and squares that do not fit."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import jaxrnn
from jaxrnn import forms
from jaxrnn.functions.constraints import MaxNorm, MinMaxNorm, UnitNorm

R, G, H = 5, 3, 5
ROW = np.random.default_rng(0)
KERNEL, SCALE = ROW.normal(size=(R, G, H)), ROW.uniform(0.5, 2, (G, H))
HALVES = [jnp.float16, jnp.bfloat16]


def mapped(form: Any, *arrays: Any) -> Any:
    return form.prepared(tuple(arrays))[1][0]


def normed(kernel: Any, scale: Any) -> Any:
    kernel, scale = np.asarray(kernel, np.float64), np.asarray(scale, np.float64)
    norm = np.sqrt((kernel**2).sum(0))
    return scale * kernel / np.where(norm == 0, 1, norm)


@pytest.mark.parametrize("dtype", [*HALVES, jnp.float32, jnp.float64])
@pytest.mark.parametrize("power", [-4, 0, 4])
def test_weight_norm_at_any_size(dtype: Any, power: int) -> None:
    """Rounded once, since the direction does not depend on the size."""
    reach = 1.0 if dtype == jnp.float16 else 8.0  # 1e4 squares to more than float16 holds; 1e32 to more than float32
    kernel, scale = jnp.asarray(KERNEL * 10 ** (power * reach), dtype), jnp.asarray(SCALE, dtype)
    made = mapped(forms.weight_norm(), kernel, scale)
    assert made.dtype == dtype
    tolerance = 4 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(np.asarray(made, np.float64), normed(kernel, scale), rtol=tolerance, atol=0)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.float64])
def test_a_unit_that_weighs_nothing_reads_nothing(dtype: Any) -> None:
    """And has no gradient; the others have the gradients of a kernel without it."""
    kernel, scale = jnp.asarray(KERNEL, dtype).at[:, 1, 2].set(0), jnp.asarray(SCALE, dtype)
    weight = jnp.asarray(ROW.normal(size=(R, G, H)), dtype)
    loss = lambda kernel, scale: (weight * mapped(forms.weight_norm(), kernel, scale)).sum()  # noqa: E731
    np.testing.assert_array_equal(mapped(forms.weight_norm(), kernel, scale)[:, 1, 2], 0)
    gradients = jax.grad(loss, (0, 1))(kernel, scale)
    k, s, w = (np.asarray(a, np.float64) for a in (kernel, scale, weight))
    norm = np.where((k**2).sum(0) == 0, 1, np.sqrt((k**2).sum(0)))
    unit = k / norm
    of_scale = (w * unit).sum(0)
    of_kernel = np.where((k == 0).all(0), 0, s / norm * (w - unit * of_scale))
    for got, wanted in zip(gradients, (of_kernel, of_scale), strict=True):
        tolerance = 1e-12 if dtype == jnp.float64 else float(jnp.finfo(dtype).eps) * np.abs(wanted).max()
        np.testing.assert_allclose(np.asarray(got, np.float64), wanted, rtol=0, atol=tolerance)


def by_gate(function: Any, kernel: Any) -> Any:
    """A function of each gate's matrix, of `[R, G, H]`."""
    return np.stack([function(kernel[:, g]) for g in range(kernel.shape[1])], 1)


def cayley(matrix: Any) -> Any:
    half, eye = (matrix - matrix.T) / 2, np.eye(len(matrix))
    return np.linalg.solve(eye + half, eye - half)


def differences(function: Any, at: Any, weight: Any) -> Any:
    """The gradient of the weighted sum of a function, by central differences in float64."""
    found, step = np.zeros_like(at), 1e-6 * np.abs(at).max()
    for place in np.ndindex(at.shape):
        move = np.zeros_like(at)
        move[place] = step
        found[place] = ((function(at + move) - function(at - move)) * weight).sum() / (2 * step)
    return found


RANK_ONE = np.einsum("rg,h->rgh", ROW.normal(size=(R, G)), ROW.normal(size=H))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32, jnp.float64])
@pytest.mark.parametrize("power", [-30, -10, 0, 10, 18, 30])
@pytest.mark.parametrize("held", [KERNEL, RANK_ONE], ids=["full", "rank one"])
def test_a_spectral_bound_at_any_size(held: Any, power: int, dtype: Any) -> None:
    """Its derivative too: of float32, squares of 1e30 and of 1e-30 are none."""
    kernel, weight = jnp.asarray(held * 10.0**power, dtype), ROW.normal(size=(R, G, H))
    exact = np.asarray(kernel, np.float64)
    bounded = lambda k: by_gate(lambda m: m / max(1, np.linalg.norm(m, 2) / 0.5), k)  # noqa: E731
    loss = lambda k: (mapped(forms.spectral_bound(0.5), k).astype(jnp.float64) * weight).sum()  # noqa: E731
    tolerance = 8 * float(jnp.finfo(dtype).eps)
    for got, want, least in (
        (mapped(forms.spectral_bound(0.5), kernel), bounded(exact), tolerance),
        (jax.grad(loss)(kernel), differences(bounded, exact, weight), max(tolerance, 1e-8)),
    ):
        assert got.dtype == dtype
        np.testing.assert_allclose(np.asarray(got, np.float64), want, rtol=0, atol=least * np.abs(want).max())


@pytest.mark.parametrize("size", [1.0, 1e3, 1e5])
def test_halves_lose_no_digits_to_a_difference_of_gradients(size: float) -> None:
    """Of a large Cayley transform the derivative by A is almost symmetric: what U - U^T leaves of it is small.

    It is made in float32, to the roundoff of that times the size of A, and rounded once.
    """
    kernel, weight = (jnp.asarray(a, jnp.bfloat16) for a in (KERNEL * size, ROW.normal(size=(R, G, H))))
    weight = np.asarray(weight, np.float64)  # such that the cotangent is not rounded
    exact = np.asarray(kernel, np.float64)
    loss = lambda k: (mapped(forms.orthogonal("cayley"), k).astype(jnp.float64) * weight).sum()  # noqa: E731
    want = differences(lambda k: by_gate(cayley, k), exact, weight)
    got = np.asarray(jax.grad(loss)(kernel), np.float64)
    roundoff = [float(jnp.finfo(dtype).eps) / 2 for dtype in (jnp.bfloat16, jnp.float32)]
    np.testing.assert_allclose(got, want, rtol=0, atol=(roundoff[0] + size * roundoff[1]) * np.abs(want).max())


@pytest.mark.parametrize("by", ["exponential", "cayley"])
@pytest.mark.parametrize("size", [1e-30, 1.0, 30.0, 1e3])
def test_an_orthogonal_matrix_is_right_to_what_its_size_leaves(size: float, by: Any) -> None:
    held = np.asarray(jnp.asarray(KERNEL * size, jnp.float32), np.float64)
    exact = {"exponential": lambda m: scipy.linalg.expm(m - m.T), "cayley": cayley}[by]
    got = np.asarray(mapped(forms.orthogonal(by), jnp.asarray(held, jnp.float32)), np.float64)
    reach = max(1, by_gate(lambda m: np.abs(m - m.T).sum(0, keepdims=True), held).max())
    bound = 4 * np.finfo(np.float32).eps * reach
    np.testing.assert_allclose(got, by_gate(exact, held), rtol=0, atol=bound)
    np.testing.assert_allclose(by_gate(lambda m: m.T @ m, got), by_gate(lambda m: np.eye(H), got), rtol=0, atol=bound)


MAPS = {
    "antisymmetric": forms.antisymmetric(0.1),
    "orthogonal": forms.orthogonal(),
    "cayley": forms.orthogonal("cayley"),
    "spectral_bound": forms.spectral_bound(0.5),
    "non_negative": forms.non_negative(),
    "weight_norm": forms.weight_norm(),
}


@pytest.mark.parametrize("dtype", [*HALVES, jnp.float64])
@pytest.mark.parametrize("name", MAPS)
def test_kernels_of_zeros_have_finite_gradients(name: str, dtype: Any) -> None:
    cell = jaxrnn.gru(H, recurrent=MAPS[name], param_dtype=dtype)
    params = cell.init(jax.random.key(0), inputs=2)
    params["recurrent_kernel"] = jnp.zeros_like(params["recurrent_kernel"])
    xs = jnp.asarray(ROW.normal(size=(4, 3, 2)), dtype)

    def loss(params: Any) -> Any:
        return jnp.sin(jaxrnn.scan(cell, params, xs)[1]).sum()

    value, gradient = jax.value_and_grad(loss)(params)
    assert np.isfinite(np.asarray(value, np.float64))
    for leaf in jax.tree.leaves(gradient):
        assert np.isfinite(np.asarray(leaf, np.float64)).all()


@pytest.mark.parametrize("size", [1.0, 1e4])
@pytest.mark.parametrize("dtype", [*HALVES, jnp.float32])
@pytest.mark.parametrize("constraint", [UnitNorm(), MaxNorm(3.0), MinMaxNorm(1.0, 3.0, 0.5)], ids=str)
def test_constraints_of_numbers_whose_squares_do_not_fit(constraint: Any, dtype: Any, size: float) -> None:
    w = jnp.asarray(KERNEL * size, dtype)
    exact = np.asarray(w, np.float64)
    norm = np.sqrt((exact**2).sum(0, keepdims=True))
    wanted = {
        UnitNorm: np.ones_like(norm),
        MaxNorm: np.minimum(norm, 3.0),
        MinMaxNorm: 0.5 * np.clip(norm, 1, 3) + 0.5 * norm,
    }[type(constraint)]
    found = constraint(w)
    assert found.dtype == dtype
    tolerance = 1e-6 + 2 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(np.asarray(found, np.float64), exact / norm * wanted, rtol=tolerance, atol=0)


TRUTH = {
    "antisymmetric": lambda m: m - m.T - 0.1 * np.eye(H),
    "orthogonal": lambda m: scipy.linalg.expm(m - m.T),
    "cayley": cayley,
    "spectral_bound": lambda m: m / max(1, np.linalg.norm(m, 2) / 0.5),
    "non_negative": np.abs,
    "frozen": np.positive,
}
AROUND = {
    "antisymmetric": lambda of: forms.antisymmetric(0.1, of=of),
    "orthogonal": lambda of: forms.orthogonal(of=of),
    "cayley": lambda of: forms.orthogonal("cayley", of=of),
    "spectral_bound": lambda of: forms.spectral_bound(0.5, of=of),
    "non_negative": lambda of: forms.non_negative(of=of),
    "frozen": forms.frozen,
}


@pytest.mark.parametrize("inner", AROUND)
@pytest.mark.parametrize("outer", AROUND)
def test_of_a_map_around_a_map_the_outer_one_is_what_is_multiplied(outer: str, inner: str) -> None:
    """A bound bounds, and what is orthogonal is so, whatever the form of U."""
    for of in (AROUND[inner](jaxrnn.dense), jaxrnn.shared(of=AROUND[inner](jaxrnn.dense))):
        got = np.asarray(mapped(AROUND[outer](of), jnp.asarray(KERNEL)))
        want = by_gate(lambda m: TRUTH[outer](TRUTH[inner](m)), KERNEL)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-13)


def test_what_cells_make_of_a_kernel_is_made_of_the_map_that_is_given() -> None:
    """A clock's groups read no shorter periods, and exp_rnn is orthogonal, whatever the form of U."""
    for factory, holds in (
        (lambda form: jaxrnn.clockwork_rnn(4, periods=(1, 2), recurrent=form), lambda u: (u[:2, 2:] == 0).all()),
        (lambda form: jaxrnn.exp_rnn(4, recurrent=form), lambda u: abs(u.T @ u - np.eye(4)).max() < 1e-6),
        (lambda form: jaxrnn.antisymmetric_rnn(4, gamma=0.0, recurrent=form), lambda u: (u == -u.T).all()),
    ):
        for form in (forms.orthogonal(), forms.spectral_bound(0.5), forms.non_negative()):
            cell = factory(form)
            params = cell.init(jax.random.key(0), inputs=3)
            params["recurrent_kernel"] = jax.random.normal(jax.random.key(1), (4, 1, 4))
            assert holds(np.asarray(cell.prepare(params)["recurrent_kernel"].arrays[0][:, 0]))
