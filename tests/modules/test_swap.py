"""The same user code with Flax's RNN and cells, and with ours: outputs, carries and gradients agree in float64.

Outputs are compared at valid steps: ours are zero in padding, where Flax leaves what its loop computed.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as fl
from flax import nnx as fx

import jaxrnn.linen
import jaxrnn.nnx
from tests.modules.weights import LINEN, NNX, assert_close, functional, params_of, randomised, set_params

T, B, D, H = 5, 3, 2, 3
LENGTHS = np.array([5, 1, 3])
ORDERS = {"forward": {}, "reverse": {"reverse": True}, "reverse, keep_order": {"reverse": True, "keep_order": True}}
# Every order and ragged rows for one cell, in both layouts; fewer for the others, which share all of that code.
CASES = [("lstm", order, order == "forward", ragged) for order in ORDERS for ragged in (False, True)]
CASES += [("lstm", "reverse", True, True), ("lstm", "reverse, keep_order", True, True)]
CASES += [(cell, "reverse", False, True) for cell in ("gru", "elman")] + [("gru", "forward", True, False)]


def inputs_of(batch: tuple[int, ...], time_major: bool) -> Any:
    rng = np.random.default_rng(1)
    return jnp.asarray(rng.normal(size=(T, *batch, D) if time_major else (*batch, T, D)))


def weights_of(outputs: Any, ragged: bool, time_major: bool) -> Any:
    """Random weights for a loss, zero in padding."""
    weights = np.random.default_rng(2).normal(size=outputs.shape)
    if ragged:
        valid = np.arange(T)[None] < LENGTHS[:, None]
        weights = weights * (valid.T if time_major else valid)[..., None]
    return weights


def carry_of(cell: str, batch: tuple[int, ...]) -> Any:
    """Plain tuples, as user code writes them."""
    rng = np.random.default_rng(3)
    draw = lambda: jnp.asarray(rng.normal(size=(*batch, H)))  # noqa: E731
    return (draw(), draw()) if cell == "lstm" else draw()


def with_gradients(run: Any, params: Any, inputs: Any, carry: Any, ragged: bool, time_major: bool) -> Any:
    """Final carry, outputs at valid steps, and gradients of a loss of both."""

    def loss(params: Any, inputs: Any, carry: Any) -> Any:
        carry, outputs = run(params, inputs, carry)
        weights = weights_of(outputs, ragged, time_major)
        value = (outputs * weights).sum() + sum((a * a).sum() for a in jax.tree.leaves(carry))
        return value, (carry, jnp.where(weights == 0, 0.0, outputs))

    return jax.jit(jax.grad(loss, argnums=(0, 1, 2), has_aux=True))(params, inputs, carry)


def compare(pair: Any, flax: Any, ours: Any, params: Any, cell: str, time_major: bool, ragged: bool) -> None:
    batch = (B,)
    inputs, carry = inputs_of(batch, time_major), carry_of(cell, batch)
    wanted, wanted_values = with_gradients(flax, params, inputs, carry, ragged, time_major)
    got, got_values = with_gradients(ours, pair.convert(params), inputs, carry, ragged, time_major)
    assert_close(got_values, wanted_values)
    for name, gradient in pair.convert(wanted[0]).items():
        assert_close(got[0][name], gradient)
    assert_close(got[1:], wanted[1:])


@pytest.mark.parametrize(("cell", "order", "time_major", "ragged"), CASES)
def test_nnx(cell: str, order: str, time_major: bool, ragged: bool) -> None:
    pair = NNX[cell]
    dtypes = {"dtype": jnp.float64, "param_dtype": jnp.float64}
    flags = ORDERS[order] | {"time_major": time_major, "return_carry": True}
    theirs = fx.RNN(pair.flax(D, H, rngs=fx.Rngs(0), **dtypes), **flags)
    mine = jaxrnn.nnx.RNN(pair.ours(D, H, rngs=fx.Rngs(0), **dtypes), **flags)
    lengths = jnp.asarray(LENGTHS) if ragged else None

    def user_code(module: Any) -> Any:
        apply = functional(module)
        return lambda params, inputs, carry: apply({"cell": params}, inputs, initial_carry=carry, seq_lengths=lengths)

    params = randomised(params_of(theirs))["cell"]
    compare(pair, user_code(theirs), user_code(mine), params, cell, time_major, ragged)


@pytest.mark.parametrize(("cell", "order", "time_major", "ragged"), [*CASES[2:4], *CASES[-3:]])
def test_linen(cell: str, order: str, time_major: bool, ragged: bool) -> None:
    pair = LINEN[cell]
    dtypes = {"dtype": jnp.float64, "param_dtype": jnp.float64}
    lengths = jnp.asarray(LENGTHS) if ragged else None
    flags = ORDERS[order] | {"time_major": time_major, "return_carry": True}

    def user_code(module: Any) -> Any:
        def run(params: Any, inputs: Any, carry: Any) -> Any:
            return module.apply({"params": {"cell": params}}, inputs, initial_carry=carry, seq_lengths=lengths, **flags)

        return run

    theirs, mine = fl.RNN(pair.flax(H, **dtypes)), jaxrnn.linen.RNN(pair.ours(H, **dtypes))
    params = randomised(theirs.init(jax.random.key(0), inputs_of((B,), False))["params"]["cell"])
    compare(pair, user_code(theirs), user_code(mine), params, cell, time_major, ragged)


@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_any_number_of_batch_axes(batch: tuple[int, ...]) -> None:
    theirs = fx.RNN(fx.LSTMCell(D, H, rngs=fx.Rngs(0), param_dtype=jnp.float64), return_carry=True)
    mine = jaxrnn.nnx.RNN(jaxrnn.nnx.LSTMCell(D, H, rngs=fx.Rngs(0), param_dtype=jnp.float64), return_carry=True)
    set_params(mine, {"cell": NNX["lstm"].convert(params_of(theirs)["cell"])})
    inputs = inputs_of(batch, False)
    assert_close(mine(inputs), theirs(inputs))


def test_lengths_with_two_batch_axes_equal_those_with_one() -> None:
    """Flax raises here (TRAPS 3)."""
    rnn = jaxrnn.nnx.LSTM(D, H, reverse=True, return_carry=True, rngs=fx.Rngs(0))
    inputs, lengths = inputs_of((2, 3), False), jnp.array([[5, 0, 3], [1, 2, 4]])
    (c, h), outputs = rnn(inputs, seq_lengths=lengths)
    (c_flat, h_flat), flat = rnn(inputs.reshape(6, T, D), seq_lengths=lengths.reshape(6))
    assert_close((c, h, outputs), (c_flat.reshape(c.shape), h_flat.reshape(h.shape), flat.reshape(outputs.shape)))


@pytest.mark.parametrize("library", ["nnx", "linen"])
def test_bidirectional(library: str) -> None:
    inputs, lengths = inputs_of((B,), False), jnp.asarray(LENGTHS)
    dtypes: Any = {"dtype": jnp.float64, "param_dtype": jnp.float64}
    if library == "nnx":
        pair = NNX["gru"]

        def build(module: Any, cell: Any) -> Any:
            one = lambda seed: module.RNN(cell(D, H, rngs=fx.Rngs(seed), **dtypes))  # noqa: E731
            return module.Bidirectional(one(0), one(1), return_carry=True)

        theirs, mine = build(fx, fx.GRUCell), build(jaxrnn.nnx, jaxrnn.nnx.GRUCell)
        params = params_of(theirs)
        set_params(mine, {side: {"cell": pair.convert(p["cell"])} for side, p in params.items()})
        wanted, got = theirs(inputs, seq_lengths=lengths), mine(inputs, seq_lengths=lengths)
    else:
        pair = LINEN["gru"]
        theirs = fl.Bidirectional(*(fl.RNN(fl.GRUCell(H, **dtypes)) for _ in range(2)), return_carry=True)
        cells = [jaxrnn.linen.RNN(jaxrnn.linen.GRUCell(H, **dtypes)) for _ in range(2)]
        mine = jaxrnn.linen.Bidirectional(*cells, return_carry=True)
        params = randomised(theirs.init(jax.random.key(0), inputs)["params"])
        converted = {side: {"cell": pair.convert(p["cell"])} for side, p in params.items()}
        wanted = theirs.apply({"params": params}, inputs, seq_lengths=lengths)
        got = mine.apply({"params": converted}, inputs, seq_lengths=lengths)
    valid = (jnp.arange(T)[None] < lengths[:, None])[..., None]
    assert_close(got[0], wanted[0])
    assert_close(got[1], jnp.where(valid, wanted[1], 0.0))


@pytest.mark.parametrize("time_major", [False, True])
def test_padding_is_zero_after_any_merge(time_major: bool) -> None:
    one = lambda: jaxrnn.nnx.RNN(jaxrnn.nnx.GRUCell(D, H, rngs=fx.Rngs(0)))  # noqa: E731
    both = jaxrnn.nnx.Bidirectional(one(), one(), merge_fn=lambda f, b: f + b + 1.0, time_major=time_major)
    lengths, mask = jnp.asarray(LENGTHS), jnp.asarray(np.random.default_rng(5).random((B, T)) < 0.5)
    valid = mask & jnp.asarray(np.arange(T)[None] < LENGTHS[:, None])
    valid, mask = (valid.T, mask.T) if time_major else (valid, mask)
    outputs = both(inputs_of((B,), time_major), seq_lengths=lengths, mask=mask)
    assert bool(((outputs != 0).all(-1) == valid).all())


def test_carry_init_draws_what_flax_draws() -> None:
    """The same stream, the same keys in the same order."""
    normal = jax.nn.initializers.normal()
    options: Any = {"carry_init": normal, "param_dtype": jnp.float64}
    with pytest.warns(UserWarning, match="carry_init"):
        theirs = fx.RNN(fx.LSTMCell(D, H, **options, rngs=fx.Rngs(0)), return_carry=True)
    cell = jaxrnn.nnx.LSTMCell(D, H, **options, rngs=fx.Rngs(0))
    mine = jaxrnn.nnx.RNN(cell, return_carry=True)
    empty = jnp.zeros((B, 0, D))  # no steps: the carry that comes out is the one drawn
    wanted = theirs.cell.initialize_carry((B, D), fx.Rngs(7).carry.fork())  # Flax's RNN forks what a call brings
    assert_close(mine(empty, rngs=fx.Rngs(7))[0], wanted)
    linen = LINEN["lstm"]
    args = (jax.random.key(3), (B, D))
    assert_close(linen.ours(H, **options).initialize_carry(*args), linen.flax(H, **options).initialize_carry(*args))
