"""UniRep's multiplicative LSTM, whose arrays have weight norm: against its equations, and back."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from tests.interop.compare import D, H, close, compare, randomised

SHAPES = {"wx": (D, 4 * H), "wh": (H, 4 * H), "wmx": (D, H), "wmh": (H, H), "b": (4 * H,)}
SHAPES |= {f"g{name[1:]}": shape[1:] for name, shape in SHAPES.items() if name != "b"}


def weights(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {name: 0.5 * rng.standard_normal(shape) for name, shape in SHAPES.items()}


def theirs(w: Any, xs: Any, carry: Any) -> Any:
    """The equations of the authors' `mLSTMCell`, whose gates are i, f, o, u."""

    def normed(name: str) -> Any:
        weight = w[f"w{name}"]
        return weight / jnp.sqrt(jnp.maximum((weight**2).sum(0, keepdims=True), 1e-12)) * w[f"g{name}"]

    def step(state: Any, x: Any) -> Any:
        c, h = state
        m = (x @ normed("mx")) * (h @ normed("mh"))
        i, f, o, u = jnp.split(x @ normed("x") + m @ normed("h") + w["b"], 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(u)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (c, h), h

    return jax.lax.scan(step, tuple(carry), jnp.asarray(xs))


def test_outputs_and_the_gradient_of_every_array() -> None:
    compare(theirs, weights(), jaxrnn.multiplicative_lstm(H), "unirep")


def test_saved_arrays_run_and_come_back_bit_for_bit() -> None:
    cell = jaxrnn.multiplicative_lstm(H)
    for dtype in (np.float64, np.float32):
        params = jax.tree.map(lambda a, d=dtype: a.astype(d), randomised(cell.init(jax.random.key(0), D), 1))
        params["kernel"][:, 4, 1] = 0  # a column without a direction
        saved = interop.save(cell, params, "unirep")
        assert {name: a.shape for name, a in saved.items()} == SHAPES
        again = interop.load(saved)
        assert again.layer == cell
        jax.tree.map(np.testing.assert_array_equal, again.params, params)
        if dtype is np.float64:
            xs = np.random.default_rng(2).standard_normal((7, 4, D))
            carry = jax.tree.map(np.asarray, cell.initial_carry((4,)))
            with jax.numpy_rank_promotion("allow"):
                close(theirs(saved, xs, carry), jaxrnn.scan(cell, params, xs, carry))


@pytest.mark.parametrize("head", ["rnn/mlstm/mlstm/{}:0", "encoder.{}", "{}"])
def test_names_as_they_come(head: str) -> None:
    arrays = {head.format(name): a for name, a in weights().items()}
    cell, params = interop.load(arrays, "unirep")
    assert cell == jaxrnn.multiplicative_lstm(H)
    jax.tree.map(np.testing.assert_array_equal, params, interop.load(weights()).params)


def test_a_file_is_converted(tmp_path: Any) -> None:
    np.savez(tmp_path / "unirep.npz", **weights())
    interop.convert(tmp_path / "unirep.npz", tmp_path / "ours.npz")
    again = interop.load(tmp_path / "ours.npz")
    assert again.layer == jaxrnn.multiplicative_lstm(H)
    jax.tree.map(np.testing.assert_array_equal, again.params, interop.load(weights()).params)


@pytest.mark.parametrize("name", SHAPES)
def test_every_damaged_entry_is_named(name: str) -> None:
    for damage in ("missing", "shorter", "integers"):
        arrays = weights()
        if damage == "missing":
            del arrays[name]
        else:
            arrays[name] = arrays[name][..., :-1] if damage == "shorter" else arrays[name].astype(np.int32)
        with pytest.raises((ValueError, TypeError), match=r"`.*` must be .*, got ") as caught:
            interop.load(arrays, "unirep")
        assert str(caught.value).startswith(f"`{name}` must be ")


def test_what_it_cannot_hold() -> None:
    cell = jaxrnn.multiplicative_lstm(H, activation=jax.nn.relu)
    with pytest.raises(ValueError, match="`activation` must be tanh for unirep mLSTM"):
        interop.save(cell, cell.init(jax.random.key(0), D), "unirep")
