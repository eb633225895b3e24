"""Sequences cut anywhere against loops in plain Python, and states that are stored, refreshed, burnt in or zeros."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn

T, B, D, H = 13, 3, 2, 4
CELL = jaxrnn.gru(H)


def drawn() -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(0)
    params = CELL.init(jax.random.key(0), inputs=D)
    carry = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), CELL.initial_carry((B,), params))
    return params, carry, jnp.asarray(rng.normal(size=(T, B, D))), jnp.asarray(rng.random((T, B)) < 0.2)


def test_what_is_cut_anywhere_goes_on_as_the_whole_did() -> None:
    """From the stored state every cut gives the outputs of the steps that it was cut from, resets at its seam too."""
    params, carry, xs, starts = drawn()
    carries, ys = jaxrnn.scan_carries(CELL, params, xs, carry, resets=starts)
    states = jaxrnn.states_before(carry, carries)
    times, rows = (a.ravel() for a in np.meshgrid(np.arange(T - 4), np.arange(B)))
    kept, x, fresh, expected = jax.jit(jaxrnn.cut, static_argnums=3)((states, xs, starts, ys), times, rows, 5)
    assert expected.shape == (5, (T - 4) * B, H)
    for n, (time, row) in enumerate(zip(times, rows, strict=True)):
        np.testing.assert_array_equal(expected[:, n], ys[time : time + 5, row])
    assert bool(fresh[0].any())  # some are cut where an episode starts
    begin = jax.tree.map(lambda a: a[0], kept)
    _, got = jaxrnn.scan(CELL, params, x, begin, resets=fresh)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)
    # With states one step late, the mistake that `states_before` is there for, it does not.
    late = jax.tree.map(lambda a: a[0], jaxrnn.cut(carries, times, rows, 5))
    assert np.abs(jaxrnn.scan(CELL, params, x, late, resets=fresh)[1] - expected).max() > 0.1


def test_refreshed_states_are_those_of_the_new_parameters() -> None:
    params, carry, xs, starts = drawn()
    new = jax.tree.map(lambda a: a * 1.1, params)
    carries, ys = jaxrnn.scan_carries(CELL, new, xs, carry, resets=starts)
    states = jaxrnn.states_before(carry, carries)
    begin = jax.tree.map(lambda a: a[7], states)
    np.testing.assert_allclose(jaxrnn.scan(CELL, new, xs[7:], begin, resets=starts[7:])[1], ys[7:], rtol=1e-12)


@pytest.mark.parametrize("steps", [0, 1, 6, T])
def test_burnt_in_states_are_the_walked_ones_and_no_gradient_goes_back(steps: int) -> None:
    params, carry, xs, starts = drawn()

    def run(params: Any, carry: Any, x: Any) -> Any:
        return jaxrnn.scan(CELL, params, x[0], carry, resets=x[1])

    def loss(params: Any, carry: Any, xs: Any) -> Any:
        began, rest = jaxrnn.burn_in(lambda c, x: run(params, c, x), carry, (xs, starts), steps)
        return run(params, began, rest)[1].sum(), began

    walked = carry
    for t in range(steps):
        fresh = jax.tree.map(lambda a: jnp.where(starts[t, :, None], 0, a), walked)  # noqa: B023
        walked, _ = CELL.step(params, fresh, xs[t])
    (_, began), (dp, dcarry, dxs) = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)(params, carry, xs)
    np.testing.assert_allclose(began.h, walked.h, rtol=1e-12, atol=1e-14)
    constant = jax.grad(lambda p: run(p, walked, (xs[steps:], starts[steps:]))[1].sum())(params)
    for name in constant:
        np.testing.assert_allclose(dp[name], constant[name], rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(dcarry.h, 0)
    np.testing.assert_array_equal(dxs[:steps], 0)
    assert steps == T or bool((np.abs(dxs[steps]).max(-1) > 0).all())


@pytest.mark.parametrize("zeroed", [False, True])
@pytest.mark.parametrize(("burn_in", "ahead"), [(0, 0), (3, 0), (0, 4), (2, 3), (T, 0), (0, T + 5)])
def test_what_counts_against_plain_python(burn_in: int, ahead: int, zeroed: bool) -> None:
    _, _, _, starts = drawn()
    expected = np.zeros((T, B), bool)
    for t in range(T):
        for b in range(B):
            begun = np.flatnonzero(np.asarray(starts)[:, b])
            reached = t + ahead < T or any(s > t for s in begun)
            expected[t, b] = t >= burn_in and reached and (not zeroed or any(s <= t for s in begun))
    got = jax.jit(jaxrnn.counts_from, static_argnums=(1, 2, 3))(starts.astype(np.float32), burn_in, ahead, zeroed)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: jaxrnn.cut(np.zeros((5, 2)), np.array([2]), np.array([0]), 4), "from 0 to T - length = 1"),
        (lambda: jaxrnn.cut(np.zeros((5, 2)), np.array([0]), np.array([-1]), 4), "from 0 to B - 1 = 1"),
        (lambda: jaxrnn.cut(np.zeros((5, 2)), np.array([0]), np.array([0]), 6), "`length` must be 5, the steps"),
        (lambda: jaxrnn.cut((np.zeros((5, 2)), np.zeros((5, 3))), np.array([0]), np.array([0]), 1), "of one T and B"),
        (lambda: jaxrnn.states_before(np.zeros((2, 3)), np.zeros((5, 2, 4))), r"`carries` must be of shape [T, 2, 3]"),
        (lambda: jaxrnn.burn_in(lambda c, x: (c, x), 0, np.zeros((5, 2)), 6), "`steps` must be 5, those that there"),
        (lambda: jaxrnn.counts_from(np.zeros((5, 2), bool), burn_in=6), "`burn_in` must be 5, the steps"),
        (lambda: jaxrnn.counts_from(np.full((5, 2), 0.5)), "`starts` must be bools, or zeros and ones"),
        (lambda: jaxrnn.counts_from(np.zeros((5, 2), complex)), "`starts` must be an array of real numbers"),
    ],
)
def test_wrong_calls(call: Any, message: str, unchecked: None) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()
