"""The replay law finds each of the known mistakes, says which it is, and is silent where there is none."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.testing import check_replay

T, B, D, H = 25, 3, 2, 4
CELL = jaxrnn.lstm(H)
PARAMS = CELL.init(jax.random.key(0), D)
XS = jax.random.normal(jax.random.key(1), (T, B, D))
CARRY = jax.tree.map(lambda a: a + 0.5, CELL.initial_carry((B,), PARAMS))


@jax.jit
def step(carry: Any, x: Any, start: Any) -> Any:
    fresh = CELL.initial_carry((B,), PARAMS)
    return CELL.step(PARAMS, jax.tree.map(lambda new, old: jnp.where(start[:, None], new, old), fresh, carry), x)


def replay_of(mistake: str) -> Any:
    def replay(carry: Any, xs: Any, dones: Any, first: Any) -> Any:
        starts = jaxrnn.starts_from(dones, first)
        zeros = jax.tree.map(jnp.zeros_like, carry)
        run = lambda carry, starts: jaxrnn.scan(CELL, PARAMS, xs, carry, resets=starts)  # noqa: E731
        if mistake == "early":
            return run(carry, dones)
        if mistake == "late":
            return run(carry, jaxrnn.starts_from(starts, False))
        if mistake == "never":
            return run(carry, jnp.zeros_like(dones))
        if mistake == "first":
            return run(carry, jaxrnn.starts_from(dones, False))
        if mistake == "always":
            return run(carry, jaxrnn.starts_from(dones, True))
        if mistake == "zeros":
            return run(zeros, starts)
        if mistake == "last":
            return run(run(carry, starts)[0], starts)
        if mistake == "noise":
            carry, ys = run(carry, starts)
            return carry, ys.at[7, 1].add(1.0)
        if mistake == "carry":
            (c, h), ys = run(carry, starts)
            return type(carry)(c + 1, h), ys
        return run(carry, starts)

    return replay


@pytest.mark.parametrize("seed", range(4))
def test_a_right_replay_passes(seed: int) -> None:
    check_replay(step, replay_of(""), CARRY, XS, jax.random.key(seed))


@pytest.mark.parametrize(
    ("mistake", "words"),
    {
        "early": "It takes `dones` for starts",
        "late": "one step late",
        "never": "It never resets",
        "first": "It ignores `first`",
        "always": "It starts from the initial state, whatever carry and `first` say.",
        "zeros": "It starts from the initial state",
        "last": "from the carry that the rollout ended with",
        "noise": "from step 7 on, first in row 1",
        "carry": "in the last carry",
    }.items(),
)
def test_mistakes_are_found_and_named(mistake: str, words: str) -> None:
    with pytest.raises(AssertionError) as found:
        check_replay(step, replay_of(mistake), CARRY, XS, jax.random.key(0))
    assert words in str(found.value)


@pytest.mark.parametrize("bounds", [dict(done_rate=0), dict(rtol=2**70), dict(atol=np.int64(1))], ids=str)
def test_integers_are_numbers_too(bounds: Any, unchecked: None) -> None:
    check_replay(step, replay_of(""), CARRY, XS, jax.random.key(0), **bounds)


def test_outputs_of_another_form_are_refused(unchecked: None) -> None:
    with pytest.raises(
        ValueError, match=r"`replay` must be a function that returns outputs of shapes \[\(25, 3, 4\)\]"
    ):
        check_replay(step, lambda *a: (a[0], a[1]), CARRY, XS, jax.random.key(0))
    with pytest.raises(ValueError, match="`xs` must be arrays of shape"):
        check_replay(step, replay_of(""), CARRY, XS[:0], jax.random.key(0))


def test_starts_from(unchecked: None) -> None:
    rng = np.random.default_rng(0)
    dones, first = rng.random((6, 4, 2)) < 0.5, rng.random((4, 2)) < 0.5
    expected = np.concatenate([first[None], dones[:-1]])
    np.testing.assert_array_equal(jaxrnn.starts_from(dones, first), expected)
    np.testing.assert_array_equal(
        jax.jit(jaxrnn.starts_from)(dones.astype(np.float32), first.astype(np.int32)), expected
    )
    np.testing.assert_array_equal(jaxrnn.starts_from(dones)[0], True)
    assert jaxrnn.starts_from(np.zeros((0, 2), bool), False).shape == (0, 2)
    for wrong, words in (
        ((dones, first[:3]), r"`first` must be one bool, or of shape \[\*B\] = \(4, 2\)"),
        ((dones * 2.0, first), "`dones` must be bools, or zeros and ones"),
        ((True, True), r"`dones` must be of shape \[T, \*B\]"),
    ):
        with pytest.raises(ValueError, match=words):
            jaxrnn.starts_from(*wrong)
    for name, imaginary in (("dones", (dones * 1j, first)), ("first", (dones, first.astype(np.complex64)))):
        for run in (jaxrnn.starts_from, jax.jit(jaxrnn.starts_from)):  # traced ones are not looked at, but for this
            with pytest.raises(TypeError, match=f"`{name}` must be an array of real numbers"):
                run(*imaginary)


def test_outputs_of_any_kind() -> None:
    """Bools and half precision, which NumPy does not subtract, and a number a step, which has no rows."""
    outputs = lambda ys: dict(open=ys[..., 0] > 0, half=ys.astype(jnp.bfloat16), mean=ys[..., 0].mean(-1))  # noqa: E731

    def acts(carry: Any, x: Any, start: Any) -> Any:
        carry, y = step(carry, x, start)
        return carry, outputs(y)

    def replays(change: Any) -> Any:
        def replay(*given: Any) -> Any:
            carry, ys = replay_of("")(*given)
            return carry, change(outputs(ys))

        return replay

    check_replay(acts, replays(lambda out: out), CARRY, XS, jax.random.key(0))
    for name, change, words in (
        ("open", lambda a: a.at[4, 2].set(~a[4, 2]), "from step 4 on, first in row 2, by 1"),
        ("half", lambda a: a.at[5, 1].add(1), "from step 5 on, first in row 1"),
        ("mean", lambda a: a.at[6].add(2.0), "from step 6 on by 2"),
    ):
        with pytest.raises(AssertionError, match=words):
            check_replay(acts, replays(lambda out: out | {name: change(out[name])}), CARRY, XS, jax.random.key(0))  # noqa: B023
