"""Gates as they are found in equations, against gates that are computed beside them."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn import dynamics
from tests.dynamics.cells import drawn, minimal


def sigmoid(a: Any) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(a)))


def net_inputs(cell: Any, params: Any, xs: Any, before: Any) -> np.ndarray:
    """x K + b + h R, [T, *B, G, H], of the states before each step."""
    return np.asarray(cell.project(params, xs)) + np.einsum("t...r,rgh->t...gh", before, params["recurrent_kernel"])


def test_gates_are_those_of_the_equations() -> None:
    with jax.enable_x64(True):
        cell = jaxrnn.lstm(5)
        params, xs = drawn(cell, 3, 20, 2)
        carries, _ = jaxrnn.scan_carries(cell, params, xs)
        before = np.concatenate([np.zeros((1, 2, 5)), carries.h[:-1]])
        found = dynamics.gate_saturation(cell, params, xs)
        net = net_inputs(cell, params, xs, before)
        assert sorted(found) == ["f", "g", "i", "o"]
        for g, name in enumerate(cell.gates):
            expected = (np.tanh(net[..., g, :]) + 1) / 2 if name == "g" else sigmoid(net[..., g, :])
            np.testing.assert_allclose(found[name].values, expected, rtol=1e-12)
            np.testing.assert_allclose(found[name].shut, (expected < 0.1).mean((0, 1)))
            np.testing.assert_allclose(found[name].open, (expected > 0.9).mean((0, 1)))
            assert found[name].function == ("tanh" if name == "g" else "logistic")


def test_a_users_own_ten_lines() -> None:
    with jax.enable_x64(True):
        cell = minimal(4)
        params, xs = drawn(cell, 3, 15, 2)
        carries, _ = jaxrnn.scan_carries(cell, params, xs)
        net = net_inputs(cell, params, xs, np.concatenate([np.zeros((1, 2, 4)), carries.h[:-1]]))
        found = dynamics.gate_saturation(cell, params, xs)
        np.testing.assert_allclose(found["f"].values, sigmoid(net[..., 0, :]), rtol=1e-12)
        np.testing.assert_allclose(found["g"].values, (np.tanh(net[..., 1, :]) + 1) / 2, rtol=1e-12)


class Hard(NamedTuple):
    h: jax.Array


@jaxrnn.gate_cell(gates=("f", "g"), carry=Hard)
def hard(carry: Any, x: Any, h: Any) -> Any:
    f = jax.nn.hard_sigmoid(x.f + h.f)
    new = f * carry.h + (1 - f) * jnp.clip(x.g + h.g, -1.0, 1.0)
    return Hard(new), new


def test_hard_sigmoids_and_clips() -> None:
    with jax.enable_x64(True):
        cell = hard(4)
        params, xs = drawn(cell, 3, 15)
        xs = 4 * xs
        carries, _ = jaxrnn.scan_carries(cell, params, xs)
        net = net_inputs(cell, params, xs, np.concatenate([np.zeros((1, 4)), carries.h[:-1]]))
        found = dynamics.gate_saturation(cell, params, xs)
        np.testing.assert_allclose(found["f"].values, np.clip(net[:, 0] / 6 + 0.5, 0, 1), atol=1e-12)
        np.testing.assert_allclose(found["g"].values, np.clip(net[:, 1] / 2 + 0.5, 0, 1), atol=1e-12)
        assert found["f"].saturated > 0


@pytest.mark.slow
def test_composed_layers_cell_by_cell() -> None:
    """Also where a layer has no step; a learned initial state is where it begins."""
    with jax.enable_x64(True):
        gru = jaxrnn.gru(3, learn_carry=True)
        layer = jaxrnn.stack([jaxrnn.bidirectional(gru), jaxrnn.residual(jaxrnn.lstm(6))])
        params, xs = drawn(layer, 4, 10, 2)
        found = dynamics.gate_saturation(layer, params, xs)
        assert {name.partition("/")[0] for name in found} == {"0", "1", "2"}
        _, ys = jaxrnn.scan(layer.layers[0], params["layer_0"], xs)
        below = params["layer_1"]
        below = below if "kernel" in below else next(iter(below.values()))
        alone = dynamics.gate_saturation(jaxrnn.lstm(6), below, ys)
        np.testing.assert_allclose(found["2/f"].values, alone["f"].values, rtol=1e-12)
        backward = next(p for name, p in params["layer_0"].items() if "back" in name)
        flipped = dynamics.gate_saturation(gru, backward, xs[::-1])
        np.testing.assert_allclose(found["1/z"].values, flipped["z"].values[::-1], rtol=1e-12)
