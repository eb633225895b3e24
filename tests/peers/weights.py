"""Weights of other libraries as ours: the layouts of each, as its documentation has them, and how runs are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import jaxrnn

OUTPUTS, GRADIENTS = 1e-10, 1e-9  # float64, absolute and relative
T, B, D, H = 7, 4, 3, 5
LENGTHS = np.array([7, 3, 5, 1])


def rows(weight: Any, gates: int) -> Any:
    """torch's `[gates * H, D]` as `[D, gates, H]`."""
    return np.transpose(np.reshape(weight, (gates, -1, weight.shape[1])), (2, 0, 1))


def columns(weight: Any, gates: int) -> Any:
    """Keras's `[D, gates * H]` as `[D, gates, H]`."""
    return np.reshape(weight, (weight.shape[0], gates, -1))


def data(seed: int, *shapes: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(s) for s in shapes]


def run(cell: Any, params: dict[str, Any], xs: Any, carry: Any, weights: Any, **options: Any) -> Any:
    """Outputs, and gradients of params, xs and carry for the loss sum(weights * outputs), on each backend the same."""

    def program(params: Any, xs: Any, carry: Any) -> Any:
        outputs, pull = jax.vjp(lambda p, x, c: jaxrnn.scan(cell, p, x, c, chunk=3, **options), params, xs, carry)
        return outputs, pull(weights)

    return jax.tree.map(np.asarray, jax.jit(program)(params, xs, carry))


def close(actual: Any, expected: Any, tolerance: float, what: str = "") -> None:
    np.testing.assert_allclose(
        np.asarray(actual), np.asarray(expected), tolerance, tolerance, err_msg=what, strict=True
    )


def all_close(actual: dict[str, Any], expected: dict[str, Any], tolerance: float) -> None:
    assert actual.keys() == expected.keys()
    for name in actual:
        close(actual[name], expected[name], tolerance, name)


def scan_of(step: Callable[..., Any], xs: Any, carry: Any) -> Any:
    """Another library's step over time, in a plain `lax.scan`."""
    return jax.lax.scan(step, carry, xs)
