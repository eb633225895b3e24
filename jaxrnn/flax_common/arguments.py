"""The arguments of modules for editors, which look at types alone.

What each means, takes and is by default is said once, by the factories; the tests compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Required, TypedDict

from jaxrnn.base.typing import Activation
from jaxrnn.core.factory import Common
from jaxrnn.flax_common.variables import Sharding


class CellArguments(Common, total=False):
    """Of every cell."""

    activation_fn: Activation


class LSTMArguments(CellArguments, total=False):
    """Of `jaxrnn.lstm`."""

    gate_fn: Activation
    output_activation: Activation
    forget_gate: bool
    forget_bias: float
    peepholes: bool
    spatial: tuple[int, ...] | None
    coupled: bool
    projection: int | None
    cell_clip: float | None
    layer_norm: bool
    chrono: float | None
    truncated_gradient: bool


class ConvLSTMArguments(LSTMArguments, total=False):
    """Of `jaxrnn.lstm` on a grid."""

    kernel_size: Required[int | Sequence[int]]
    strides: int | Sequence[int] | None
    padding: str | Sequence[tuple[int, int]]


class GRUArguments(CellArguments, total=False):
    """Of `jaxrnn.gru`."""

    gate_fn: Activation
    reset_after: bool
    chrono: float | None


class ElmanArguments(CellArguments, total=False):
    """Of `jaxrnn.elman`."""

    leak: float
    residual: bool | str


class Layers(TypedDict, total=False):
    """Of layers of cells, and of the NNX `RNN` around them."""

    num_layers: int
    bidirectional: bool
    merge: Any
    dropout: float
    time_major: bool
    return_carry: bool
    reverse: bool
    keep_order: bool
    unroll: int
    stateful: bool
    chunk: int | str | None
    backend: str
    deterministic: bool
    sharding: Sharding | None
    state_axes: Mapping[Any, Any] | None
    broadcast_rngs: Any


class LSTMLayersArguments(LSTMArguments, Layers, total=False):
    """Of layers of `jaxrnn.lstm`."""


class GRULayersArguments(GRUArguments, Layers, total=False):
    """Of layers of `jaxrnn.gru`."""


class ElmanLayersArguments(ElmanArguments, Layers, total=False):
    """Of layers of `jaxrnn.elman`."""
