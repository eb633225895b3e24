"""The network that tells how a film goes on: one stack of LSTMs reads, another, which begins where it ends, tells.

    carry = reader over frames 1 to 10
    h[t] = teller from that carry, which sees frame 10 at each step
    frame[10 + t] = sigmoid(h[t] W + b)

A frame is a grid of patches. ConvLSTMs have a state at each place of the grid; dense LSTMs, beside which they are
measured, see the frame as one vector.

Papers:
    Srivastava, Mansimov & Salakhutdinov, Unsupervised learning of video representations using LSTMs, ICML 2015
    (arXiv:1502.04681). Shi et al., Convolutional LSTM network, NeurIPS 2015 (arXiv:1506.04214).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxrnn.cells import lstm
from jaxrnn.compose import stack
from jaxrnn.core.layer import Layer
from jaxrnn.engine.scan import scan
from jaxrnn.forms import convolution
from jaxrnn.tasks.frame_prediction.films import SIZE, TOLD
from jaxrnn.tasks.shared.dense import dense, dense_init
from jaxrnn.train.options import check
from jaxrnn.train.task import Params

DARK = -3.0  # what is told at first, a logit: as dark as the films in the mean


@dataclass(frozen=True)
class ModelOptions:
    """The network.

    Args:
        cell: ConvLSTMs, or dense LSTMs.
        hidden: Units of each, at each place of the grid where it has places.
        layers: Of reader and teller.
        window: Places, each way, that a ConvLSTM sees of its input and of its state.
        patch: Pixels of a frame, each way, that are one place.
    """

    cell: Literal["convolution", "dense"] = "convolution"
    hidden: int = 32
    layers: int = 2
    window: int = 3
    patch: int = 2

    def __post_init__(self) -> None:
        for name in ("hidden", "layers", "window"):
            check(getattr(self, name) >= 1, f"model.{name}", "1 or more", getattr(self, name))
        divides = self.patch >= 1 and SIZE % self.patch == 0
        check(divides, "model.patch", f"a divisor of the {SIZE} pixels of a frame", self.patch)


@dataclass(frozen=True)
class FrameNetwork:
    """Pure functions of parameters; static."""

    options: ModelOptions

    @property
    def features(self) -> int:
        """Of a place, or of the whole frame."""
        return self.options.patch**2 if self.options.cell == "convolution" else SIZE**2

    @cached_property
    def layer(self) -> Layer:
        """Reader and teller, alike, each with parameters of its own."""
        m = self.options
        window = convolution((m.window, m.window))
        forms: dict[str, Any] = {"input": window, "recurrent": window} if m.cell == "convolution" else {}
        return stack([lstm(m.hidden, peepholes=True, **forms) for _ in range(m.layers)])

    def init(self, key: jax.Array) -> Params:
        """Parameters: reader, teller, and kernel and bias of the readout."""
        reader, teller, readout = jax.random.split(key, 3)
        dark = {"bias": jnp.full(self.features, DARK)}
        return {
            "reader": self.layer.init(reader, inputs=self.features),
            "teller": self.layer.init(teller, inputs=self.features),
            "readout": dense_init(readout, self.options.hidden, self.features) | dark,
        }

    def tell(self, params: Params, frames: jax.Array) -> jax.Array:
        """Logits `[B, 10, 32, 32]` of the frames that follow on `[B, 10, 32, 32]`."""
        xs = self._places(frames).swapaxes(0, 1)
        carry, _ = scan(self.layer, params["reader"], xs)
        last = jnp.broadcast_to(xs[-1], (TOLD, *xs.shape[1:]))
        _, hs = scan(self.layer, params["teller"], last, carry)
        return self._pixels(dense(params["readout"], hs).swapaxes(0, 1))

    def _places(self, frames: jax.Array) -> jax.Array:
        """`[B, T, 32, 32]` as the network sees it: `[B, T, *S, features]`."""
        patch = self.options.patch
        if self.options.cell == "dense":
            return frames.reshape(*frames.shape[:2], -1)
        cut = frames.reshape(*frames.shape[:2], SIZE // patch, patch, SIZE // patch, patch)
        return cut.swapaxes(3, 4).reshape(*frames.shape[:2], SIZE // patch, SIZE // patch, -1)

    def _pixels(self, places: jax.Array) -> jax.Array:
        """The reverse."""
        patch = self.options.patch
        if self.options.cell == "convolution":
            cut = places.reshape(*places.shape[:2], SIZE // patch, SIZE // patch, patch, patch)
            places = cut.swapaxes(3, 4)
        return places.reshape(*places.shape[:2], SIZE, SIZE)
