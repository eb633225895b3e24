"""reservoirpy's leaky reservoir and ridge readout, live: states, weights, forecasts; it differentiates nothing."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import jaxrnn
from tests import oracle
from tests.oracles.memories import esn, ridge, scaled
from tests.peers.live import D, H, T

nodes = pytest.importorskip("reservoirpy.nodes")


def test_states():
    rng = np.random.default_rng(0)
    params = {
        "kernel": rng.standard_normal((D, 1, H)),
        "bias": rng.standard_normal((1, H)),
        "recurrent_kernel": scaled(rng.standard_normal((H, H)), 0.9)[:, None],
    }
    xs = rng.standard_normal((T, D))
    reservoir = nodes.Reservoir(
        W=params["recurrent_kernel"][:, 0].T, Win=params["kernel"][:, 0].T, bias=params["bias"][0], lr=0.3
    )
    _, ys = oracle.scan(lambda p, carry, x: esn(p, carry, x, leak=0.3), params, xs[:, None], (np.zeros((1, H)),))
    theirs = reservoir.run(xs)
    np.testing.assert_allclose(ys[:, 0], theirs, 1e-12, 1e-12)
    _, ours = jaxrnn.scan(jaxrnn.esn(H, leak=0.3), params, xs)
    np.testing.assert_allclose(ours, theirs, 1e-12, 1e-12)


@pytest.mark.parametrize("penalty", [1e-6, 0.5])
def test_ridge(penalty):
    rng = np.random.default_rng(1)
    states, targets = rng.standard_normal((40, H)), rng.standard_normal((40, 2)) + 3
    readout = nodes.Ridge(ridge=penalty)
    readout.fit(states, targets)
    kernel, bias = ridge(states, targets, penalty)
    np.testing.assert_allclose(readout.Wout, kernel, 1e-10, 1e-10)
    np.testing.assert_allclose(readout.bias, bias, 1e-10, 1e-10)


@pytest.mark.parametrize("penalty", [1e-4, 0.5])
@pytest.mark.parametrize("washout", [0, 30])
def test_forecast(washout, penalty):
    """Reservoir and readout together; the reservoir's weights are ours."""
    cell = jaxrnn.esn(50, leak=0.3)
    params = {name: np.asarray(a) for name, a in cell.init(jax.random.key(0), 2).items()}
    xs = np.stack([np.sin(np.arange(401) / 5), np.cos(np.arange(401) / 7) + 2], -1)
    reservoir = nodes.Reservoir(
        W=params["recurrent_kernel"][:, 0].T, Win=params["kernel"][:, 0].T, bias=params["bias"][0], lr=0.3
    )
    states, theirs = reservoir.run(xs[:400]), nodes.Ridge(ridge=penalty)
    theirs.fit(states[:300], xs[1:301], warmup=washout)
    _, readout = jaxrnn.fit_readout(cell, params, xs[:300], xs[1:301], penalty=penalty, washout=washout)
    forecast = readout(jaxrnn.scan(cell, params, xs[:400])[1])
    np.testing.assert_allclose(forecast, theirs.run(states), 1e-6, 1e-6)
    assert abs(forecast[100:] - xs[101:]).mean() < 0.1
