"""Dropout: the masks that are drawn go where Keras's go, are drawn as often, and obey their seed."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrnn.keras
from jaxrnn.keras.dropout import input_masks
from tests.keras_layers.live import GAPS, B, D, H, T, assert_same, numbers, pair, theirs_with_gradients

SEED = 11
GATES = {"LSTMCell": "ifgo", "GRUCell": "zrn", "SimpleRNNCell": "h"}  # Keras's order, our letters
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm, inputs": ("LSTM", dict(dropout=0.4)),
    "lstm, inputs, each gate": ("LSTM", dict(dropout=0.4, implementation=1)),
    "lstm, states": ("LSTM", dict(recurrent_dropout=0.4)),
    "lstm, both": ("LSTM", dict(dropout=0.3, recurrent_dropout=0.4, use_bias=False)),
    "gru, inputs": ("GRU", dict(dropout=0.4)),
    "gru, both": ("GRU", dict(dropout=0.3, recurrent_dropout=0.4)),
    "gru, reset before, both": ("GRU", dict(dropout=0.3, recurrent_dropout=0.4, reset_after=False)),
    "simple rnn, both": ("SimpleRNN", dict(dropout=0.3, recurrent_dropout=0.4)),
}


def drawn_masks(module: Any) -> tuple[Any, Any]:
    """The masks of the module's first call, scaled and in Keras's order of gates; None where there are none."""
    cell = module.cell
    gates = GATES[type(cell).__name__]
    inputs_key, states_key = jax.random.split(nnx.RngStream(SEED, tag="dropout")())
    inputs = states = None
    if cell.dropout:
        each = cell.implementation == 1 or cell.recurrent_dropout > 0
        masks = input_masks(inputs_key, cell.dropout, len(gates) if each else 1, B, D)
        inputs = list(np.asarray(masks) / (1 - cell.dropout))
    if cell.recurrent_dropout:
        theta = cell.functional.theta(cell.params, (B,), jnp.float64, states_key)
        states = [np.asarray(theta[f"recurrent_dropout_{gate}"]) / (1 - cell.recurrent_dropout) for gate in gates]
    return inputs, states


@pytest.mark.parametrize("name", CASES)
def test_the_masks_go_where_keras_puts_them(name: str) -> None:
    kind, options = CASES[name]
    # Over cells, since Keras's own LSTM and GRU layers raise for implementation=1 with dropout.
    ours, theirs = pair(lambda lib: lib.stack(lib.layer(f"{kind}Cell", seed=SEED, **options), return_sequences=True))
    inputs, states = drawn_masks(ours)
    xs = jnp.asarray(numbers(5, B, T, D))
    one = kind == "SimpleRNN" or (ours.cell.implementation != 1 and states is None)  # one mask for all gates
    theirs.cell._dropout_mask = inputs[0] if one and inputs else inputs
    theirs.cell._recurrent_dropout_mask = states[0] if one and states else states
    graph, params, rest = nnx.split(ours, nnx.Param, ...)

    def run(params: Any, xs: Any) -> Any:
        streams = jax.tree.map(lambda a: a, rest)  # variables of this trace
        return nnx.merge(graph, params, streams)(xs, mask=jnp.asarray(GAPS), training=True)

    mine, pull = jax.vjp(run, params, xs)
    yours, (weights, dxs, _) = theirs_with_gradients(theirs, xs, None, mask=jnp.asarray(GAPS), training=True)
    dparams, mine_dxs = pull(jnp.asarray(numbers(90, *mine.shape)))
    assert_same(mine, yours)
    assert_same(mine_dxs, dxs)
    cell = dparams["cell"]
    names = ("kernel", "recurrent_kernel", *(("bias",) if ours.cell.use_bias else ()))
    assert_same([cell[n] for n in names], weights)


def layer(**options: Any) -> Any:
    given = dict(dropout=0.5, recurrent_dropout=0.25, in_features=D, rngs=nnx.Rngs(0)) | options
    return jaxrnn.keras.LSTM(H, **given)


def test_the_seed_decides() -> None:
    xs = numbers(5, B, T, D)
    one, same, other = (layer(seed=s)(xs, training=True) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (np.asarray(one) != np.asarray(other)).any()


def test_each_call_draws_afresh_and_inference_draws_nothing() -> None:
    module, xs = layer(), numbers(5, B, T, D)
    plain = jaxrnn.keras.LSTM(H, in_features=D, rngs=nnx.Rngs(0))
    plain.set_weights(module.get_weights())
    first, second = (np.asarray(module(xs, training=True)) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(module(xs), plain(xs))
    module.train()
    assert (np.asarray(module(xs)) != np.asarray(plain(xs))).any()
    np.testing.assert_array_equal(module(xs, training=False), plain(xs))
    module.eval()
    np.testing.assert_array_equal(module(xs), plain(xs))


def test_how_often_units_are_kept() -> None:
    masks = np.asarray(input_masks(jax.random.key(0), 0.3, 4, 50, 100))
    assert abs(masks.mean() - 0.7) < 5 * np.sqrt(0.3 * 0.7 / masks.size)
    assert len({row.tobytes() for row in masks.reshape(-1, 100)}) == 200  # a mask for each row and gate


def test_directions_draw_their_own() -> None:
    module = jaxrnn.keras.Bidirectional(layer(recurrent_dropout=0.0), merge_mode=None, rngs=nnx.Rngs(7))
    module.set_weights([*module.forward_layer.get_weights(), *module.forward_layer.get_weights()])
    xs = numbers(5, B, T, D)
    palindrome = np.concatenate([xs, xs[:, ::-1]], axis=1)  # both directions read the same
    forward, backward = module(palindrome, training=True)
    assert (np.asarray(forward) != np.asarray(backward)).any()
    forward, backward = module(palindrome)
    np.testing.assert_allclose(forward, backward, 1e-12, 1e-12)
