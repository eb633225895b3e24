"""Where Keras is of two minds or has no answer: the definition of the docstrings. Nothing leaks out of the padding."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrnn.keras
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

MODULES = {
    "lstm": lambda lib: lib.layer("LSTM", return_sequences=True, return_state=True),
    "gru, last output": lambda lib: lib.layer("GRU", go_backwards=True),
    "both ways": lambda lib: lib.bidirectional(lib.layer("SimpleRNN", return_sequences=True)),
    "stacked": lambda lib: lib.stack([lib.layer("LSTMCell"), lib.layer("GRUCell", 3, H)], return_sequences=True),
}


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("garbage", [np.nan, np.inf])
def test_padding_changes_no_bit(name: str, garbage: float) -> None:
    ours, _ = pair(MODULES[name])
    xs = numbers(5, B, T, D)
    first, second = (
        ours_with_gradients(ours, jnp.asarray(np.where(GAPS[..., None], xs, filler)), None, mask=jnp.asarray(GAPS))
        for filler in (0.0, garbage)
    )
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("rates", [(0.4, 0.0), (0.4, 0.4)], ids=["one mask", "a mask for each gate"])
def test_padding_changes_no_bit_with_dropout(rates: tuple[float, float]) -> None:
    dropout, recurrent = rates
    xs = numbers(5, B, T, D)
    results = []
    for filler in (0.0, np.nan):
        module = jaxrnn.keras.LSTM(
            H, dropout=dropout, recurrent_dropout=recurrent, seed=3, in_features=D, rngs=nnx.Rngs(0)
        )
        padded = jnp.asarray(np.where(GAPS[..., None], xs, filler))
        loss = lambda m, x: (m(x, mask=GAPS, training=True) ** 2).sum()  # noqa: E731
        results.append(nnx.grad(loss, argnums=(0, 1))(module, padded))
    for a, b in zip(jax.tree.leaves(results[0]), jax.tree.leaves(results[1]), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_a_row_without_a_step_gives_and_gets_nothing() -> None:
    ours, _ = pair(MODULES["lstm"])
    states = [jnp.asarray(numbers(6 + i, B, H)) for i in range(2)]
    (ys, h, c), (_, dxs, _) = ours_with_gradients(
        ours, jnp.asarray(numbers(5, B, T, D)), states, mask=jnp.asarray(RAGGED)
    )
    np.testing.assert_array_equal(ys[2], np.broadcast_to(states[0][2], (T, H)))
    np.testing.assert_array_equal(np.stack([h[2], c[2]]), np.stack([states[0][2], states[1][2]]))
    assert not np.asarray(dxs[2]).any()


@pytest.mark.parametrize("zeros", [False, True], ids=["repeat", "zeros"])
def test_unrolled_is_the_loop(zeros: bool) -> None:
    """Keras forgets `zero_output_for_mask` and the initial state where it unrolls (TRAPS 11)."""
    options: Any = dict(return_sequences=True, zero_output_for_mask=zeros)
    ours, _ = pair(lambda lib: lib.layer("LSTM", unroll=True, **options))
    _, theirs = pair(lambda lib: lib.layer("LSTM", **options))
    theirs.set_weights(ours.get_weights())
    xs, states = jnp.asarray(numbers(5, B, T, D)), [jnp.asarray(numbers(6 + i, B, H)) for i in range(2)]
    mine = ours(xs, initial_state=states, mask=jnp.asarray(GAPS))
    assert_same(mine, theirs_with_gradients(theirs, xs, states, mask=jnp.asarray(GAPS))[0])


@pytest.mark.parametrize("mask", [None, GAPS], ids=["full", "gaps"])
def test_a_stack_of_one_is_its_cell(mask: Any) -> None:
    """Keras raises for a stack of one."""
    options: Any = dict(return_sequences=True, return_state=True)
    ours, _ = pair(lambda lib: lib.stack(lib.layer("LSTMCell"), **options))
    _, theirs = pair(lambda lib: lib.layer("LSTM", **options))
    stack = jaxrnn.keras.RNN([ours.cell], **options)
    theirs.set_weights(stack.get_weights())
    xs = jnp.asarray(numbers(5, B, T, D))
    call = {} if mask is None else {"mask": jnp.asarray(mask)}
    ys, (h, c) = stack(xs, **call)
    assert_same((ys, h, c), theirs_with_gradients(theirs, xs, None, **call)[0])


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_no_steps(sequences: bool, masked: bool) -> None:
    """Keras raises for T = 0 (TRAPS 28). There are no outputs; the last one and the states are the initial ones."""
    module = jaxrnn.keras.GRU(
        H, return_sequences=sequences, return_state=True, go_backwards=True, in_features=D, rngs=nnx.Rngs(0)
    )
    start = numbers(6, B, H)
    mask = np.ones((B, 0), bool) if masked else None
    y, h = module(np.ones((B, 0, D)), initial_state=start, mask=mask)
    assert_same((y, h), (np.zeros((B, 0, H)) if sequences else start, start))


def test_no_rows() -> None:
    module = jaxrnn.keras.Bidirectional(
        jaxrnn.keras.LSTM(H, activity_regularizer="l2", in_features=D, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1)
    )
    y = module(np.ones((0, T, D)), mask=np.ones((0, T), bool))
    assert_same(y, np.zeros((0, 2 * H)))
    assert float(jaxrnn.keras.losses(module)) == 0.0


def test_a_cell_of_our_own_repeats_its_output() -> None:
    """A projected LSTM with peepholes, which Keras does not have, runs under Keras's protocol."""
    cell = jaxrnn.nnx.CellModule(jaxrnn.lstm(H, peepholes=True, projection=2), D, rngs=nnx.Rngs(0))
    module = jaxrnn.keras.RNN(cell, return_sequences=True, return_state=True)
    xs = numbers(5, B, T, D)
    ys, h, c = module(xs, mask=GAPS)
    carry, expected = jaxrnn.scan(cell.functional, cell.params, xs.swapaxes(0, 1), mask=GAPS.T)
    last = np.maximum.accumulate(np.where(GAPS, np.arange(T), -1), axis=1)
    rows = np.arange(B)[:, None]
    repeated = np.where(last[..., None] >= 0, np.asarray(expected).swapaxes(0, 1)[rows, np.maximum(last, 0)], 0.0)
    assert_same((ys, h, c), (repeated, carry.h, carry.c))
