"""`jaxrnn.labels`: what each parameter is, and that optimisers do with it what one means."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

import jaxrnn


def is_matrix(label: str) -> bool:
    return label in ("kernel", "recurrent")


def test_every_row_of_the_collection() -> None:
    """Names tell the same as declarations do, in nested layers too."""
    cell = jaxrnn.lstm(4, peepholes=True, projection=3, layer_norm=True, learn_carry=True)
    layer = jaxrnn.stack([jaxrnn.bidirectional(cell), jaxrnn.highway(jaxrnn.gru(6)), jaxrnn.elman(2)])
    params = layer.init(jax.random.key(0), inputs=5)
    told = jaxrnn.labels(params)
    assert told == jaxrnn.labels(params, layer)
    assert told["layer_0"]["forward"] == {
        "bias": "bias",
        "cell_norm": "vector",
        "cell_norm_bias": "bias",
        "initial_c": "carry",
        "initial_h": "carry",
        "input_norm": "vector",
        "kernel": "kernel",
        "peepholes": "vector",
        "projection": "recurrent",
        "recurrent_kernel": "recurrent",
        "recurrent_norm": "vector",
    }
    assert told["layer_1"]["gate_kernel"] == "kernel"
    assert told["layer_1"]["gate_bias"] == told["layer_1"]["layer"]["recurrent_bias"] == "bias"


def test_a_users_arrays_are_what_they_were_declared() -> None:
    class State(NamedTuple):
        h: jax.Array

    zeros = jax.nn.initializers.zeros
    more = {"u": jaxrnn.Parameter(("H", "H"), zeros, "recurrent"), "v": jaxrnn.Parameter((2, "H"), zeros)}

    @jaxrnn.gate_cell(gates=("a",), carry=State, parameters=more)
    def own(carry: Any, x: Any, recur: Any, theta: Any) -> Any:
        h = jnp.tanh(x.a + recur(carry.h, kernel="u") * theta["v"][0])
        return State(h), h

    params = own(3).init(jax.random.key(0), inputs=2)
    assert jaxrnn.labels(params, own(3)) == {"bias": "bias", "kernel": "kernel", "u": "recurrent", "v": "vector"}


def test_flax_models_around_our_modules() -> None:
    class Model(nnx.Module):
        def __init__(self) -> None:
            self.lstm = jaxrnn.nnx.LSTM(3, 4, peepholes=True, rngs=nnx.Rngs(0))
            self.head = nnx.Linear(4, 2, rngs=nnx.Rngs(0))

    state = nnx.state(Model(), nnx.Param)
    told = dict(jax.tree.leaves_with_path(nnx.to_pure_dict(jaxrnn.labels(state))))
    named = {jax.tree_util.keystr(path, simple=True, separator="."): label for path, label in told.items()}
    assert named == {
        "head.bias": "bias",
        "head.kernel": "kernel",
        "lstm.bias": "bias",
        "lstm.kernel": "kernel",
        "lstm.peepholes": "vector",
        "lstm.recurrent_kernel": "recurrent",
    }
    module = jaxrnn.linen.GRU(4)
    params = module.init(jax.random.key(0), jnp.ones((2, 5, 3)))["params"]
    assert jaxrnn.labels(linen.meta.unbox(params))["recurrent_bias"] == "bias"


def test_weight_decay_leaves_biases_alone() -> None:
    params = jaxrnn.lstm(4).init(jax.random.key(0), inputs=3)
    mask = lambda p: jax.tree.map(is_matrix, jaxrnn.labels(p))  # noqa: E731
    optimizer = optax.add_decayed_weights(0.1, mask=mask)
    updates, _ = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params)
    np.testing.assert_array_equal(updates["bias"], np.zeros((4, 4)))
    np.testing.assert_allclose(updates["recurrent_kernel"], 0.1 * np.asarray(params["recurrent_kernel"]))


def test_muon_turns_each_gates_matrix() -> None:
    """As muon does with each gate's matrix by itself; biases go by Adam."""
    params = jaxrnn.lstm(5).init(jax.random.key(0), inputs=3)
    grads = jax.tree.map(lambda p: jax.random.normal(jax.random.key(1), p.shape, p.dtype), params)
    gates = optax.contrib.MuonDimensionNumbers(reduction_axis=0, output_axis=-1)
    numbers = lambda p: jax.tree.map(lambda label: gates if is_matrix(label) else None, jaxrnn.labels(p))  # noqa: E731
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        whole = optax.contrib.muon(0.1, muon_weight_dimension_numbers=numbers)
        updates, _ = whole.update(grads, whole.init(params), params)
        for gate in range(4):
            alone = optax.contrib.muon(0.1)
            one = {n: params[n][:, gate] for n in ("kernel", "recurrent_kernel")}
            of_one = {n: grads[n][:, gate] for n in one}
            expected, _ = alone.update(of_one, alone.init(one), one)
            for name, value in expected.items():
                np.testing.assert_allclose(updates[name][:, gate], value, rtol=1e-9)


@pytest.mark.parametrize("wrong", [3, jnp.ones(2), {"kernel": 3.0}])
def test_what_has_no_name_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="an array, with a name"):
        jaxrnn.labels(wrong)
