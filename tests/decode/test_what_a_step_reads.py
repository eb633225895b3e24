"""A step function reads more than its arguments: what it reads is what it was at the call, not at a compilation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrnn.decode import beam, greedy, sample, stream
from tests.refusal import assert_refused

V, LENGTH = 5, 3
best = 0  # a global that a step reads


def by_greedy(step: Any) -> Any:
    return greedy(step, (), 0, length=LENGTH).tokens


def by_beam(step: Any) -> Any:
    return beam(step, (), 0, width=2, length=LENGTH).tokens[:, 0]


def by_sample(step: Any) -> Any:
    return sample(step, (), 0, jax.random.key(0), length=LENGTH, temperature=0.0).tokens


def by_stream(step: Any) -> Any:
    return [int(t) for t in stream(step, (), 0, jax.random.key(0), length=LENGTH, temperature=0.0)]


DECODERS = (by_greedy, by_beam, by_sample, by_stream)


def likes(token: Any, carry: Any, last: Any) -> Any:
    """A step that writes one token over and over."""
    return carry, jnp.broadcast_to(jax.nn.one_hot(token, V) * 9, (*last.shape, V))


def reads_a_global(carry: Any, last: Any) -> Any:
    return likes(best, carry, last)


class Model:
    """A step with an attribute."""

    def __init__(self) -> None:
        self.best = 0

    def __call__(self, carry: Any, last: Any) -> Any:
        return likes(self.best, carry, last)

    def step(self, carry: Any, last: Any) -> Any:
        return likes(self.best, carry, last)


@pytest.mark.parametrize("decode", DECODERS)
def test_a_global_that_changes_between_two_calls(decode: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for token in (1, 3, 1):
        monkeypatch.setattr(f"{__name__}.best", token)
        assert np.asarray(decode(reads_a_global)).tolist() == [token] * LENGTH


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("of", ["call", "method", "partial", "tree"])
def test_an_attribute_that_changes_between_two_calls(decode: Callable[..., Any], of: str) -> None:
    model = Model()
    tree = jax.tree_util.Partial(model)
    for token in (2, 4, 2):
        model.best = token
        step = {"call": model, "method": model.step, "partial": partial(model), "tree": tree}[of]
        assert np.asarray(decode(step)).tolist() == [token] * LENGTH


def test_a_stream_reads_what_is_there_at_its_first_token() -> None:
    """One that is made before a change, and begun after it, leaves nothing false behind."""
    model = Model()
    early = stream(model, (), 0, jax.random.key(0), length=LENGTH, temperature=0.0)
    model.best = 2
    assert int(next(early)) == 2
    model.best = 0
    assert int(next(early)) == 2
    assert by_stream(model) == [0] * LENGTH


@pytest.mark.parametrize("decode", DECODERS[:3])
def test_a_value_of_an_open_trace(decode: Callable[..., Any]) -> None:
    """The step is another one at each trace, though its code and the names that it reads are the same."""
    model = Model()

    @jax.jit
    def run(token: Any) -> Any:
        model.best = token
        found = decode(model)
        model.best = 0
        return found

    with jax.checking_leaks():
        for token in (1, 4):
            assert run(token).tolist() == [token] * LENGTH
            assert jax.jit(lambda token: decode(partial(likes, token)))(token).tolist() == [token] * LENGTH
            assert jax.jit(lambda token: decode(lambda c, t: likes(token, c, t)))(token).tolist() == [token] * LENGTH


def test_an_open_step_has_gradients() -> None:
    """d/dw of log p is that of the same sum by hand."""

    def step(w: Any, carry: Any, last: Any) -> Any:
        return carry, jnp.broadcast_to(w * jnp.arange(float(V)), (*last.shape, V))

    def probability(w: Any) -> Any:
        _, found = jax.jvp(lambda w: greedy(lambda c, t: step(w, c, t), (), 0, length=2).log_probability, (w,), (1.0,))
        return found

    shares = np.exp(0.5 * np.arange(V)) / np.exp(0.5 * np.arange(V)).sum()
    expected = 2 * (V - 1 - (shares * np.arange(V)).sum())
    np.testing.assert_allclose(probability(0.5), expected, rtol=1e-10)


def test_an_equal_step_does_not_compile_again() -> None:
    traces: list[int] = []
    record, model = traces.append, Model()

    def step(carry: Any, last: Any) -> Any:
        record(1)
        return model(carry, last)

    by_greedy(step)
    first = len(traces)
    by_greedy(step)
    assert len(traces) == first + 1  # the shapes are checked, nothing is compiled


def test_a_step_that_cannot_be_told_from_another_is_refused() -> None:
    class Unhashable(Model):
        __hash__ = None  # type: ignore[assignment]

    assert_refused("step", lambda: by_greedy(Unhashable()))


@pytest.mark.parametrize("start", [2**31, -(2**40), np.array([0, 2**31 - 1]), np.int64(7), np.array([2**40])])
def test_a_start_beyond_what_int32_holds_is_refused(start: Any) -> None:
    assert_refused("start", lambda: greedy(reads_a_global, (), start, length=2))
