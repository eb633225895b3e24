"""What targets lack, in other words: as exact as NumPy in float64, to rounding, near zero too."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrnn.kernels.pallas.rules import MOSAIC_GPU, MOSAIC_TPU

NEAR = np.float32([1e-30, 1e-12, 1e-8, 1e-5, 1e-3, 0.03, 0.2, 0.4999, 0.5, 0.51, 0.9])
ALL = np.concatenate([NEAR, -NEAR, np.float32([2, 7, -7, 30])])
RULES: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {
    "expm1": (MOSAIC_TPU["expm1"], np.expm1, ALL, {}),
    "expm1 on GPUs": (MOSAIC_GPU["expm1"], np.expm1, ALL, {}),
    "log1p": (MOSAIC_GPU["log1p"], np.log1p, ALL[ALL > -1], {}),
    "to the power of 3": (MOSAIC_GPU["integer_pow"], lambda x: x**3, ALL[np.abs(ALL) > 1e-8], {"y": 3}),
    "to the power of -2": (MOSAIC_GPU["integer_pow"], lambda x: x**-2.0, ALL[np.abs(ALL) > 1e-8], {"y": -2}),
}


@pytest.mark.parametrize("name", RULES)
def test_they_are_right_to_rounding(name: str) -> None:
    rule, expected, at, named = RULES[name]
    (found,) = rule(jnp.asarray(at), **named)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(np.float64(found), expected(np.float64(at)), rtol=4 * 2.0**-23)


def test_powers() -> None:
    """Of zeros, and of numbers below zero, which have whole ones."""
    x, y = (np.float32(a).reshape(-1) for a in np.meshgrid([-3, -1.5, 0, 0.5, 1, 7], [-2.5, -2, -1, 0, 0.5, 1, 2, 3]))
    (found,) = MOSAIC_GPU["pow"](jnp.asarray(x), jnp.asarray(y))
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.float64(x) ** np.float64(y)
    np.testing.assert_allclose(np.abs(np.float64(found)), np.abs(expected), rtol=1e-5)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.sign(found)[finite], np.sign(expected)[finite])


def test_signs_of_zeros_and_none_are_themselves() -> None:
    given = np.float32([-0.0, 0.0, -3, 3, np.nan, -np.inf])
    (found,) = MOSAIC_TPU["sign"](jnp.asarray(given))
    np.testing.assert_array_equal(np.float32(found), np.sign(given))
    np.testing.assert_array_equal(np.signbit(found)[:2], [True, False])
