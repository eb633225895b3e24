"""The network of DRAW: encoder and decoder, each a cell, and between them a canvas, read and painted by glimpses.

See `draw` for the equations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxrnn.base.typing import ArrayLike
from jaxrnn.core.cell import Cell
from jaxrnn.decode import glimpse
from jaxrnn.tasks.shared.dense import dense, dense_init
from jaxrnn.tasks.shared.mnist import SIDE
from jaxrnn.tasks.shared.network import CELLS
from jaxrnn.train.options import check
from jaxrnn.train.task import Params

SHAPE = (SIDE, SIDE)
DARK = -2.0  # the canvas at first, a logit: one pixel in eight of MNIST is white
LOG_VARIANCE = 2.0  # of the filters at first: wide enough that those of a coarse grid overlap


@dataclass(frozen=True)
class ModelOptions:
    """The network.

    Args:
        glimpses: T, the steps of a picture.
        cell: Of encoder and decoder.
        hidden: Units of each.
        latent: Z, numbers that the encoder tells the decoder at each step.
        attention: Read and write patches; otherwise the whole picture.
        read: With attention: filters across and down to read by.
        write: With attention: filters across and down to write by.
    """

    glimpses: int = 16
    cell: Literal["elman", "lstm_1997", "lstm", "lstm_peepholes", "gru"] = "lstm"
    hidden: int = 256
    latent: int = 100
    attention: bool = True
    read: int = 2
    write: int = 5

    def __post_init__(self) -> None:
        for name in ("glimpses", "hidden", "latent", "read", "write"):
            check(getattr(self, name) >= 1, f"model.{name}", "1 or more", getattr(self, name))
        check(self.cell in CELLS, "model.cell", f"one of {', '.join(CELLS)}", self.cell)


class State(NamedTuple):
    """What goes from glimpse to glimpse."""

    canvas: jax.Array  # logits [B, 28, 28]
    encoder: Any  # the cells' carries, [B, H]
    decoder: Any


class Glimpses(NamedTuple):
    """What the steps leave behind; places are parameters of `jaxrnn.decode.glimpse.place`, None without attention."""

    canvas: jax.Array  # logits [T, B, 28, 28], after each step
    write: Any  # [T, B, 5]
    read: Any = None  # [T, B, 5]; None too where there is no picture to read
    kl: Any = None  # nats [T, B]; None likewise


@dataclass(frozen=True)
class DrawNetwork:
    """Pure functions of parameters; static."""

    options: ModelOptions

    @cached_property
    def cell(self) -> Cell:
        """Encoder and decoder; they begin in a learned state."""
        return CELLS[self.options.cell](self.options.hidden, learn_carry=True)

    def init(self, key: jax.Array) -> Params:
        """Parameters: canvas [28, 28], the cells encoder and decoder, and kernel and bias of latent, read and write."""
        m, pixels = self.options, SIDE * SIDE
        keys = jax.random.split(key, 5)
        params = {
            "canvas": jnp.full(SHAPE, DARK),
            "encoder": self.cell.init(keys[0], inputs=m.hidden + 2 * (m.read**2 if m.attention else pixels)),
            "decoder": self.cell.init(keys[1], inputs=m.latent),
            "latent": dense_init(keys[2], m.hidden, 2 * m.latent),
            "write": dense_init(keys[3], m.hidden, m.write**2 if m.attention else pixels),
        }
        if m.attention:
            place = jnp.zeros(glimpse.PARAMETERS).at[2].set(LOG_VARIANCE)
            for name, key in zip(("read_place", "write_place"), jax.random.split(keys[4]), strict=True):
                params[name] = dense_init(key, m.hidden, glimpse.PARAMETERS) | {"bias": place}
        return params

    def noise(self, rng: jax.Array, rows: int, dtype: Any) -> jax.Array:
        """What the latent values of a number of pictures are drawn by, [T, B, Z]."""
        return jax.random.normal(rng, (self.options.glimpses, rows, self.options.latent), dtype)

    def _begin(self, params: Params, rows: int) -> State:
        """Before the first glimpse."""
        canvas = jnp.broadcast_to(params["canvas"], (rows, *SHAPE))
        return State(canvas, *(self.cell.initial_carry((rows,), params[name]) for name in ("encoder", "decoder")))

    def _read(self, params: Params, state: State, pixels: ArrayLike) -> tuple[jax.Array, jax.Array | None]:
        """What the encoder sees of a picture [B, 28, 28] and of what it lacks: [B, 2 N^2]; and the place."""
        images = [pixels, pixels - jax.nn.sigmoid(state.canvas)]
        if not self.options.attention:
            return _side_by_side(images), None
        place = dense(params["read_place"], state.decoder.h)
        filters = glimpse.filterbank(place, self.options.read, SHAPE)
        return _side_by_side([glimpse.read(filters, image) for image in images]), place

    def _paint(self, params: Params, state: State, z: ArrayLike) -> tuple[State, jax.Array | None]:
        """The step of the decoder that latent values [B, Z] lead to; and the place."""
        decoder, h = self.cell.step(params["decoder"], state.decoder, z)
        place: jax.Array | None = None
        strokes = dense(params["write"], h)
        if self.options.attention:
            place = dense(params["write_place"], h)
            patch = strokes.reshape(len(z), self.options.write, self.options.write)
            strokes = glimpse.write(glimpse.filterbank(place, self.options.write, SHAPE), patch)
        canvas = state.canvas + strokes.reshape(state.canvas.shape)
        return state._replace(canvas=canvas, decoder=decoder), place

    def copy(self, params: Params, pixels: ArrayLike, noise: ArrayLike) -> tuple[jax.Array, Glimpses]:
        """Paint what the encoder sees.

        Args:
            params: the parameters.
            pixels: `[B, 28, 28]`, 0 or 1, floating.
            noise: `[T, B, Z]`, from a standard normal distribution.

        Returns:
            The last canvas, logits `[B, 28, 28]`, and all glimpses.
        """

        def step(state: State, noise: Any) -> tuple[State, Glimpses]:
            seen, look = self._read(params, state, pixels)
            inputs = jnp.concatenate([seen, state.decoder.h], -1)
            encoder, h = self.cell.step(params["encoder"], state.encoder, inputs)
            mean, log_deviation = jnp.split(dense(params["latent"], h), 2, -1)
            deviation = jnp.exp(log_deviation)
            kl = ((mean**2 + deviation**2 - 1) / 2 - log_deviation).sum(-1)
            state, pen = self._paint(params, state._replace(encoder=encoder), mean + deviation * noise)
            return state, Glimpses(state.canvas, pen, look, kl)

        state, glimpses = jax.lax.scan(step, self._begin(params, len(pixels)), noise)
        return state.canvas, glimpses

    def imagine(self, params: Params, z: ArrayLike) -> Glimpses:
        """Paint from latent values [T, B, Z], such as draws from a standard normal distribution."""

        def step(state: State, z: Any) -> tuple[State, Glimpses]:
            state, pen = self._paint(params, state, z)
            return state, Glimpses(state.canvas, pen)

        return jax.lax.scan(step, self._begin(params, z.shape[1]), z)[1]

    def bound(self, params: Params, pixels: ArrayLike, noise: ArrayLike) -> tuple[jax.Array, jax.Array]:
        """The loss of each picture in its two parts, nats [B]: (reconstruction, kl); arguments as `copy` has them."""
        canvas, glimpses = self.copy(params, pixels, noise)
        return optax.sigmoid_binary_cross_entropy(canvas, pixels).sum((-2, -1)), glimpses.kl.sum(0)


def _side_by_side(images: Sequence[ArrayLike]) -> jax.Array:
    """Pictures of each row as one vector, [B, everything]."""
    return jnp.concatenate([image.reshape(len(image), -1) for image in images], -1)
