"""Outputs, states and all gradients of every layer and option, against Keras live, in float64 to 1e-10."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.keras_layers.live import (
    GAPS,
    RAGGED,
    B,
    D,
    H,
    T,
    assert_same,
    numbers,
    ours_with_gradients,
    pair,
    theirs_with_gradients,
)
from tests.promotion import default_promotion


class Case(NamedTuple):
    make: Any  # (builder) -> layer
    mask: Any = None
    states: tuple[int, ...] | None = None  # sizes of initial states, one a state
    steps: int = T


def layer(kind: str, mask: Any = None, states: int = 0, steps: int = T, **options: Any) -> Case:
    options = {"return_sequences": True, "return_state": True} | options
    return Case(lambda lib: lib.layer(kind, **options), mask, (H,) * states or None, steps)


def both_ways(kind: str, mask: Any = None, states: int = 0, merge_mode: Any = "concat", **options: Any) -> Case:
    options = {"return_sequences": True, "return_state": True} | options
    return Case(
        lambda lib: lib.bidirectional(lib.layer(kind, **options), merge_mode=merge_mode), mask, (H,) * states or None
    )


def stacked(lib: Any) -> list[Any]:
    return [lib.layer("LSTMCell"), lib.layer("GRUCell", 3, H), lib.layer("SimpleRNNCell", 6, 3)]


relu, softsign, hard_sigmoid = jax.nn.relu, jax.nn.soft_sign, jax.nn.hard_sigmoid

CASES = {
    "lstm": layer("LSTM"),
    "lstm, ragged": layer("LSTM", RAGGED, 2),
    "lstm, gaps": layer("LSTM", GAPS, 2),
    "lstm, gaps, last output": layer("LSTM", GAPS, 2, return_sequences=False, return_state=False),
    "lstm, zeros at gaps": layer("LSTM", GAPS, 2, zero_output_for_mask=True),
    "lstm, zeros at gaps, last output": layer("LSTM", GAPS, zero_output_for_mask=True, return_sequences=False),
    "lstm, backwards": layer("LSTM", None, 2, go_backwards=True),
    "lstm, backwards, ragged": layer("LSTM", RAGGED, 2, go_backwards=True),
    "lstm, backwards, gaps, last output": layer("LSTM", GAPS, 2, go_backwards=True, return_sequences=False),
    "lstm, linear": layer("LSTM", activation=None, recurrent_activation=hard_sigmoid),
    "lstm, other activations": layer("LSTM", activation=softsign, recurrent_activation=hard_sigmoid),
    "lstm, softmax over units": layer("LSTM", activation=jax.nn.softmax),
    "lstm, no bias": layer("LSTM", GAPS, 2, use_bias=False),
    "lstm, unrolled": layer("LSTM", RAGGED, unroll=True, implementation=1),
    "lstm, one step": layer("LSTM", None, 2, 1),
    "lstm, 63 steps": layer("LSTM", np.arange(63)[None] < np.array([63, 40, 1])[:, None], 2, 63),
    "gru": layer("GRU", None, 1),
    "gru, ragged": layer("GRU", RAGGED, 1),
    "gru, backwards, gaps": layer("GRU", GAPS, 1, go_backwards=True),
    "gru, reset before": layer("GRU", GAPS, 1, reset_after=False),
    "gru, no bias": layer("GRU", None, 1, use_bias=False, implementation=1),
    "gru, reset before, no bias": layer("GRU", None, 1, use_bias=False, reset_after=False, activation=relu),
    "simple rnn": layer("SimpleRNN", GAPS, 1),
    "simple rnn, relu, backwards": layer("SimpleRNN", None, 1, activation=relu, go_backwards=True),
    "simple rnn, linear, no bias": layer("SimpleRNN", None, 0, activation=None, use_bias=False),
    "both ways, lstm": both_ways("LSTM", GAPS, 4),
    "both ways, lstm, last output, sum": both_ways("LSTM", RAGGED, 4, "sum", return_sequences=False),
    "both ways, gru, mul": both_ways("GRU", None, 2, "mul"),
    "both ways, gru, ave, ragged": both_ways("GRU", RAGGED, 2, "ave", return_state=False),
    "both ways, simple rnn, pair": both_ways("SimpleRNN", GAPS, 2, None),
    "both ways, simple rnn, pair, last": both_ways(
        "SimpleRNN", GAPS, 0, None, return_sequences=False, return_state=False
    ),
    "both ways, another layer behind": Case(
        lambda lib: lib.bidirectional(
            lib.layer("LSTM", return_sequences=True),
            backward_layer=lib.layer("GRU", 3, return_sequences=True, go_backwards=True),
        ),
        GAPS,
    ),
    "stacked cells": Case(lambda lib: lib.stack(stacked(lib), return_sequences=True, return_state=True), GAPS),
    "stacked cells, backwards": Case(
        lambda lib: lib.stack(stacked(lib), go_backwards=True, return_state=True), RAGGED, (H, H, 3, 6)
    ),
    "one cell": Case(lambda lib: lib.stack(lib.layer("GRUCell"), return_sequences=True), RAGGED, (H,)),
}


def initial_states(case: Case, name: str) -> Any:
    if case.states is None:
        return None
    arrays = [jnp.asarray(numbers(7 + i, B, size)) for i, size in enumerate(case.states)]
    return [arrays[:2], arrays[2:3], arrays[3:]] if name.startswith("stacked") else arrays


@pytest.mark.parametrize("name", CASES)
def test_values_and_all_gradients(name: str) -> None:
    case = CASES[name]
    ours, theirs = pair(case.make)
    xs = jnp.asarray(numbers(5, B, case.steps, D))
    states = initial_states(case, name)
    call = {} if case.mask is None else {"mask": jnp.asarray(case.mask)}
    mine, (weights, dxs, dstates) = ours_with_gradients(ours, xs, states, **call)
    yours, (their_weights, their_dxs, their_dstates) = theirs_with_gradients(theirs, xs, states, **call)
    assert_same(mine, yours)
    assert_same(weights, their_weights)
    assert_same(dxs, their_dxs)
    assert_same(dstates, their_dstates)


@pytest.mark.parametrize("kind", ["LSTM", "Bidirectional"])
def test_time_major_is_the_same_with_the_axes_swapped(kind: str) -> None:
    """Keras 3 has lost `time_major`."""

    def make(time_major: bool) -> Any:
        def build(lib: Any) -> Any:
            one = lib.layer("LSTM", return_sequences=True, time_major=time_major)
            return one if kind == "LSTM" else lib.bidirectional(one)

        return build

    ours, theirs = pair(make(True))
    xs = numbers(5, B, T, D)
    mine = ours(xs.swapaxes(0, 1), mask=GAPS.T)
    yours = theirs_with_gradients(theirs, jnp.asarray(xs), None, mask=jnp.asarray(GAPS))[0]
    assert_same(jnp.swapaxes(mine, 0, 1), yours)


def test_integers_are_numbers() -> None:
    ours, theirs = pair(lambda lib: lib.layer("GRU"))
    xs = np.arange(B * T * D).reshape(B, T, D) % 5 - 2
    assert_same(ours(xs), theirs_with_gradients(theirs, jnp.asarray(xs, float), None)[0])


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "SimpleRNNCell"])
def test_one_step_of_a_cell(kind: str) -> None:
    ours, theirs = pair(lambda lib: lib.layer(kind), (B, D))
    x = jnp.asarray(numbers(5, B, D))
    states = [jnp.asarray(numbers(6 + i, B, H)) for i in range(2 if kind == "LSTMCell" else 1)]
    y, after = ours(x, states)
    weights = [v.value for v in theirs.trainable_variables]
    rest = [v.value for v in theirs.non_trainable_variables]
    with default_promotion():
        theirs_after = theirs.stateless_call(weights, rest, x, states)[0]
    assert_same((y, after), theirs_after)
