"""Kernels that are functions of what is held, at the ends of dtypes: zeros, and squares that do not fit."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
    tolerance = 1e-12 if dtype == jnp.float64 else 0.02
    np.testing.assert_allclose(np.asarray(gradients[0], np.float64), of_kernel, rtol=0, atol=tolerance)
    np.testing.assert_allclose(np.asarray(gradients[1], np.float64), of_scale, rtol=0, atol=tolerance)


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
