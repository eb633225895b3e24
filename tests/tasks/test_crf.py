"""The field over tags: scores, sums over paths, best paths, in values and gradients, against all paths one by one."""

from __future__ import annotations

from itertools import pairwise, product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrnn.tasks.tag import crf

T, B, K = 5, 7, 3
LENGTHS = np.array([5, 1, 3, 0, 2, 4, 5], np.int32)


def made(seed=0):
    rng = np.random.default_rng(seed)
    field = crf.Transitions(rng.normal(size=K), rng.normal(size=(K, K)), rng.normal(size=K))
    emissions = 2 * rng.normal(size=(T, B, K))
    tags = rng.integers(0, K, (T, B)).astype(np.int32)
    return crf.Transitions(*map(jnp.asarray, field)), jnp.asarray(emissions), jnp.asarray(tags)


def every_path(field, emissions, row):
    """The score of each path of a row, term by term."""
    (first, between, last), emitted = map(np.asarray, field), np.asarray(emissions)[:, row]
    found = {}
    for path in product(range(K), repeat=int(LENGTHS[row])):
        total = first[path[0]] + last[path[-1]] if path else 0.0
        total += sum(emitted[t, tag] for t, tag in enumerate(path))
        found[path] = total + sum(between[a, b] for a, b in pairwise(path))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_sums_scores_and_best_paths_equal_those_of_all_paths(seed):
    field, emissions, tags = made(seed)
    sums, scores = crf.log_normaliser(field, emissions, LENGTHS), crf.score(field, emissions, tags, LENGTHS)
    best, best_scores = crf.viterbi(field, emissions, LENGTHS)
    chances = crf.marginals(field, emissions, jnp.asarray(LENGTHS))
    assert best.dtype == jnp.int32
    for row, length in enumerate(LENGTHS):
        paths = every_path(field, emissions, row)
        np.testing.assert_allclose(sums[row], np.log(np.sum(np.exp([*paths.values()]))), rtol=1e-12, atol=1e-13)
        given = tuple(np.asarray(tags)[:length, row].tolist())
        np.testing.assert_allclose(scores[row], paths[given], rtol=1e-12, atol=1e-13)
        likeliest = max(paths, key=paths.get)
        assert tuple(np.asarray(best)[:length, row].tolist()) == likeliest
        np.testing.assert_allclose(best_scores[row], paths[likeliest], rtol=1e-12, atol=1e-13)
        assert not np.asarray(best)[length:, row].any()
        weights = np.exp(np.array([*paths.values()]) - float(sums[row]))
        for t in range(length):
            for k in range(K):
                there = sum(w for path, w in zip(paths, weights, strict=True) if path[t] == k)
                np.testing.assert_allclose(chances[t, row, k], there, rtol=1e-11, atol=1e-13)
        assert not np.asarray(chances)[length:, row].any()


def test_gradients_equal_those_of_all_paths():
    """Of -log p by each parameter: how often it is used, expected over all paths, less how often in the given path."""
    field, emissions, tags = made()
    expected = [np.zeros(a.shape) for a in (*field, emissions)]

    def use(path, row, weight):
        first, between, last, emitted = expected
        first[path[0]] += weight
        last[path[-1]] += weight
        for t, k in enumerate(path):
            emitted[t, row, k] += weight
        for a, b in pairwise(path):
            between[a, b] += weight

    for row, length in enumerate(LENGTHS.tolist()):
        if length:
            paths = every_path(field, emissions, row)
            total = np.sum(np.exp([*paths.values()]))
            for path, score in paths.items():
                use(path, row, np.exp(score) / total)
            use(np.asarray(tags)[:length, row].tolist(), row, -1)

    def ours(field, emissions):
        lengths = jnp.asarray(LENGTHS)
        return (crf.log_normaliser(field, emissions, lengths) - crf.score(field, emissions, tags, lengths)).sum()

    found = jax.tree.leaves(jax.jit(jax.grad(ours, argnums=(0, 1)))(field, emissions))
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-12)


def test_nan_and_other_tags_in_the_padding_change_no_bit():
    field, emissions, tags = made()
    beyond = np.arange(T)[:, None] >= LENGTHS
    spoilt = jnp.where(beyond[..., None], jnp.nan, emissions), jnp.where(beyond, 99, tags).astype(jnp.int32)

    @jax.jit
    def everything(field, emissions, tags):
        lengths = jnp.asarray(LENGTHS)

        def loss(field, emissions):
            return (crf.log_normaliser(field, emissions, lengths) - crf.score(field, emissions, tags, lengths)).sum()

        return jax.value_and_grad(loss, (0, 1))(field, emissions), crf.viterbi(field, emissions, lengths)

    for a, b in zip(
        *(jax.tree.leaves(everything(field, *given)) for given in ((emissions, tags), spoilt)), strict=True
    ):
        assert np.isfinite(a).all()
        np.testing.assert_array_equal(a, b)


def test_one_word_and_tags_that_may_not_follow_each_other():
    field, emissions, _ = made()
    field = field._replace(between=jnp.full((K, K), -1e30).at[jnp.arange(K), (jnp.arange(K) + 1) % K].set(0.0))
    best, _ = crf.viterbi(field, emissions, LENGTHS)
    for row, length in enumerate(LENGTHS):
        path = np.asarray(best)[:length, row]
        assert ((np.diff(path) - 1) % K == 0).all()
    single = crf.viterbi(field, emissions[:1], np.ones(B, np.int32))[0][0]
    np.testing.assert_array_equal(single, sum(map(np.asarray, (emissions[0], field.first, field.last))).argmax(-1))
    assert np.isfinite(crf.log_normaliser(field, emissions, LENGTHS)).all()
