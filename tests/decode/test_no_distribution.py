"""Logits and scores that make no distribution: NaN, inf, nothing but -inf. Nobody may choose as if all were well."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrnn.decode import bahdanau, beam, filter_logits, greedy, luong, mixture_density, sample, stream
from jaxrnn.decode.stepper import is_distribution

V, BAD_FROM, LENGTH = 5000, 2, 5  # XLA's max passes over a NaN among so many on CPUs
SOUND = np.linspace(0, 1, V)
BROKEN = {
    "nan": np.where(np.arange(V) == 7, np.nan, SOUND),
    "inf": np.where(np.arange(V) == 7, np.inf, SOUND),
    "all -inf": np.full(V, -np.inf),
    "all nan": np.full(V, np.nan),
}
SOME = np.where(np.arange(V) == V - 1, -np.inf, SOUND)  # -inf is a token that is never taken


def model(bad: Any) -> Any:
    """Row 1 has bad logits from the third token on; row 0 never."""

    def step(carry: Any, token: Any) -> Any:
        time, row = carry
        broken = (time >= BAD_FROM) & (row == 1)
        return (time + 1, row), jnp.where(broken[..., None], jnp.asarray(bad), jnp.asarray(SOME))

    return step


CARRY = (np.zeros(2, np.int32), np.array([0, 1], np.int32))
START = np.zeros(2, np.int32)
BEST = V - 2
EACH = float(SOUND[BEST] - np.log(np.exp(SOME).sum()))  # log p of the likeliest token


@pytest.mark.parametrize("bad", BROKEN)
def test_which_logits_are_a_distribution(bad: str) -> None:
    assert not is_distribution(jnp.asarray(BROKEN[bad]))
    assert is_distribution(jnp.asarray(SOME))


@pytest.mark.parametrize("bad", BROKEN)
def test_greedy_ends_a_row_and_reports_it(bad: str) -> None:
    found = greedy(model(BROKEN[bad]), CARRY, START, length=LENGTH, end=3)
    assert found.lengths.tolist() == [LENGTH, BAD_FROM]
    assert found.tokens[:, 0].tolist() == [BEST] * LENGTH
    assert found.tokens[:, 1].tolist() == [BEST] * BAD_FROM + [3] * (LENGTH - BAD_FROM)
    np.testing.assert_allclose(found.log_probability, [LENGTH * EACH, np.nan], rtol=1e-12)


@pytest.mark.parametrize("bad", ["nan", "inf", "all -inf"])
@pytest.mark.parametrize("options", [{}, {"temperature": 0.0}, {"top_k": 3, "temperature": 0.5}, {"top_p": 0.4}])
def test_sample_ends_a_row_and_reports_it(bad: str, options: Any) -> None:
    found = sample(model(BROKEN[bad]), CARRY, START, jax.random.key(0), length=LENGTH, **options)
    assert found.lengths.tolist() == [LENGTH, BAD_FROM]
    assert (found.tokens[BAD_FROM:, 1] == -1).all()
    assert np.isnan(found.log_probability).tolist() == [False, True]
    sound = sample(model(SOME), CARRY, START, jax.random.key(0), length=LENGTH, **options)
    np.testing.assert_array_equal(found.tokens[:, 0], sound.tokens[:, 0])  # the other row is as it was
    assert (sound.tokens < V - 1).all()


def test_stream_raises_at_the_token() -> None:
    tokens = stream(model(BROKEN["nan"]), CARRY, START, jax.random.key(0), length=LENGTH, temperature=0)
    assert [next(tokens).tolist() for _ in range(BAD_FROM)] == [[BEST, BEST]] * BAD_FROM
    with pytest.raises(FloatingPointError, match="no token 3 can be chosen"):
        next(tokens)


@pytest.mark.parametrize("bad", BROKEN)
def test_beam_gives_no_best_sequences_and_says_so(bad: str) -> None:
    both = beam(model(BROKEN[bad]), CARRY, START, width=3, length=LENGTH, end=3, length_penalty=0.6)
    assert np.isnan(both.scores[1]).all()
    assert np.isnan(both.log_probability[1]).all()
    assert both.lengths[1].tolist() == [0, 0, 0]
    assert (both.tokens[:, 1] == 3).all()
    alone = beam(model(SOME), CARRY, START, width=3, length=LENGTH, end=3, length_penalty=0.6)
    for ours, theirs in zip(both, alone, strict=True):
        row = (slice(None), 0) if ours.ndim == 3 else (0,)
        np.testing.assert_array_equal(ours[row], theirs[row])


def test_a_beam_that_has_ended_reads_no_further() -> None:
    """Row 1 is through before its logits break: what row 0 still does must not reach it."""

    def step(carry: Any, token: Any) -> Any:
        time, row = carry
        sure = jnp.where(jnp.arange(4) == 3, 50.0, 0.0)  # ends at once
        broken = jnp.where(time[..., None] > 0, jnp.nan, sure)
        return (time + 1, row), jnp.where((row == 1)[..., None], broken, -jnp.arange(4.0))

    found = beam(step, CARRY, START, width=1, length=4, end=3)
    assert found.lengths.tolist() == [[4], [0]]
    np.testing.assert_allclose(found.scores[1], 0, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"temperature": 0.0}, {"top_k": 2}, {"top_p": 0.5}, {"temperature": 2.0}])
def test_filtered_logits_are_nan_where_they_are_no_distribution(options: Any) -> None:
    rows = np.stack([*BROKEN.values(), SOME])
    kept = filter_logits(rows, **options)
    assert np.isnan(kept[:-1]).all()
    assert not np.isnan(kept[-1]).any()
    assert kept[-1, -1] == -np.inf


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("attention", [bahdanau(3), luong("dot")], ids=["bahdanau", "dot"])
def test_attention_over_nan_is_nan_in_that_row_alone(attention: Any, bad: float) -> None:
    """The bad memory is valid in row 1, and hidden in row 0; row 2 has no memory at all."""
    values = np.random.default_rng(0).normal(size=(3, 4, 6))
    values[:2, 3] = bad
    params = attention.init(jax.random.key(0), query=6, memory=6)
    if bad == np.inf and params:
        pytest.skip("tanh makes a number of it, which is what the equation says")
    memory = attention.memory(params, values, lengths=np.array([3, 4, 0]))
    context, weights = attention(params, np.ones((3, 6)), memory)
    assert np.isnan(weights[1]).all()
    assert np.isnan(context[1]).all()
    np.testing.assert_allclose(weights[0].sum(), 1, rtol=1e-12)
    assert weights[0, 3] == 0
    assert not np.isnan(context[0]).any()
    assert (weights[2] == 0).all()
    assert (context[2] == 0).all()


def test_attention_with_scores_of_minus_infinity() -> None:
    """One is a position that is not seen; all of them are no softmax."""
    values = np.array([[[-1.0], [1.0]], [[-1.0], [-1.0]]]) * np.array([np.inf, 1.0]).reshape(2, 1)
    values[1] = -np.inf
    attention = luong("dot")
    context, weights = attention({}, np.ones((2, 1)), attention.memory({}, values))
    np.testing.assert_array_equal(weights, [[0, 1], [np.nan, np.nan]])
    assert np.isnan(context[1]).all()


@pytest.mark.parametrize("place", [0, 1, 3, 6, 9, 12])
def test_a_mixture_with_nan_draws_nan(place: int) -> None:
    density = mixture_density(2)
    outputs = np.zeros((2, density.size))
    outputs[1, place] = np.nan
    points = density.sample(jax.random.key(0), density.split(outputs), bias=1.0)
    assert np.isnan(points).tolist() == [[False] * 3, [True] * 3]
