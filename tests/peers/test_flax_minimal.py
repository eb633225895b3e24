"""flax.linen's minimal gated unit, live in float64, where it is the paper's: without reset, its gate flipped."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax.numpy as jnp
import pytest

from tests.oracles.minimal import mgu
from tests.peers.live import D, H, agree, by_jax, by_oracle, case

linen = pytest.importorskip("flax.linen")
DRAWN = case({"kernel": (D, 2, H), "recurrent_kernel": (H, 2, H), "bias": (2, H)}, [(H,)])


def step_of(reset: bool) -> Any:
    """Its f keeps the old: all that goes into it changes sign. The biases of the state's side are zero or not there."""
    cell = linen.MGUCell(H, reset_gate=reset, param_dtype=jnp.float64)

    def step(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
        weights: dict[str, Any] = {
            "if": {"kernel": -p["kernel"][:, 0], "bias": -p["bias"][0]},
            "in": {"kernel": p["kernel"][:, 1], "bias": p["bias"][1]},
            "hf": {"kernel": -p["recurrent_kernel"][:, 0]},
            "hn": {"kernel": p["recurrent_kernel"][:, 1]} | ({"bias": jnp.zeros(H)} if reset else {}),
        }
        h, y = cell.apply({"params": weights}, carry[0], x)
        return (h,), y

    return step


def test_without_reset():
    agree(by_jax(step_of(False), DRAWN), by_oracle(partial(mgu, reset=False), DRAWN))


def test_with_reset_it_scales_the_product_and_not_the_state():
    theirs, ours = by_jax(step_of(True), DRAWN), by_oracle(mgu, DRAWN)
    assert abs(theirs["outputs"] - ours["outputs"]).max() > 0.01
