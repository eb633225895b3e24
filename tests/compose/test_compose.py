"""Composed layers against loops in plain Python over the oracle's equations."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from tests import oracle

T, B, D, H = 7, 3, 3, 5
LENGTHS = np.array([7, 0, 4])
RESETS = np.zeros((T, B), bool)
RESETS[[2, 3, 5], [0, 2, 0]] = True


def drawn(layer: Any, seed: int = 0) -> tuple[Any, Any, Any]:
    """Random parameters, inputs and carry, float64."""
    rng = np.random.default_rng(seed)
    params = jax.tree.map(lambda p: rng.normal(size=p.shape), layer.declare(D))
    carry = jax.tree.map(lambda a: rng.normal(size=a.shape), layer.initial_carry((B,)))
    return params, rng.normal(size=(T, B, D)), carry


def zeros(carry: Any) -> Any:
    return tuple(np.zeros_like(a) for a in carry)


def close(got: Any, expected: Any) -> None:
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(np.asarray(a), b, rtol=0, atol=1e-12)


def run(equations: Any, params: Any, xs: Any, carry: Any, reverse: bool = False) -> Any:
    return oracle.scan(
        equations, params, xs, tuple(carry), lengths=LENGTHS, resets=RESETS, reset_carry=zeros(carry), reverse=reverse
    )


WHOLE = dict(lengths=LENGTHS, resets=RESETS)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("backend", ["scheduled", "reference"])
def test_stack(backend: str, reverse: bool) -> None:
    layer = jaxrnn.stack([jaxrnn.lstm(H), jaxrnn.gru(4)])
    params, xs, carry = drawn(layer)
    got = jaxrnn.scan(layer, params, xs, carry, **WHOLE, reverse=reverse, backend=backend)
    first, ys = run(oracle.lstm, params["layer_0"], xs, carry[0], reverse)
    second, ys = run(oracle.gru, params["layer_1"], ys, carry[1], reverse)
    close(got, ((first, second), ys))


MERGES = {
    "concat": lambda f, b: np.concatenate([f, b], -1),
    "sum": lambda f, b: f + b,
    "mul": lambda f, b: f * b,
    "ave": lambda f, b: 0.5 * (f + b),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("merge", [*MERGES, None, "function"])
def test_bidirectional(merge: str | None, reverse: bool) -> None:
    valid = (np.arange(T)[:, None] < LENGTHS)[..., None]
    if merge == "function":
        layer = jaxrnn.bidirectional(jaxrnn.lstm(H), jaxrnn.gru(H), merge=lambda f, b: jnp.exp(f) - b)
    else:
        layer = jaxrnn.bidirectional(jaxrnn.lstm(H), jaxrnn.gru(H), merge=merge)
    params, xs, carry = drawn(layer)
    got = jaxrnn.scan(layer, params, xs, carry, **WHOLE, reverse=reverse)
    forward, f = run(oracle.lstm, params["forward"], xs, carry.forward, reverse)
    backward, b = run(oracle.gru, params["backward"], xs, carry.backward, not reverse)
    merged: Any = (f, b)
    if merge == "function":
        merged = np.where(valid, np.exp(f) - b, 0)
    elif merge is not None:
        merged = MERGES[merge](f, b)
    close(got, ((forward, backward), merged))


def test_backward_defaults_to_the_same_kind_with_its_own_parameters() -> None:
    layer = jaxrnn.bidirectional(jaxrnn.gru(H))
    params = layer.init(jax.random.key(0), inputs=D)
    assert not np.array_equal(params["forward"]["kernel"], params["backward"]["kernel"])
    assert layer.output_size == 2 * H


def test_residual_and_highway() -> None:
    valid = (np.arange(T)[:, None] < LENGTHS)[..., None]
    layer = jaxrnn.stack([jaxrnn.residual(jaxrnn.gru(D)), jaxrnn.highway(jaxrnn.lstm(D))])
    params, xs, carry = drawn(layer)
    got = jaxrnn.scan(layer, params, np.where(valid, xs, np.nan), carry, **WHOLE)
    clean = np.where(valid, xs, 0)
    first, ys = run(oracle.gru, params["layer_0"], clean, carry[0])
    ys = ys + clean
    second, zs = run(oracle.lstm, params["layer_1"]["layer"], ys, carry[1])
    gate = oracle.sigmoid(ys @ params["layer_1"]["gate_kernel"] + params["layer_1"]["gate_bias"])
    close(got, ((first, second), np.where(valid, gate * zs + (1 - gate) * ys, 0)))


@pytest.mark.parametrize("merge", ["mul", "concat"])
def test_padding_reaches_no_gradient_of_a_composed_layer(merge: str) -> None:
    """NaN in padded inputs, and NaN in the cotangents of padded outputs, change no bit."""
    layer = jaxrnn.stack(
        [jaxrnn.residual(jaxrnn.gru(D)), jaxrnn.bidirectional(jaxrnn.lstm(H), merge=merge), jaxrnn.gru(4)], dropout=0.3
    )
    params, xs, carry = drawn(layer)
    valid = (np.arange(T)[:, None] < LENGTHS)[..., None]

    @jax.jit
    def gradients(params: Any, xs: Any, carry: Any, junk: Any) -> Any:
        (final, ys), pull = jax.vjp(
            lambda *a: jaxrnn.scan(layer, *a, lengths=jnp.asarray(LENGTHS), rng=jax.random.key(3)), params, xs, carry
        )
        return final, ys, pull((final, jnp.where(jnp.broadcast_to(valid, ys.shape), ys, junk)))

    clean = gradients(params, np.where(valid, xs, 0.0), carry, 0.0)
    dirty = gradients(params, np.where(valid, xs, np.nan), carry, np.nan)
    for a, b in zip(jax.tree.leaves(clean), jax.tree.leaves(dirty), strict=True):
        assert np.array_equal(a, b)
        assert np.isfinite(a).all()


# ---------------------------------------------------------------- noise


def noisy() -> jaxrnn.Layer:
    cell = jaxrnn.zoneout(jaxrnn.recurrent_dropout(jaxrnn.lstm(H), 0.3), c=0.5, h=0.1)
    return jaxrnn.stack([jaxrnn.input_dropout(cell, 0.2), jaxrnn.gru(4)], dropout=0.4)


@pytest.mark.parametrize("backend", ["scheduled", "reference"])
@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_noise_is_the_same_whole_in_pieces_streamed_and_in_blocks(impl: str, backend: str) -> None:
    layer, rng = noisy(), jax.random.key(5, impl=impl)
    params, xs, carry = drawn(layer)
    whole = jaxrnn.scan(layer, params, xs, carry, rng=rng, backend=backend)
    assert np.abs(whole[1] - jaxrnn.scan(layer, params, xs, carry)[1]).max() > 0.01  # it is on
    close(jaxrnn.scan(layer, params, xs, carry, rng=rng, chunk=2), whole)
    first, a = jaxrnn.scan(layer, params, xs[:3], carry, rng=rng, backend=backend)
    second, b = jaxrnn.scan(layer, params, xs[3:], first, rng=rng, start_step=3, backend=backend)
    close((second, np.concatenate([a, b])), whole)
    ys = []
    for t in range(T):
        carry, y = layer.step(params, carry, xs[t], rng=rng, step=t)
        ys.append(y)
    close((carry, np.stack(ys)), whole)


def test_given_masks_against_the_oracle() -> None:
    cell = jaxrnn.zoneout(jaxrnn.recurrent_dropout(jaxrnn.lstm(H), 0.25), c=0.5, h=0.1)
    params, xs, carry = drawn(cell)
    rng = np.random.default_rng(1)
    masks = {name: rng.random((T, B, H)) < 0.5 for name in ("recurrent_dropout", "zoneout_c", "zoneout_h")}

    def equations(p: Any, carry: Any, x: Any, *, recurrent_dropout: Any, zoneout_c: Any, zoneout_h: Any) -> Any:
        c, h = carry
        # dropping the state in front of the product, and only there
        (new_c, new_h), _ = oracle.lstm(p, (c, np.where(recurrent_dropout, h / 0.75, 0.0)), x)
        new = np.where(zoneout_c, c, new_c), np.where(zoneout_h, h, new_h)
        return new, new[1]

    got = jaxrnn.scan(cell, params, xs, carry, per_step=masks)
    close(got, oracle.scan(equations, params, xs, tuple(carry), per_step=masks))


def test_without_a_key_zoneout_takes_its_expected_value() -> None:
    cell = jaxrnn.zoneout(jaxrnn.gru(H), h=0.3)
    params, xs, carry = drawn(cell)

    def equations(p: Any, carry: Any, x: Any) -> Any:
        (new,), _ = oracle.gru(p, carry, x)
        mixed = 0.3 * carry[0] + 0.7 * new
        return (mixed,), mixed

    close(jaxrnn.scan(cell, params, xs, carry), oracle.scan(equations, params, xs, tuple(carry)))


def test_variational_masks_are_fixed_over_time_and_drawn_for_each_row() -> None:
    """A cell without weights shows its mask: h' = recur(h) with the identity as kernel."""
    cell = jaxrnn.recurrent_dropout(jaxrnn.elman(200, activation=lambda a: a, use_bias=False), 0.25)
    params = {"kernel": np.zeros((1, 1, 200)), "recurrent_kernel": np.eye(200)[:, None]}
    carry = (np.ones((4, 200)),)
    _, ys = jaxrnn.scan(cell, params, np.zeros((3, 4, 1)), carry, rng=jax.random.key(0))
    kept = np.asarray(ys != 0)
    assert (kept == kept[0]).all()
    np.testing.assert_allclose(ys[2][kept[2]], (1 / 0.75) ** 3, rtol=1e-12)
    assert abs(kept[0].mean() - 0.75) < 4 * np.sqrt(0.25 * 0.75 / kept[0].size)
    assert not any(np.array_equal(kept[0, i], kept[0, j]) for i in range(4) for j in range(i))


def test_dropout_between_layers_is_redrawn_unless_variational() -> None:
    passing = partial(jaxrnn.elman, 300, activation=lambda a: a, use_bias=False)
    params = {"kernel": np.eye(300)[:, None], "recurrent_kernel": np.zeros((300, 1, 300))}
    xs = np.ones((5, 2, 300))
    for variational in (False, True):
        layer = jaxrnn.stack([passing(), passing()], dropout=0.5, variational=variational)
        _, ys = jaxrnn.scan(layer, {"layer_0": params, "layer_1": params}, xs, rng=jax.random.key(1))
        kept = np.asarray(ys != 0)
        assert set(np.unique(ys)) == {0.0, 2.0}
        assert abs(kept.mean() - 0.5) < 4 * 0.5 / np.sqrt(kept[0].size if variational else kept.size)
        assert (kept[1:] == kept[:-1]).all() == variational
        assert not np.array_equal(kept[:, 0], kept[:, 1])


@pytest.mark.usefixtures("unchecked")
def test_noise_needs_a_cell_and_names_what_is_wrong() -> None:
    with pytest.raises(TypeError, match="`cell` must be a Cell"):
        jaxrnn.zoneout(jaxrnn.stack([jaxrnn.gru(2)]), h=0.1)
    with pytest.raises(ValueError, match=r"out of \('h',\), got 'c'"):
        jaxrnn.zoneout(jaxrnn.gru(2), c=0.1)
    with pytest.raises(ValueError, match=r"`h` must be a number in \[0, 1\), got 1.5"):
        jaxrnn.zoneout(jaxrnn.gru(2), h=1.5)
    with pytest.raises(ValueError, match="has it already"):
        jaxrnn.recurrent_dropout(jaxrnn.recurrent_dropout(jaxrnn.gru(2), 0.1), 0.1)
    with pytest.raises(ValueError, match=r"`inputs` must be 4.*got 3"):
        jaxrnn.residual(jaxrnn.gru(4)).init(jax.random.key(0), inputs=3)
    with pytest.raises(ValueError, match="`backward` must be of output size 3 for merge='sum', got one of size 4"):
        jaxrnn.bidirectional(jaxrnn.gru(3), jaxrnn.gru(4), merge="sum")
    with pytest.raises(ValueError, match=r"`merge` must be one of .*got 'cat'"):
        jaxrnn.bidirectional(jaxrnn.gru(3), merge="cat")
    layer = jaxrnn.bidirectional(jaxrnn.gru(3))
    with pytest.raises(TypeError, match="no single step"):
        layer.step(layer.init(jax.random.key(0), 2), layer.initial_carry((1,)), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="`merge` must be a merge that gives one array"):
        jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.gru(3), merge=None), jaxrnn.gru(3)])
    with pytest.raises(TypeError, match="`layers` must be a non-empty sequence"):
        jaxrnn.stack([])
