"""Our cells inside Flax's RNN, and every cell of Flax inside ours."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as fl
from flax import nnx as fx

import jaxrnn
import jaxrnn.linen
import jaxrnn.nnx
from tests.modules.weights import assert_close, assert_same_bits, functional, params_of

T, B, D, H = 4, 3, 2, 3
LENGTHS = jnp.array([4, 1, 3])
F64: Any = {"param_dtype": jnp.float64}
FLAGS = [{}, {"reverse": True, "keep_order": True, "time_major": True, "unroll": 2}, {"reverse": True}]

OUR_CELLS = {
    "lstm": lambda m, *sizes, **o: m.LSTMCell(*sizes, peepholes=True, projection=2, **o),
    "gru": lambda m, *sizes, **o: m.GRUCell(*sizes, reset_after=False, **o),
    "elman": lambda m, *sizes, **o: m.ElmanCell(*sizes, leak=0.5, **o),
}
FLAX_NNX = {"lstm": fx.LSTMCell, "optimized": fx.OptimizedLSTMCell, "gru": fx.GRUCell, "simple": fx.SimpleCell}
FLAX_LINEN = {
    "lstm": fl.LSTMCell(H, **F64),
    "optimized": fl.OptimizedLSTMCell(H, **F64),
    "gru": fl.GRUCell(H, **F64),
    "simple": fl.SimpleCell(H, **F64),
    "mgu": fl.MGUCell(H, **F64),
    "conv": fl.ConvLSTMCell(2, kernel_size=(3,), **F64),
}


def inputs_of(*shape: int, time_major: bool = False) -> Any:
    inputs = jnp.asarray(np.random.default_rng(0).normal(size=shape))
    return jnp.moveaxis(inputs, 1, 0) if time_major else inputs


def valid_only(outputs: Any, time_major: bool) -> Any:
    valid = jnp.arange(T)[None] < LENGTHS[:, None]
    valid = valid.T if time_major else valid
    return jnp.where(valid.reshape(valid.shape + (1,) * (outputs.ndim - 2)), outputs, 0.0)


def agree(ours: Any, theirs: Any, time_major: bool) -> None:
    (carry, outputs), (their_carry, their_outputs) = ours, theirs
    assert_close(carry, their_carry)
    assert_close(outputs, valid_only(their_outputs, time_major))


@pytest.mark.parametrize("flags", FLAGS, ids=str)
@pytest.mark.parametrize("name", OUR_CELLS)
def test_our_nnx_cells_in_flaxs_rnn(name: str, flags: dict[str, Any]) -> None:
    cell = OUR_CELLS[name](jaxrnn.nnx, D, H, rngs=fx.Rngs(0))
    assert isinstance(cell, fx.RNNCellBase)
    time_major = flags.get("time_major", False)
    inputs = inputs_of(B, T, D, time_major=time_major)
    theirs = fx.RNN(cell, return_carry=True, **flags)(inputs, seq_lengths=LENGTHS)
    agree(jaxrnn.nnx.RNN(cell, return_carry=True, **flags)(inputs, seq_lengths=LENGTHS), theirs, time_major)


@pytest.mark.parametrize("name", OUR_CELLS)
def test_our_linen_cells_in_flaxs_rnn(name: str) -> None:
    cell, inputs = OUR_CELLS[name](jaxrnn.linen, H), inputs_of(B, T, D)
    assert isinstance(cell, fl.RNNCellBase)
    theirs = fl.RNN(cell, return_carry=True, reverse=True)
    variables = theirs.init(jax.random.key(0), inputs)
    mine = jaxrnn.linen.RNN(cell, return_carry=True, reverse=True).apply(variables, inputs, seq_lengths=LENGTHS)
    agree(mine, theirs.apply(variables, inputs, seq_lengths=LENGTHS), False)


def test_plain_tuples_go_into_flaxs_rnn() -> None:
    cell = jaxrnn.nnx.LSTMCell(D, H, rngs=fx.Rngs(0))
    start = (jnp.ones((B, H)), -jnp.ones((B, H)))
    wanted = jaxrnn.nnx.RNN(cell, return_carry=True)(inputs_of(B, T, D), initial_carry=start)
    got = fx.RNN(cell, return_carry=True)(inputs_of(B, T, D), initial_carry=start)
    assert_close(got, wanted)
    assert type(wanted[0]) is type(got[0]) is tuple


def test_a_learned_initial_carry_reaches_flaxs_rnn() -> None:
    cell = jaxrnn.linen.GRUCell(H, learn_carry=True, carry_init=jax.nn.initializers.normal())
    theirs, inputs = fl.RNN(cell), inputs_of(B, T, D)
    variables = theirs.init(jax.random.key(0), inputs)
    assert float(abs(variables["params"]["cell"]["initial_h"]).min()) > 0
    assert_close(theirs.apply(variables, inputs), jaxrnn.linen.RNN(cell).apply(variables, inputs))


def test_linen_cells_under_a_users_own_nn_scan() -> None:
    lifted = fl.scan(
        jaxrnn.linen.LSTMCell, variable_broadcast="params", split_rngs={"params": False}, in_axes=1, out_axes=1
    )(H)
    inputs, start = inputs_of(B, T, D), jaxrnn.linen.LSTMCell(H).initialize_carry(jax.random.key(0), (B, D))
    variables = lifted.init(jax.random.key(0), start, inputs)
    rnn = jaxrnn.linen.LSTM(H, return_carry=True)
    assert_close(lifted.apply(variables, start, inputs), rnn.apply(variables, inputs))


@pytest.mark.parametrize("flags", FLAGS[:2], ids=str)
@pytest.mark.parametrize("name", FLAX_NNX)
def test_flaxs_nnx_cells_in_our_rnn(name: str, flags: dict[str, Any]) -> None:
    cell = FLAX_NNX[name](D, H, dtype=jnp.float64, rngs=fx.Rngs(0), **F64)
    time_major = flags.get("time_major", False)
    inputs = inputs_of(B, T, D, time_major=time_major)
    mine = jaxrnn.nnx.RNN(cell, return_carry=True, **flags)(inputs, seq_lengths=LENGTHS)
    agree(mine, fx.RNN(cell, return_carry=True, **flags)(inputs, seq_lengths=LENGTHS), time_major)


@pytest.mark.parametrize("name", FLAX_LINEN)
def test_flaxs_linen_cells_in_our_rnn(name: str) -> None:
    cell = FLAX_LINEN[name]
    inputs = inputs_of(B, T, 5, D) if name == "conv" else inputs_of(B, T, D)
    theirs = fl.RNN(cell, return_carry=True, reverse=True)
    mine = jaxrnn.linen.RNN(cell, return_carry=True, reverse=True)
    variables = mine.init(jax.random.key(0), inputs)
    wanted = theirs.apply(variables, inputs, seq_lengths=LENGTHS)
    agree(mine.apply(variables, inputs, seq_lengths=LENGTHS), wanted, False)


def test_a_row_of_length_zero_returns_its_initial_carry() -> None:
    """Flax returns the carry after all the padding (TRAPS 1)."""
    lengths, start = jnp.array([0, 4, 0]), (jnp.ones((B, H)), -jnp.ones((B, H)))
    for cell in (fx.LSTMCell(D, H, rngs=fx.Rngs(0), **F64), jaxrnn.nnx.LSTMCell(D, H, rngs=fx.Rngs(0))):
        for reverse in (False, True):
            rnn = jaxrnn.nnx.RNN(cell, return_carry=True, reverse=reverse)
            (c, h), outputs = rnn(inputs_of(B, T, D), initial_carry=start, seq_lengths=lengths)
            assert bool((c[::2] == 1).all())
            assert bool((h[::2] == -1).all())
            assert bool((outputs[::2] == 0).all())
            assert bool((outputs[1] != 0).any())


@pytest.mark.parametrize("cell", ["flax", "ours"])
def test_padding_changes_no_bit(cell: str) -> None:
    """NaN, inf or anything in padding: the same outputs, carries and gradients (TRAPS 2); two batch axes (TRAPS 3)."""
    library = fx if cell == "flax" else jaxrnn.nnx
    module = jaxrnn.nnx.RNN(library.LSTMCell(D, H, rngs=fx.Rngs(0), **F64), return_carry=True, reverse=True)
    apply, params = functional(module), params_of(module)
    lengths = jnp.array([[4, 1, 3], [0, 2, 4]])
    valid = jnp.asarray(np.arange(T) < np.asarray(lengths)[..., None])[..., None]
    inputs = inputs_of(2, B, T, D)

    @jax.jit
    def run(params: Any, inputs: Any) -> Any:
        def loss(params: Any, inputs: Any) -> Any:
            carry, outputs = apply(params, inputs, seq_lengths=lengths)
            return sum((a**2).sum() for a in jax.tree.leaves((carry, outputs))), (carry, outputs)

        return jax.grad(loss, argnums=(0, 1), has_aux=True)(params, inputs)

    wanted = run(params, jnp.where(valid, inputs, 0.0))
    assert all(bool(jnp.isfinite(a).all()) for a in jax.tree.leaves(wanted))
    for junk in (jnp.nan, jnp.inf, 1e300):
        assert_same_bits(run(params, jnp.where(valid, inputs, junk)), wanted)


def test_empty_sequences_and_batches() -> None:
    for cell in (fx.GRUCell(D, H, rngs=fx.Rngs(0), **F64), jaxrnn.nnx.GRUCell(D, H, rngs=fx.Rngs(0))):
        rnn = jaxrnn.nnx.RNN(cell, return_carry=True, reverse=True)
        start = jnp.ones((B, H))
        carry, outputs = rnn(jnp.ones((B, 0, D)), initial_carry=start, seq_lengths=jnp.zeros(B, int))
        assert_same_bits(carry, start)
        assert outputs.shape == (B, 0, H)
        carry, outputs = rnn(jnp.ones((0, T, D)), seq_lengths=jnp.zeros(0, int))
        assert (carry.shape, outputs.shape) == ((0, H), (0, T, H))


def test_noise_inside_a_flax_cell_is_drawn_afresh_at_every_step() -> None:
    """TRAPS 50: the lifted scan carries random streams along."""

    class Noisy(fx.SimpleCell):
        def __init__(self, rngs: fx.Rngs) -> None:
            super().__init__(D, H, rngs=rngs)
            self.dropout = fx.Dropout(0.5, rngs=rngs)

        def __call__(self, carry: Any, inputs: Any) -> Any:
            return carry, self.dropout(jnp.ones_like(carry))

    rnn = jaxrnn.nnx.RNN(Noisy(fx.Rngs(0)))
    first, second = rnn(jnp.ones((1, 16, D))), rnn(jnp.ones((1, 16, D)))
    assert len({tuple(row) for row in np.asarray(first[0])}) > 1
    assert bool((first != second).any())
