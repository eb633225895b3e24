"""memax's minimal gated unit, live in float64, and its LRU."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from tests.oracles.minimal import mgu
from tests.peers.live import H, agree, by_jax, by_oracle, case

equinox = pytest.importorskip("equinox")
cells = pytest.importorskip("memax.equinox.set_actions.mgu", exc_type=ImportError)


def test_mgu():
    """Its inputs have the state's size."""

    def step(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
        weights = [p["recurrent_kernel"][:, k].T for k in (1, 0)] + [p["kernel"][:, k].T for k in (1, 0)]
        cell = equinox.tree_at(
            lambda c: (*(m.weight for m in (c.U_h, c.U_f, c.W_h, c.W_f)), c.W_h.bias, c.W_f.bias),
            cells.MGUSetAction(H, jax.random.key(0)),
            (*weights, p["bias"][1], p["bias"][0]),
        )
        h = jax.vmap(cell)(carry[0], x)
        return (h,), h

    drawn = case({"kernel": (H, 2, H), "recurrent_kernel": (H, 2, H), "bias": (2, H)}, [(H,)], x=(H,))
    agree(by_jax(step, drawn), by_oracle(mgu, drawn))


def test_lru():
    """memax computes it in complex64, whatever the inputs; its D is a vector, ours the kernel of a gate."""
    lru = pytest.importorskip("memax.equinox.semigroups.lru", exc_type=ImportError).LRU
    rng = np.random.default_rng(0)
    cell = jaxrnn.lru(H)
    params = jax.tree.map(np.array, cell.init(jax.random.key(3), H))
    skip = rng.standard_normal(H)
    params["kernel"][:, 2] = np.diag(skip)
    nu, theta, gamma = params["ring"]
    names = ("nu_log", "theta_log", "gamma_log", "B_re", "B_im", "C_re", "C_im", "D")
    b, c = params["kernel"], (params["output_re"].T, -params["output_im"].T)
    xs, starts = rng.standard_normal((9, H)), np.arange(9) % 4 == 3
    with jax.numpy_dtype_promotion("standard"):
        new = (nu, theta, gamma, b[:, 0].T, b[:, 1].T, *c, skip)
        theirs = equinox.tree_at(lambda m: tuple(getattr(m, n) for n in names), lru(H, H, jax.random.key(0)), new)
        _, ys = theirs(theirs.initialize_carry(), (jax.numpy.asarray(xs, np.float32), jax.numpy.asarray(starts)))
    ours = jaxrnn.scan(cell, params, xs, resets=starts)[1]
    np.testing.assert_allclose(np.asarray(ys), np.asarray(ours), 1e-5, 1e-5)
