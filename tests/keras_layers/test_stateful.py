"""`stateful=True` over several calls, against Keras live; another batch size raises and names it (TRAPS 54, 55)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrnn.keras
from tests.keras_layers.live import GAPS, B, D, H, T, assert_same, numbers, pair
from tests.promotion import default_promotion

MODULES: dict[str, Any] = {
    "lstm": lambda lib: lib.layer("LSTM", stateful=True, return_sequences=True, return_state=True),
    "gru, backwards": lambda lib: lib.layer("GRU", stateful=True, go_backwards=True, return_state=True),
    "both ways": lambda lib: lib.bidirectional(lib.layer("LSTM", stateful=True, return_sequences=True)),
    "stacked": lambda lib: lib.stack([lib.layer("LSTMCell"), lib.layer("GRUCell", 3, H)], stateful=True),
}


@pytest.mark.parametrize("name", MODULES)
def test_calls_go_on_where_the_last_one_stopped(name: str) -> None:
    ours, theirs = pair(MODULES[name])
    for i in range(5):
        if i == 3 and name != "stacked":  # Keras's `reset_state` raises for a stack
            ours.reset_states()
            theirs.reset_state()
        xs = jnp.asarray(numbers(i, B, T, D))
        mask = jnp.asarray(GAPS) if i == 1 else None
        with default_promotion():
            expected = theirs(xs, mask=mask)
        assert_same(ours(xs, mask=mask), expected)


def test_a_stack_resets() -> None:
    ours, _ = pair(MODULES["stacked"])
    xs = numbers(0, B, T, D)
    first, second = np.asarray(ours(xs)), np.asarray(ours(xs))
    assert (first != second).any()
    for batch in (None, B):
        ours.reset_state(batch)
        np.testing.assert_array_equal(ours(xs), first)


def test_given_states_come_before_the_kept_ones() -> None:
    ours, theirs = pair(MODULES["lstm"])
    states = [jnp.asarray(numbers(6 + i, B, H)) for i in range(2)]
    for given in (None, states, None):
        xs = jnp.asarray(numbers(5, B, T, D))
        with default_promotion():
            expected = theirs(xs, initial_state=given)
        assert_same(ours(xs, initial_state=given), expected)


@pytest.mark.parametrize("name", ["lstm", "both ways"])
def test_another_batch_size_raises_and_names_both(name: str) -> None:
    ours, _ = pair(MODULES[name])
    ours(numbers(0, B, T, D))
    with pytest.raises(ValueError, match=r"`inputs` must be of batch axes \(3,\).*got inputs of batch axes \(2,\)"):
        ours(numbers(0, 2, T, D))
    ours.reset_state()
    fresh = jaxrnn.keras.LSTM(H, in_features=D, rngs=nnx.Rngs(0))
    assert fresh.state is None
    first = ours(numbers(0, 2, T, D))
    ours.reset_state()
    assert_same(ours(numbers(0, 2, T, D)), first)


def test_under_jit_and_grad_without_a_second_trace() -> None:
    ours, _ = pair(MODULES["both ways"])
    eager, _ = pair(MODULES["both ways"])
    traces = []

    @nnx.jit
    def step(module: Any, xs: Any) -> Any:
        traces.append(None)
        return nnx.grad(lambda m: (m(xs) ** 2).sum())(module)

    ours.reset_state(B)
    for i in range(3):
        xs = jnp.asarray(numbers(i, B, T, D))
        step(ours, xs)
        eager(xs)
    assert len(traces) == 1
    kept = [jax.tree.leaves(m.forward_layer.state.get_value()) for m in (ours, eager)]
    for a, b in zip(*kept, strict=True):
        np.testing.assert_allclose(a, b, 1e-12, 1e-12)
