"""Decoding one sequence a row, against plain Python over the same table of probabilities."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.decode import filter_logits, greedy, sample, sampling, stream
from tests.refusal import assert_refused

V, END = 5, 3
RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(V, V, V)) * 2  # logits by the last two tokens


def step(table: Any, carry: Any, token: Any) -> Any:
    """Reads a token; the carry is the one before it."""
    return token, table[carry, token]


MODEL = partial(step, jnp.asarray(TABLE))


def log_softmax(logits: Any) -> Any:
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def by_hand(start: int, length: int, choose: Any) -> Any:
    """Tokens, their number before END, and their log-probability."""
    before, last, tokens, total = 0, start, [], 0.0
    for time in range(length):
        logits = TABLE[before, last]
        token = int(choose(time, logits))
        before, last, total = last, token, total + log_softmax(logits)[token]
        if token == END:
            break
        tokens.append(token)
    return tokens, total


# ---------------------------------------------------------------- filter_logits


def kept(logits: Any, **arguments: Any) -> list[int]:
    return np.flatnonzero(np.isfinite(filter_logits(jnp.asarray(logits, float), **arguments))).tolist()


def test_temperature_top_k_and_nucleus_by_their_definitions() -> None:
    for seed in range(20):
        logits = np.random.default_rng(seed).normal(size=7) * 2
        order = np.argsort(-logits)
        np.testing.assert_array_equal(filter_logits(logits), logits)
        np.testing.assert_allclose(filter_logits(logits, 0.7), logits / 0.7)
        assert kept(logits, top_k=3) == sorted(order[:3])
        for p in (0.05, 0.3, 0.8, 0.99):
            mass = np.exp(log_softmax(logits / 0.7))[order]
            fewest = next(n for n in range(1, 8) if mass[:n].sum() >= p)
            assert kept(logits, temperature=0.7, top_p=p) == sorted(order[:fewest])
            # The nucleus of what top_k left.
            mass = mass[:4] / mass[:4].sum()
            fewest = next(n for n in range(1, 5) if mass[:n].sum() >= p)
            assert kept(logits, temperature=0.7, top_k=4, top_p=p) == sorted(order[:fewest])


def test_extremes_and_ties() -> None:
    rare = [0.0, -40.0, -80.0, -1.0]  # below the rounding of a float32 sum
    assert kept(rare, top_p=1.0) == kept(rare, top_p=1) == kept(rare, top_k=4) == kept(rare, top_k=99) == [0, 1, 2, 3]
    assert kept(rare, top_p=1e-9) == kept(rare, top_k=1) == kept(rare, temperature=0) == [0]
    assert kept(rare, temperature=1e-310) == [0]  # logits / temperature overflows
    equal = [1.0] * 4
    assert kept(equal, top_k=2) == kept(equal, top_p=0.5) == [0, 1]
    assert kept(equal, top_p=0.51) == [0, 1, 2]
    assert kept(equal, temperature=0) == [0]
    assert kept([2.0, -np.inf, 2.0], top_p=1.0) == [0, 2]
    assert kept([3.0]) == kept([3.0], top_p=0.1, top_k=1, temperature=0) == [0]
    half = filter_logits(jnp.asarray(rare, jnp.bfloat16), 2.0, 2, 0.9)
    assert half.dtype == jnp.bfloat16
    assert filter_logits(jnp.zeros((0, 3)), top_k=2).shape == (0, 3)


def test_rows_are_filtered_apart_and_temperature_may_be_traced() -> None:
    logits = jnp.asarray(RNG.normal(size=(2, 3, 6)))
    traced = jax.jit(lambda t, p: filter_logits(logits, t, top_k=4, top_p=p))(0.6, 0.7)
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(traced[index], filter_logits(logits[index], 0.6, 4, 0.7))


# ---------------------------------------------------------------- greedy, sample, stream


@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 3), (0,)])
def test_greedy_equals_a_loop(shape: tuple[int, ...]) -> None:
    start = np.arange(np.prod(shape, dtype=int)).reshape(shape) % V
    found = greedy(MODEL, jnp.zeros(shape, jnp.int32), start, length=6, end=END)
    assert found.tokens.shape == (6, *shape)
    assert found.tokens.dtype == jnp.int32
    for index in np.ndindex(*shape):
        tokens, total = by_hand(start[index], 6, lambda _, logits: np.argmax(logits))
        length = int(found.lengths[index])
        assert found.tokens[(slice(length), *index)].tolist() == tokens
        assert (found.tokens[(slice(length, None), *index)] == END).all()
        np.testing.assert_allclose(found.log_probability[index], total, rtol=1e-12)


def test_greedy_without_an_end_goes_on() -> None:
    found = greedy(MODEL, jnp.zeros((2,), jnp.int32), jnp.array([1, 2]), length=9)
    assert found.lengths.tolist() == [9, 9]
    for row, start in enumerate([1, 2]):
        before, last = 0, start
        for token in found.tokens[:, row].tolist():
            assert token == TABLE[before, last].argmax()
            before, last = last, token


def test_decoding_stops_when_all_rows_have_ended() -> None:
    calls = []

    def counted(carry: Any, token: Any) -> Any:
        jax.debug.callback(lambda: calls.append(1))
        return carry + 1, jax.nn.one_hot(jnp.where(carry == 3, END, 1), V)

    found = greedy(counted, jnp.array([0, 2]), jnp.array([0, 0]), length=50, end=END)
    jax.effects_barrier()
    assert found.lengths.tolist() == [3, 1]
    assert len(calls) == 4


def test_a_draw_depends_on_its_row_alone() -> None:
    key = jax.random.key(3)
    many = sample(MODEL, jnp.zeros(6, jnp.int32), jnp.ones(6, int), key, length=8, end=END)
    few = sample(MODEL, jnp.zeros(2, jnp.int32), jnp.array([1, 0]), key, length=5, end=END)
    assert few.tokens[:, 0].tolist() == many.tokens[:5, 0].tolist()
    table = sample(MODEL, jnp.zeros((2, 3), jnp.int32), jnp.ones((2, 3), int), key, length=8, end=END)
    np.testing.assert_array_equal(table.tokens.reshape(8, 6), many.tokens)
    alone = sample(MODEL, jnp.int32(0), 1, key, length=8, end=END)
    np.testing.assert_array_equal(alone.tokens, many.tokens[:, 0])
    assert len({tuple(many.tokens[:, row].tolist()) for row in range(6)}) > 1


def test_sampled_log_probability_is_the_models_own() -> None:
    start = np.arange(40) % V
    found = sample(
        MODEL, jnp.zeros(40, jnp.int32), start, jax.random.key(0), length=6, end=END, temperature=1.7, top_k=4
    )
    for row in range(40):
        drawn = iter(found.tokens[:, row].tolist())
        tokens, total = by_hand(start[row], 6, lambda *_, drawn=drawn: next(drawn))
        assert len(tokens) == found.lengths[row]
        np.testing.assert_allclose(found.log_probability[row], total, rtol=1e-12)


def test_draws_follow_the_filtered_softmax() -> None:
    rows = 4000
    found = sample(
        MODEL, jnp.zeros(rows, jnp.int32), jnp.ones(rows, int), jax.random.key(1), length=1, temperature=0.8, top_p=0.9
    )
    logits = TABLE[0, 1] / 0.8
    order = np.argsort(-logits)
    mass = np.exp(log_softmax(logits))[order]
    nucleus = order[: next(n for n in range(1, V + 1) if mass[:n].sum() >= 0.9)]
    expected = np.zeros(V)
    expected[nucleus] = np.exp(logits[nucleus]) / np.exp(logits[nucleus]).sum()
    counts = np.bincount(np.asarray(found.tokens[0]), minlength=V)
    assert (counts[expected == 0] == 0).all()
    assert np.abs(counts / rows - expected).max() < 4 * np.sqrt(0.25 / rows)


@pytest.mark.parametrize("arguments", [{}, {"temperature": 0.5, "top_k": 3}, {"top_p": 0.6}, {"temperature": 0}])
def test_stream_gives_the_tokens_of_sample(arguments: Any) -> None:
    key, carry, start = jax.random.key(5), jnp.zeros(3, jnp.int32), jnp.array([0, 1, 2])
    whole = sample(MODEL, carry, start, key, length=7, end=END, **arguments)
    pieces = list(stream(MODEL, carry, start, key, length=7, end=END, **arguments))
    assert len(pieces) == int(whole.lengths.max())
    np.testing.assert_array_equal(np.stack(pieces), whole.tokens[: len(pieces)])
    if arguments.get("temperature") == 0:
        np.testing.assert_array_equal(whole.tokens, greedy(MODEL, carry, start, length=7, end=END).tokens)


def test_new_parameters_and_temperatures_do_not_compile_again() -> None:
    traces: list[int] = []
    record = traces.append  # a step that reads the list itself would be another one each time

    def traced(table: Any, carry: Any, token: Any) -> Any:
        record(1)
        return step(table, carry, token)

    def run(scale: float, temperature: float) -> Any:
        bound = partial(traced, jnp.asarray(TABLE * scale))
        sample(bound, jnp.int32(0), 1, jax.random.key(0), length=3, temperature=temperature, top_k=2)
        list(stream(bound, jnp.int32(0), 1, jax.random.key(0), length=3, temperature=temperature))

    run(1.0, 0.5)
    first = len(traces)
    run(2.0, 0.9)
    assert len(traces) == first + 2  # the shapes are checked, nothing is compiled


def test_a_cell_decodes() -> None:
    cell = jaxrnn.lstm(V)
    params = cell.init(jax.random.key(0), inputs=V)
    found = greedy(partial(cell.step, params), cell.initial_carry((2,)), jnp.array([0, 1]), length=4)
    carry, token = cell.initial_carry((2,)), jnp.array([0, 1])
    for time in range(4):
        carry, logits = cell.step(params, carry, token)
        token = logits.argmax(-1)
        np.testing.assert_array_equal(found.tokens[time], token)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("named", "call"),
    [
        ("logits", lambda: filter_logits([1.0, 2.0])),
        ("logits", lambda: filter_logits(jnp.arange(3))),
        ("temperature", lambda: filter_logits(jnp.ones(3), -0.1)),
        ("temperature", lambda: filter_logits(jnp.ones(3), float("inf"))),
        ("top_k", lambda: filter_logits(jnp.ones(3), top_k=0)),
        ("top_k", lambda: filter_logits(jnp.ones(3), top_k=1.5)),
        ("top_p", lambda: filter_logits(jnp.ones(3), top_p=0.0)),
        ("top_p", lambda: filter_logits(jnp.ones(3), top_p=1.1)),
        ("step", lambda: greedy(3, (), 0, length=2)),
        ("step", lambda: greedy(lambda c, t: jnp.ones(3), (), 0, length=2)),
        ("step", lambda: greedy(lambda c, t: (c, jnp.ones((2, 3))), (), 0, length=2)),
        ("step", lambda: greedy(lambda c, t: (c, jnp.arange(3)), (), 0, length=2)),
        ("step", lambda: greedy(lambda c, t: ((), jnp.ones(3)), jnp.ones(2), 0, length=2)),
        ("start", lambda: greedy(MODEL, jnp.int32(0), 1.0, length=2)),
        ("start", lambda: greedy(MODEL, jnp.int32(0), 5, length=2)),
        ("carry", lambda: greedy(MODEL, jnp.zeros(3, jnp.int32), jnp.ones(2, int), length=2)),
        ("length", lambda: greedy(MODEL, jnp.int32(0), 1, length=0)),
        ("end", lambda: greedy(MODEL, jnp.int32(0), 1, length=2, end=V)),
        ("end", lambda: greedy(MODEL, jnp.int32(0), 1, length=2, end=1.0)),
        ("key", lambda: sample(MODEL, jnp.int32(0), 1, 7, length=2)),
        ("temperature", lambda: sample(MODEL, jnp.int32(0), 1, jax.random.key(0), length=2, temperature=-1)),
        ("top_p", lambda: stream(MODEL, jnp.int32(0), 1, jax.random.key(0), top_p=2)),
        ("length", lambda: stream(MODEL, jnp.int32(0), 1, jax.random.key(0), length=-1)),
    ],
)
def test_wrong_calls(named: str, call: Any) -> None:
    assert_refused(named, call)


@pytest.mark.parametrize("shape", [(), (2,), (0,)])
def test_a_stream_draws_what_sample_draws_however_many_at_a_time(shape: tuple[int, ...]) -> None:
    """Its blocks grow up to MOST tokens, and end with the sequence, with its length, or where there is no choice."""
    start, key, most = jnp.zeros(shape, int), jax.random.key(7), sampling.MOST
    counting = lambda carry, token: (carry + 1, jnp.zeros((*token.shape, V)))  # noqa: E731
    for length in (1, 2, 3, 7, most, 2 * most, 2 * most + 5):
        drawn = sample(counting, start, start, key, length=length, temperature=0.7).tokens
        found = list(stream(counting, start, start, key, length=length, temperature=0.7))
        assert {(a.dtype, a.shape) for a in found} == {(np.dtype(np.int32), shape)}
        np.testing.assert_array_equal(found, drawn)

    def until(last: int, carry: Any, token: Any) -> Any:
        logits = jnp.zeros((*token.shape, V)).at[..., END].set(-jnp.inf)
        return carry + 1, jnp.where((carry == last)[..., None], jax.nn.one_hot(END, V) * 1e9, logits)

    def lost(last: int, carry: Any, token: Any) -> Any:
        return carry + 1, jnp.where((carry == last)[..., None], jnp.nan, jnp.zeros((*token.shape, V)))

    for last in (0, 1, 2, 3, 6, most, 2 * most):
        found = list(stream(partial(until, last), start, start, key, end=END))
        assert len(found) == (last if start.size else 0)
        if start.size:
            tokens = stream(partial(lost, last), start, start, key)
            for _ in range(last):
                next(tokens)
            with pytest.raises(FloatingPointError, match=f"no token {last + 1} can be chosen"):
                next(tokens)


def test_one_first_token_for_many_rows_is_explained() -> None:
    """The step fails, in its own words: to them is added what was asked of it."""
    kernel = np.zeros((3, 4), np.float32)

    def step(carry: Any, token: Any) -> Any:
        return carry, jax.lax.dot_general(jax.nn.one_hot(token, 3), kernel, (((1,), (0,)), ((), ())))

    with pytest.raises((TypeError, ValueError)) as caught:
        jaxrnn.decode.greedy(step, jnp.zeros((20, 2)), 1, length=3)
    assert any("for a batch it is an array [*B]" in note for note in caught.value.__notes__)
