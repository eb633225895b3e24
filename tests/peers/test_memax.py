"""memax's minimal gated unit, live in float64."""

from __future__ import annotations

from typing import Any

import jax
import pytest

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
