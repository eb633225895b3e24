"""What the calls of modules have in common: arguments, and their types where an annotation says less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.nnx
import numpy as np

import jaxrnn
from tests.wrong_calls.calls import annotations
from tests.wrong_calls.core import COMMON, B, D, H, T

X = np.ones((B, T, D), np.float32)
STATE = np.zeros((B, H), np.float32)
FLAX = {"activation": "activation_fn", "gate_activation": "gate_fn"}
SETTINGS = dict(sharding="dict | None", state_axes="dict | None", broadcast_rngs="Any", rngs="Rngs | bool")
SEQUENCE = dict(
    inputs="array",
    initial_carry="array | tuple | list | None",
    reset_carry="array | tuple | list | None",
    rngs="key | None",
    init_key="key | None",
    start_step="int | array | None",
    step="int | array",
    per_step="dict | None",
    mask="array | None",
    resets="array | None",
    segments="array | None",
    rng="key | None",
    carry="array | tuple | list",
    batch="tuple | None",
    input_shape="tuple",
    weights="list",
    initial_state="array | tuple | list | None",
    states="array | tuple | list",
)
WINDOW = dict(kernel_size="int | tuple | list", strides="int | tuple | list | None", padding="str | tuple | list")
FACTORIES: dict[str, Callable[..., Any]] = {"LSTM": jaxrnn.lstm, "GRU": jaxrnn.gru, "Elman": jaxrnn.elman}


def rngs() -> flax.nnx.Rngs:
    return flax.nnx.Rngs(0)


def options_of(factory: Callable[..., Any]) -> dict[str, str]:
    """The options of a factory under Flax's names."""
    found = annotations(factory) | COMMON
    return {FLAX.get(name, name): text for name, text in found.items() if name != "size"}
