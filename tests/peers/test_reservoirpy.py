"""reservoirpy's leaky reservoir and ridge readout, live: states and weights; its arrays are not differentiated."""

from __future__ import annotations

import numpy as np
import pytest

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
    np.testing.assert_allclose(ys[:, 0], reservoir.run(xs), 1e-12, 1e-12)


@pytest.mark.parametrize("penalty", [1e-6, 0.5])
def test_ridge(penalty):
    rng = np.random.default_rng(1)
    states, targets = rng.standard_normal((40, H)), rng.standard_normal((40, 2)) + 3
    readout = nodes.Ridge(ridge=penalty)
    readout.fit(states, targets)
    kernel, bias = ridge(states, targets, penalty)
    np.testing.assert_allclose(readout.Wout, kernel, 1e-10, 1e-10)
    np.testing.assert_allclose(readout.bias, bias, 1e-10, 1e-10)
