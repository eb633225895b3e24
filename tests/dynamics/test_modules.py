"""Modules of NNX and linen, cells of Flax's own and whole models, against the functional layer."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrnn
import jaxrnn.linen
import jaxrnn.nnx
from jaxrnn import dynamics

XS = np.random.default_rng(0).normal(size=(9, 2, 3)).astype(np.float32)


def test_modules_are_their_layers() -> None:
    module = jaxrnn.nnx.GRU(3, 4, rngs=nnx.Rngs(0))
    expected = dynamics.gradient_norms(module.functional, module.params, XS).norms
    np.testing.assert_array_equal(dynamics.gradient_norms(module, None, XS).norms, expected)
    cell = jaxrnn.nnx.GRUCell(3, 4, rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(dynamics.gradient_norms(cell, None, XS).norms, expected)
    outer = jaxrnn.linen.GRU(4)
    variables = outer.init(jax.random.key(1), jnp.asarray(XS.swapaxes(0, 1)))
    expected = dynamics.gradient_norms(jaxrnn.gru(4), variables["params"], XS).norms
    np.testing.assert_array_equal(dynamics.gradient_norms(outer, variables, XS).norms, expected)
    around = jaxrnn.linen.RNN(jaxrnn.linen.GRUCell(4))
    variables = around.init(jax.random.key(1), jnp.asarray(XS.swapaxes(0, 1)))
    assert np.isfinite(dynamics.gradient_norms(around, variables, XS).norms).all()
    assert sorted(dynamics.gate_saturation(around, variables, XS)) == ["n", "r", "z"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nnx", "linen"])
def test_cells_of_flax(kind: str) -> None:
    """By their own step, and as what `interop.load` makes of them."""
    if kind == "nnx":
        cell: Any = nnx.LSTMCell(3, 4, rngs=nnx.Rngs(0))
        params, given = None, cell
    else:
        cell = nn.LSTMCell(4)
        params = cell.init(jax.random.key(0), cell.initialize_carry(jax.random.key(0), (3,)), jnp.ones(3, jnp.float32))
        given = params["params"]
    layer, ours = jaxrnn.interop.load(given)
    found = dynamics.gradient_norms(cell, params, XS)
    np.testing.assert_allclose(found.norms, dynamics.gradient_norms(layer, ours, XS).norms, rtol=1e-4)
    mine, theirs = (dynamics.lyapunov(a, b, XS, skip=0).exponents for a, b in ((layer, ours), (cell, params)))
    np.testing.assert_allclose(mine.sum(-1), theirs.sum(-1), rtol=1e-4)
    point = dynamics.fixed_points(cell, params, np.zeros(3), 3, dtype="float64")
    same = dynamics.fixed_points(layer, ours, np.zeros(3), 3, dtype="float64")
    np.testing.assert_allclose(np.abs(point.eigenvalues), np.abs(same.eigenvalues), rtol=1e-5)


def test_a_cell_of_flax_that_computes_in_float32_says_so() -> None:
    """`nnx.SimpleCell` is made with dtype=float32: its derivatives in float64 are not to be had."""
    cell = nnx.SimpleCell(3, 4, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="`dtype` must be float32, in which this cell of Flax's computes, got float64"):
        dynamics.gradient_norms(cell, None, XS, dtype="float64")
    assert np.isfinite(dynamics.gradient_norms(cell, None, XS).norms).all()


class Model(nnx.Module):
    def __init__(self) -> None:
        self.below = nnx.Linear(3, 5, rngs=nnx.Rngs(0))
        self.lstm = jaxrnn.nnx.LSTM(5, 4, rngs=nnx.Rngs(1))

    def __call__(self, x: Any, lengths: Any) -> Any:
        return self.lstm(nnx.relu(self.below(x)), seq_lengths=lengths)


def test_calls_of_a_model() -> None:
    model, lengths = Model(), jnp.array([9, 4])
    [seen] = dynamics.calls(nnx.jit(model), jnp.asarray(XS.swapaxes(0, 1)), lengths)
    np.testing.assert_allclose(seen.xs.swapaxes(0, 1), nnx.relu(model.below(XS.swapaxes(0, 1))), rtol=1e-6)
    norms = dynamics.gradient_norms(seen.layer, seen.params, seen.xs, lengths=seen.lengths).norms
    assert np.isnan(norms[5:, 1]).all()
    assert np.isfinite(norms[:, 0]).all()
    with pytest.raises(ValueError, match="`function` must be one that runs a recurrent layer"):
        dynamics.calls(jnp.sin, jnp.ones(3))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(lengths=np.array([9, 10])), "`lengths` must be between 0 and T = 9"),
        (dict(lengths=np.array([9, -1])), "`lengths` must be between 0 and T = 9"),
        (dict(lengths=np.array([9.0, 4.0])), "`lengths` must be integers"),
        (dict(xs=XS.astype(object)), "`xs` must be floats"),
        (dict(carry=(np.zeros((2, 4), np.int32),) * 2), "`carry` must be floats"),
        (dict(carry=np.zeros((3, 4), np.float32)), "`carry` must be of shapes"),
    ],
)
def test_wrong_calls_of_cells_of_flax(given: dict[str, Any], message: str, unchecked: None) -> None:
    cell = nnx.LSTMCell(3, 4, rngs=nnx.Rngs(0))
    with pytest.raises((TypeError, ValueError), match=message):
        dynamics.memory_lengths(**{"layer": cell, "params": None, "xs": XS} | given)
