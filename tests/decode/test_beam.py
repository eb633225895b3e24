"""Beam search against every sequence there is, and against a beam in plain Python."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrnn.decode import beam, greedy
from tests.refusal import assert_refused

V, END = 3, 2


def step(table: Any, carry: Any, token: Any) -> Any:
    """Logits by the last two tokens and the time: a model that remembers."""
    before, time = carry["before"], carry["time"]
    return {"before": token, "time": time + 1}, table[time, before, token]


def tables(seed: int, length: int, vocabulary: int = V) -> Any:
    return np.random.default_rng(seed).normal(size=(length, vocabulary, vocabulary, vocabulary)) * 1.5


def carry(shape: tuple[int, ...]) -> Any:
    return {"before": jnp.zeros(shape, jnp.int32), "time": jnp.zeros(shape, jnp.int32)}


def logs(table: Any) -> Any:
    return table - np.log(np.exp(table).sum(-1, keepdims=True))


def penalised(total: float, length: int, alpha: float) -> float:
    return total / ((5 + length) / 6) ** alpha


def all_sequences(table: Any, start: int, length: int, alpha: float) -> list[tuple[float, tuple[int, ...]]]:
    """Every sequence that ends by END or has the full length, with its score, the best first."""
    table, vocabulary, found = logs(table), table.shape[-1], []
    for size in range(length + 1):
        for body in product([v for v in range(vocabulary) if v != END], repeat=size):
            tokens = (*body, END) if size < length else body
            before, last, total = 0, start, 0.0
            for time, token in enumerate(tokens):
                total += table[time, before, last, token]
                before, last = last, token
            found.append((penalised(total, size, alpha), body))
    return sorted(found, reverse=True)


def plain_beam(table: Any, start: int, width: int, length: int, alpha: float) -> list[tuple[float, tuple[int, ...]]]:
    """The search of the docstring, without stopping early."""
    table = logs(table)
    live, done = [(0.0, ())], []
    for time in range(length):
        grown = []
        for total, tokens in live:
            before, last = ([0, start, *tokens] if not tokens else [start, *tokens])[-2:]
            grown += [(total + gain, (*tokens, token)) for token, gain in enumerate(table[time, before, last])]
        live = []
        for total, tokens in sorted(grown, reverse=True)[:width]:
            if tokens[-1] == END:
                done.append((penalised(total, time, alpha), tokens[:-1]))
            elif time + 1 == length:
                done.append((penalised(total, length, alpha), tokens))
            else:
                live.append((total, tokens))
    return sorted(done, reverse=True)[:width]


def rows(found: Any, index: tuple[int, ...] = ()) -> list[tuple[float, tuple[int, ...]]]:
    """What the search found for a row, in the form of the references."""
    result = []
    for k in range(found.scores.shape[-1]):
        if np.isfinite(found.scores[(*index, k)]):
            size = int(found.lengths[(*index, k)])
            tokens = found.tokens[(slice(None), *index, k)].tolist()
            assert set(tokens[size:]) <= {END}
            result.append((float(found.scores[(*index, k)]), tuple(tokens[:size])))
    return result


def agree(found: Any, expected: Any) -> None:
    assert [tokens for _, tokens in found] == [tokens for _, tokens in expected]
    np.testing.assert_allclose([s for s, _ in found], [s for s, _ in expected], rtol=1e-10)


search = jax.jit(
    lambda table, start, alpha, width, length: beam(
        partial(step, table), carry(()), start, width=width, length=length, end=END, length_penalty=alpha
    ),
    static_argnums=(2, 3, 4),
)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("length", [1, 2, 4])
def test_a_wide_beam_is_exhaustive(length: int, alpha: float) -> None:
    width = V**length
    for seed in range(8):
        table = tables(seed, length)
        expected = all_sequences(table, seed % V, length, alpha)[:width]
        found = search(table, seed % V, alpha, width, length)
        agree(rows(found), expected)
        unused = ~np.isfinite(found.scores)
        assert unused.sum() == width - len(expected)
        assert (found.lengths[unused] == 0).all()
        assert (found.tokens[:, unused] == END).all()


@pytest.mark.parametrize("width", [1, 2, 3, 5])
@pytest.mark.parametrize("alpha", [0.0, 0.7, 3.0])
def test_narrow_beams_equal_plain_python(width: int, alpha: float) -> None:
    for seed in range(12):
        table = tables(100 + seed, 6, 4)
        found = search(table, seed % 4, alpha, width, 6)
        agree(rows(found), plain_beam(table, seed % 4, width, 6, alpha))
        np.testing.assert_allclose(
            np.asarray(found.log_probability),
            np.asarray(found.scores) * ((5 + np.asarray(found.lengths)) / 6) ** alpha,
            rtol=1e-12,
        )


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (0,)])
def test_width_one_is_greedy_for_any_batch_axes(shape: tuple[int, ...]) -> None:
    table = tables(7, 6, 4)
    start = np.arange(np.prod(shape, dtype=int)).reshape(shape) % 4
    model = partial(step, jnp.asarray(table))
    one = beam(model, carry(shape), start, width=1, length=6, end=END)
    best = greedy(model, carry(shape), start, length=6, end=END)
    np.testing.assert_array_equal(one.tokens[..., 0], best.tokens)
    np.testing.assert_array_equal(one.lengths[..., 0], best.lengths)
    np.testing.assert_allclose(one.scores[..., 0], best.log_probability, rtol=1e-12)
    three = beam(model, carry(shape), start, width=3, length=6, end=END, length_penalty=0.5)
    for index in np.ndindex(*shape):
        agree(rows(three, index), plain_beam(table, start[index], 3, 6, 0.5))


def test_without_an_end_all_have_the_full_length() -> None:
    table = tables(1, 3)
    found = beam(partial(step, jnp.asarray(table)), carry(()), 0, width=27, length=3)
    assert (found.lengths == 3).all()
    assert len({tuple(found.tokens[:, k].tolist()) for k in range(27)}) == 27
    np.testing.assert_allclose(np.exp(np.asarray(found.scores)).sum(), 1, rtol=1e-12)


def test_a_late_sequence_that_the_penalty_favours_is_not_cut_off() -> None:
    """Ending at once scores log 0.4; ending after eight certain steps log 0.6 over a large penalty, or log 0.3."""
    stay = jnp.log(jnp.array([1.0, 0.0, 0.0]))  # no end, whatever comes

    def model(time: Any, token: Any) -> Any:
        return time + 1, jnp.where(time == 0, jnp.log(jnp.array([0.3, 0.3, 0.4])), stay)

    found = beam(model, jnp.int32(0), 0, width=1, length=8, end=END, length_penalty=1.0)
    assert found.lengths.tolist() == [0]  # width 1 saw nothing else
    found = beam(model, jnp.int32(0), 0, width=2, length=8, end=END, length_penalty=1.0)
    assert found.lengths.tolist() == [8, 0]
    np.testing.assert_allclose(found.scores, np.log([0.3, 0.4]) / [13 / 6, 5 / 6], rtol=1e-12)


def test_it_stops_when_no_live_sequence_can_win() -> None:
    calls = []

    def model(time: Any, token: Any) -> Any:
        jax.debug.callback(lambda: calls.append(1))
        return time + 1, jnp.log(jnp.array([0.05, 0.05, 0.9]))

    found = beam(model, jnp.int32(0), 0, width=1, length=50, end=END)
    jax.effects_barrier()
    assert found.lengths.tolist() == [0]
    assert len(calls) == 1


def test_rows_do_not_depend_on_each_other() -> None:
    """An impossible row beside a possible one: its logits are -inf but for one token."""
    table = jnp.asarray(tables(3, 5))
    alone = beam(partial(step, table), carry((1,)), jnp.array([1]), width=3, length=5, end=END)

    def odd(carry: Any, token: Any) -> Any:
        carry, logits = step(table, carry, token)
        certain = jnp.log(jnp.broadcast_to(jnp.array([1.0, 0.0, 0.0]), logits.shape))
        return carry, jnp.where((jnp.arange(2) == 1)[:, None], certain, logits)

    both = beam(odd, carry((2,)), jnp.array([1, 0]), width=3, length=5, end=END)
    for name in ("tokens", "lengths", "scores"):
        np.testing.assert_array_equal(
            np.moveaxis(getattr(both, name), -2, 0)[0], np.moveaxis(getattr(alone, name), -2, 0)[0]
        )
    assert rows(both, (1,)) == [(0.0, (0,) * 5)]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("named", "arguments"),
    [
        ("width", {"width": 0}),
        ("width", {"width": 2.0}),
        ("length", {"length": 0}),
        ("end", {"end": -1}),
        ("length_penalty", {"length_penalty": -0.5}),
        ("length_penalty", {"length_penalty": float("nan")}),
    ],
)
def test_wrong_calls(named: str, arguments: Any) -> None:
    def model(carry: Any, token: Any) -> Any:
        return carry, jnp.zeros((*token.shape, V))

    assert_refused(named, lambda: beam(model, (), 0, **{"width": 2, "length": 3, "end": END} | arguments))
