"""TensorFlow 1's cells, live as tf_keras still carries them, and the flat vector of `jax.experimental.rnn`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from tests.interop.compare import LENGTHS, B, D, H, P, T, close, cotangent_of, inputs, ours, randomised
from tests.promotion import default_promotion

CELLS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "basic": ("BasicLSTMCell", {}, jaxrnn.lstm(H)),
    "basic, forget bias": ("BasicLSTMCell", dict(forget_bias=0.3), jaxrnn.lstm(H)),
    "plain": ("LSTMCell", {}, jaxrnn.lstm(H)),
    "peepholes and projection": (
        "LSTMCell",
        dict(use_peepholes=True, num_proj=P),
        jaxrnn.lstm(H, peepholes=True, projection=P),
    ),
    "cell clip": ("LSTMCell", dict(cell_clip=0.2), jaxrnn.lstm(H, cell_clip=0.2)),
}


@pytest.mark.filterwarnings("ignore")  # TensorFlow's own
@pytest.mark.parametrize("name", CELLS)
def test_tf1(name: str) -> None:
    tf = pytest.importorskip("tensorflow")
    legacy = pytest.importorskip("tf_keras.src.layers.rnn.legacy_cells")
    kind, options, layer = CELLS[name]
    cell = getattr(legacy, kind)(H, dtype=tf.float64, **options)
    cell.build(tf.TensorShape([B, D]))
    for i, variable in enumerate(cell.trainable_variables):
        variable.assign(randomised(np.zeros(variable.shape), i))
    names = {v.name.partition("/")[2] or v.name: v for v in cell.trainable_variables}
    weights = {n: v.numpy() for n, v in names.items()}
    xs, carry = inputs(layer)
    load = dict(layer=layer, forget_bias=options.get("forget_bias"))
    got, pull = ours(lambda w: interop.load(w, "tf1", **load), weights, xs, carry)
    cotangent = cotangent_of(got)
    with tf.GradientTape() as tape:
        x, c, h = (tf.Variable(a) for a in (xs, *carry))
        state, ys = (c, h), []
        for t in range(T):
            y, state = cell(x[t], state)
            ys.append(y)
        loss = tf.reduce_sum(tf.stack(ys) * cotangent[1])
        loss += sum(tf.reduce_sum(s * w) for s, w in zip(state, cotangent[0], strict=True))
    close(got, ([s.numpy() for s in state], tf.stack(ys).numpy()))
    gradients = tape.gradient(loss, [*names.values(), x, c, h])
    dweights, dxs, dcarry = pull(cotangent)
    for key, gradient in zip(names, gradients, strict=False):
        close(dweights[key], tf.convert_to_tensor(gradient).numpy(), key)
    close([dxs, *dcarry], [g.numpy() for g in gradients[len(names) :]])
    saved = interop.save(layer, interop.load(weights, "tf1", layer=layer).params, "tf1")
    assert {n.removesuffix(":0") for n in weights} == saved.keys()
    for key, array in weights.items():
        close(saved[key.removesuffix(":0")], array, key)


@pytest.mark.parametrize("both", [False, True])
def test_cudnn(both: bool) -> None:
    from jax.experimental import rnn

    one = jaxrnn.bidirectional(jaxrnn.lstm(H)) if both else jaxrnn.lstm(H)
    layer = jaxrnn.stack([one, one])
    vector = randomised(np.zeros(rnn.get_num_params_in_lstm(D, H, 2, both)))
    xs, carry = inputs(layer)
    seq_lengths = jnp.full(B, T, jnp.int32)  # the reference itself gets ragged rows wrong
    assert LENGTHS.max() == T

    def theirs(vector: Any, xs: Any, carry: Any) -> Any:
        parts = rnn.unpack_lstm_weights(vector, D, H, 2, both)
        cells = jax.tree.leaves(carry, is_leaf=lambda c: hasattr(c, "c"))
        h, c = (jnp.stack([getattr(cell, f) for cell in cells]) for f in "hc")
        y, h_n, c_n = rnn.lstm_ref(jnp.swapaxes(xs, 0, 1), h, c, *parts, seq_lengths, D, H, 2, 0.0, both)
        return [a for k in range(len(cells)) for a in (c_n[k], h_n[k])], jnp.swapaxes(y, 0, 1)

    with default_promotion():
        wanted, their_pull = jax.vjp(theirs, vector, xs, carry)
    got, pull = ours(lambda v: interop.load(v, "cudnn", layer=layer), vector, xs, carry)
    close(got, wanted)
    cotangent = cotangent_of(got)
    with default_promotion():
        expected = their_pull((jax.tree.leaves(cotangent[0]), cotangent[1]))
    close(pull(cotangent), expected)
    params = interop.load(vector, "cudnn", layer=layer).params
    saved = interop.save(layer, params, "cudnn")
    with default_promotion():
        close(theirs(saved, xs, carry), wanted)


def test_cudnn_refuses() -> None:
    with pytest.raises(ValueError, match="`layer` must be given for a flat vector"):
        interop.load(np.zeros(100), "cudnn")
    with pytest.raises(ValueError, match="`source` must be a flat vector of 140 \\+ 20 D weights"):
        interop.load(np.zeros(211), "cudnn", layer=jaxrnn.lstm(H))
    layer = jaxrnn.lstm(H, projection=2)
    with pytest.raises(ValueError, match="for cudnn"):
        interop.save(layer, layer.init(jax.random.key(0), D), "cudnn")


def test_the_flat_vector_in_a_file(tmp_path: Any) -> None:
    layer = jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.lstm(H))] * 2)
    params = randomised(layer.init(jax.random.key(0), D))
    interop.save(layer, params, "cudnn", tmp_path / "vector.npz")
    with np.load(tmp_path / "vector.npz") as file:
        (vector,) = file.values()
    np.testing.assert_array_equal(vector, interop.save(layer, params, "cudnn"))
    got = interop.load(tmp_path / "vector.npz", "cudnn", layer=layer)
    jax.tree.map(np.testing.assert_array_equal, got.params, params)
    np.savez(tmp_path / "two.npz", a=vector, b=vector)
    with pytest.raises(ValueError, match="a file of one array"):
        interop.load(tmp_path / "two.npz", "cudnn", layer=layer)
