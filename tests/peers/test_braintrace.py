"""braintrace's CFN, MGU and MinimalRNN cells, live in float64."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import pytest

from tests.oracles.gating import cfn
from tests.oracles.minimal import mgu, minimal_rnn
from tests.peers.live import D, H, agree, by_jax, by_oracle, case
from tests.promotion import default_promotion

braintrace = pytest.importorskip("braintrace")
Weights = Callable[[dict[str, Any]], dict[str, Any]]


def layer(weight: Any, bias: Any) -> Callable[[Any], Any]:
    return lambda v: v @ weight + bias


def both(p: dict[str, Any], gate: int) -> Callable[[Any], Any]:
    return layer(jnp.concatenate([p["kernel"][:, gate], p["recurrent_kernel"][:, gate]]), p["bias"][gate])


CELLS: dict[str, tuple[Any, dict[str, tuple[int, ...]], Weights]] = {
    "CFNCell": (
        cfn,
        {"kernel": (D, 3, H), "recurrent_kernel": (H, 2, H), "bias": (2, H)},
        lambda p: {"Wf": both(p, 0), "Wi": both(p, 1), "Wh": lambda x: x @ p["kernel"][:, 2]},
    ),
    "MGUCell": (
        mgu,
        {"kernel": (D, 2, H), "recurrent_kernel": (H, 2, H), "bias": (2, H)},
        lambda p: {"Wf": both(p, 0), "Wh": both(p, 1)},
    ),
    "MinimalRNNCell": (
        minimal_rnn,
        {"kernel": (D, 1, H), "recurrent_kernel": (H, 1, H), "latent_kernel": (H, H), "bias": (2, H)},
        lambda p: {
            "phi": lambda x: jnp.tanh(x @ p["kernel"][:, 0] + p["bias"][0]),  # by default it is linear
            "W_u": layer(jnp.concatenate([p["latent_kernel"], p["recurrent_kernel"][:, 0]]), p["bias"][1]),
        },
    ),
}


@pytest.mark.parametrize("name", CELLS)
def test_outputs_and_gradients(name):
    equations, shapes, layers = CELLS[name]
    with default_promotion():
        cell = getattr(braintrace.nn, name)(D, H)

    def step(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
        """Its layers and its state become plain ones, since JAX's own transformations may not write into the others."""
        for part, function in layers(p).items():
            object.__setattr__(cell, part, function)
        object.__setattr__(cell, "h", SimpleNamespace(value=carry[0]))
        h = cell.update(x)
        return (h,), h

    drawn = case(shapes, [(H,)])
    with default_promotion():
        theirs = by_jax(step, drawn)
    agree(theirs, by_oracle(equations, drawn))
