"""Truncated backpropagation against windows written out step by step."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn

T, B, D, H = 7, 2, 3, 4
CELL = jaxrnn.lstm(H)
RNG = np.random.default_rng(0)
PARAMS = {name: RNG.normal(size=p.shape) for name, p in CELL.declare(D).items()}
XS = RNG.normal(size=(T, B, D))
CARRY = tuple(RNG.normal(size=(B, H)) for _ in range(2))
WEIGHTS = np.arange(1.0, T + 1)[:, None, None]


def by_hand(k1: int, k2: int, params: Any, xs: Any, carry: Any) -> Any:
    """The definition: the loss of steps b k1 ... is that of a run from the stopped carry k2 steps before their end."""
    carries = [jaxrnn.LSTMCarry(*map(jnp.asarray, carry))]
    for t in range(T):
        carries.append(CELL.step(params, carries[-1], xs[t])[0])
    total = 0.0
    for begin in range(0, T, k1):
        start = max(begin + k1 - k2, 0)
        state = carries[0] if start == 0 else jax.lax.stop_gradient(carries[start])
        for t in range(start, min(begin + k1, T)):
            state, y = CELL.step(params, state, xs[t])
            if t >= begin:
                total += jnp.sin(y * WEIGHTS[t]).sum()
    return total + (state.c**2).sum()


@pytest.mark.parametrize(("k1", "k2"), [(3, 3), (2, 5), (4, 9), (7, 7)])
@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_reach_back_k2_steps_every_k1(k1: int, k2: int, reverse: bool) -> None:
    def engine(params: Any, xs: Any, carry: Any) -> Any:
        final, ys = jaxrnn.scan_truncated(CELL, params, xs, carry, k1=k1, k2=k2, reverse=reverse)
        return (
            jnp.sin(ys * jnp.broadcast_to(WEIGHTS[::-1] if reverse else WEIGHTS, ys.shape)).sum() + (final.c**2).sum()
        )

    def definition(params: Any, xs: Any, carry: Any) -> Any:
        return by_hand(k1, k2, params, xs[::-1] if reverse else xs, carry)

    got = jax.value_and_grad(engine, (0, 1, 2))(PARAMS, jnp.asarray(XS), CARRY)
    expected = jax.jit(jax.value_and_grad(definition, (0, 1, 2)))(PARAMS, jnp.asarray(XS), CARRY)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11)


@pytest.mark.parametrize("reverse", [False, True])
def test_values_are_those_of_scan_with_everything_else_on(reverse: bool) -> None:
    layer = jaxrnn.stack([jaxrnn.zoneout(CELL, c=0.3), jaxrnn.gru(3, learn_carry=True)], dropout=0.2)
    params = layer.init(jax.random.key(0), inputs=D)
    resets = RNG.random((T, B)) < 0.2
    options = dict(
        lengths=np.array([7, 4]),
        mask=RNG.random((T, B)) < 0.8,
        resets=resets,
        segments=np.cumsum(RNG.random((T, B)) < 0.2, 0),
        rng=jax.random.key(7),
        reverse=reverse,
    )
    whole = jaxrnn.scan(layer, params, XS, **options)
    windows = jaxrnn.scan_truncated(layer, params, XS, k1=3, k2=5, **options)
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(windows), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)


def test_a_full_window_has_the_whole_gradient() -> None:
    def loss(run: Any, params: Any) -> Any:
        return jnp.sin(run(params)[1]).sum()

    whole = jax.grad(lambda p: loss(lambda p: jaxrnn.scan(CELL, p, XS), p))(PARAMS)
    window = jax.grad(lambda p: loss(lambda p: jaxrnn.scan_truncated(CELL, p, XS, k1=T), p))(PARAMS)
    for name in PARAMS:
        np.testing.assert_allclose(whole[name], window[name], rtol=0, atol=1e-12)


def test_no_steps() -> None:
    final, ys = jaxrnn.scan_truncated(CELL, PARAMS, XS[:0], CARRY, k1=3)
    assert ys.shape == (0, B, H)
    assert np.array_equal(final.c, CARRY[0])


@pytest.mark.parametrize(("batch", "marked", "k1", "k2"), [((0,), False, 2, 3), ((2, 0, 3), True, 9, 9)])
def test_no_rows(batch: tuple[int, ...], marked: bool, k1: int, k2: int) -> None:
    """Empty arrays of the shapes that `scan` returns, and zero gradients; windows longer than the sequence too."""
    layer = jaxrnn.stack([CELL, jaxrnn.gru(3, learn_carry=True)], dropout=0.2)
    params, xs = layer.init(jax.random.key(0), inputs=D), np.ones((T, *batch, D))
    options: dict[str, Any] = dict(rng=jax.random.key(1))
    if marked:
        options |= dict(lengths=np.ones(batch, int), mask=np.ones((T, *batch), bool), resets=np.ones((T, *batch), bool))
    expected = jax.eval_shape(lambda p: jaxrnn.scan(layer, p, xs, **options), params)

    def loss(params: Any) -> Any:
        results = jaxrnn.scan_truncated(layer, params, xs, k1=k1, k2=k2, **options)
        return sum(a.sum() for a in jax.tree.leaves(results)), results

    gradient, results = jax.jit(jax.grad(loss, has_aux=True))(params)
    assert jax.tree.map(jnp.shape, results) == jax.tree.map(jnp.shape, expected)
    assert not any(np.any(a) for a in jax.tree.leaves(gradient))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(k1=0), "`k1` must be a positive integer, got 0"),
        (dict(k1=2.0), "`k1` must be a positive integer, got 2.0"),
        (dict(k1=4, k2=3), "`k2` must be at least k1 = 4"),
        (dict(k1=4, length=np.array([1, 2])), "unexpected argument 'length'. Did you mean 'lengths'?"),
        (dict(k1=4, lengths=np.array([1, 8])), "`lengths` must be between 0 and T = 7, got"),
    ],
)
def test_wrong_calls(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        jaxrnn.scan_truncated(CELL, PARAMS, XS, CARRY, **arguments)
    assert message in str(error.value)


@pytest.mark.usefixtures("unchecked")
def test_a_bidirectional_layer_cannot_be_truncated() -> None:
    layer = jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.gru(2)), jaxrnn.gru(2)])
    with pytest.raises(TypeError, match="a layer of one direction"):
        jaxrnn.scan_truncated(layer, layer.init(jax.random.key(0), D), XS, k1=2)
