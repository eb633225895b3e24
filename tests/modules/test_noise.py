"""Dropout and zoneout in modules: the `dropout` stream, train and eval, and the engine's masks."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx as fx

import jaxrnn
import jaxrnn.linen
import jaxrnn.nnx
from tests.modules.weights import assert_close, assert_same_bits

T, B, D, H = 5, 2, 2, 4
LAYER = jaxrnn.stack([jaxrnn.zoneout(jaxrnn.lstm(H), c=0.3), jaxrnn.gru(H)], dropout=0.5)
QUIET = jaxrnn.stack([jaxrnn.lstm(H), jaxrnn.gru(H)], dropout=0.5)


def inputs() -> Any:
    return jnp.asarray(np.random.default_rng(0).normal(size=(B, T, D)))


def test_eval_turns_noise_off_and_train_turns_it_on() -> None:
    module = jaxrnn.nnx.RNN(QUIET, D, rngs=fx.Rngs(0, dropout=1))
    expected = jaxrnn.scan(QUIET, module.params, jnp.moveaxis(inputs(), 1, 0))[1]
    quiet = module(inputs(), deterministic=True)
    assert_same_bits(quiet, jnp.moveaxis(expected, 0, 1))
    first, second = module(inputs()), module(inputs())
    assert bool((first != quiet).any())
    assert bool((first != second).any())  # drawn anew for every call (TRAPS 48)
    module.eval()
    assert_same_bits(module(inputs()), quiet)
    assert bool((module(inputs(), deterministic=False) != quiet).any())
    module.train()
    assert bool((module(inputs()) != quiet).any())
    assert_same_bits(fx.view(module, deterministic=True)(inputs()), quiet)


def test_one_key_gives_the_engines_masks() -> None:
    key = jax.random.key(5)
    module = jaxrnn.nnx.RNN(LAYER, D, rngs=fx.Rngs(0))
    wanted = jaxrnn.scan(LAYER, module.params, jnp.moveaxis(inputs(), 1, 0), rng=key)[1]
    whole = module(inputs(), rngs=key)
    assert_same_bits(whole, jnp.moveaxis(wanted, 0, 1))
    carry, first = module(inputs()[:, :2], rngs=key, return_carry=True)
    second = module(inputs()[:, 2:], rngs=key, initial_carry=carry, start_step=2)
    assert_close(jnp.concatenate([first, second], axis=1), whole)  # a stream in pieces (TRAPS 53)


def test_streams_of_the_call_come_before_the_modules() -> None:
    module = jaxrnn.nnx.RNN(LAYER, D, rngs=fx.Rngs(0))
    assert_same_bits(module(inputs(), rngs=fx.Rngs(dropout=3)), module(inputs(), rngs=fx.Rngs(dropout=3)))


def test_under_jit_the_stream_moves_on() -> None:
    module = jaxrnn.nnx.LSTM(D, H, num_layers=2, dropout=0.5, rngs=fx.Rngs(0))
    run = fx.jit(lambda m, xs: m(xs))
    assert bool((run(module, inputs()) != run(module, inputs())).any())


def test_a_layer_without_noise_has_no_random_state() -> None:
    module = jaxrnn.nnx.LSTM(D, H, rngs=fx.Rngs(0))
    assert not jax.tree.leaves(fx.state(module, fx.RngState))


def test_noise_without_a_stream_raises() -> None:
    cell = jaxrnn.nnx.CellModule(jaxrnn.zoneout(jaxrnn.gru(H), h=0.1), D, rngs=fx.Rngs(0))
    with pytest.raises(ValueError, match=r"`rngs` must be an nnx\.Rngs with a `dropout` stream"):
        jaxrnn.nnx.RNN(cell)(inputs())
    with pytest.raises(ValueError, match="`rng` must be given for one step of a cell with noise"):
        fx.RNN(cell)(inputs())
    cell.eval()
    assert_close(fx.RNN(cell)(inputs()), jaxrnn.nnx.RNN(cell, deterministic=True)(inputs()))


def test_single_steps_draw_the_masks_of_the_sequence() -> None:
    key = jax.random.key(2)
    cell = jaxrnn.nnx.CellModule(jaxrnn.recurrent_dropout(jaxrnn.gru(H), 0.5), D, rngs=fx.Rngs(0))
    whole = jaxrnn.nnx.RNN(cell)(inputs(), rngs=key)
    carry = cell.initialize_carry((B, D))
    for t in range(T):
        carry, y = cell(carry, inputs()[:, t], rng=key, step=t)
        assert_close(y, whole[:, t])


def test_linen() -> None:
    module = jaxrnn.linen.RNN(LAYER)
    variables = module.init({"params": jax.random.key(0), "dropout": jax.random.key(1)}, inputs())
    noisy = [module.apply(variables, inputs(), rngs={"dropout": jax.random.key(k)}) for k in (1, 1, 2)]
    assert_same_bits(noisy[0], noisy[1])
    assert bool((noisy[0] != noisy[2]).any())
    quiet = module.apply(variables, inputs(), deterministic=True)
    xs = jnp.moveaxis(inputs(), 1, 0)
    assert_same_bits(quiet, jnp.moveaxis(jaxrnn.scan(LAYER, variables["params"], xs)[1], 0, 1))
    with pytest.raises(ValueError, match="`rngs` must be a dict with a `dropout` key"):
        module.apply(variables, inputs())


def test_a_deterministic_step_draws_nothing_though_it_has_a_key() -> None:
    module = jaxrnn.linen.RNN(jaxrnn.zoneout(jaxrnn.lstm(H), h=0.5), stateful=True)
    variables = module.init(jax.random.key(0), inputs())

    def step(**given: Any) -> Any:
        return module.apply(variables, inputs()[:, 0], **given, method="step", mutable=["carry"])[0]

    key = jax.random.key(1)
    quiet = step(deterministic=True)
    assert_same_bits(step(rng=key, deterministic=True), quiet)
    assert bool((step(rng=key) != quiet).any())
