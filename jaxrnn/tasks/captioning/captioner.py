"""A convolutional encoder that sees a picture, and an LSTM that says what it saw, with or without attention.

    m[1], ..., m[64] = convolutions of the picture, a grid of 8 x 8 cells with M features each

What the decoder knows of them:

    none     their mean, which is the LSTM's first input and its only look (Vinyals et al. 2015, arXiv:1411.4555)
    soft     their mean, from which the LSTM's state starts, and before each word a weighted mean that the state
             before it chooses (Xu et al. 2015, arXiv:1502.03044)

    p(y[t] | y[< t], picture) = softmax(E tanh(W [h[t]; context[t]; embed(y[t - 1])] + b) + a)

where E holds the embeddings of the words too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.cells import lstm
from jaxrnn.core.cell import Cell
from jaxrnn.decode import AttendBefore, Attended, attend_before, bahdanau
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.shared.dense import dense, dense_init, dropout, normalise
from jaxrnn.tasks.shared.describer import Seen
from jaxrnn.train.task import Carry, Params

GRID = 8  # the cells of the feature map in each direction
SHIFT, ZOOM = 4.0, 0.15  # greatest change of a picture in training: pixels in each direction, and in scale
he = jax.nn.initializers.he_normal()


@dataclass(frozen=True)
class CaptionNetwork:
    """The network, as pure functions of its parameters. Pictures are rows of 64 x 64 colours, captions of numbers."""

    attention: str  # none or soft
    channels: int  # M, features of a cell of the grid
    embedding: int  # E, features of a word
    hidden: int  # H, units of the LSTM
    dropout: float  # of what the encoder saw, of embeddings, and of what the readout sees
    words: int  # V

    @property
    def decoder(self) -> Cell | AttendBefore:
        """The cell, inside its attention where there is one."""
        cell = lstm(self.hidden)
        return cell if self.attention == "none" else attend_before(cell, bahdanau(self.hidden))

    @property
    def widths(self) -> tuple[int, ...]:
        """Features before and after each convolution."""
        return (3, max(self.channels // 4, 1), max(self.channels // 2, 1), self.channels)

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""
        encoder, bridge, decoder, words, readout = jax.random.split(key, 5)
        M, E, H = self.channels, self.embedding, self.hidden
        inner = self.decoder
        if isinstance(inner, AttendBefore):
            bridges = zip(("c", "h"), jax.random.split(bridge), strict=True)
            parts = {
                "bridge": {name: dense_init(k, M, H) for name, k in bridges},
                "decoder": inner.init(decoder, inputs=E, memory=M),
            }
        else:
            parts = {"bridge": dense_init(bridge, M, E), "decoder": inner.init(decoder, inputs=E)}
        features = H + E + (M if self.attention == "soft" else 0)
        return parts | {
            "encoder": self._init_encoder(encoder),
            "words": {
                "embedding": 0.1 * jax.random.normal(words, (self.words, E)),
                "bias": jnp.zeros(self.words),
            },
            "readout": dense_init(readout, features, E),
        }

    def _init_encoder(self, key: jax.Array) -> Params:
        keys = jax.random.split(key, len(self.widths) - 1)
        return {
            f"layer_{n}": {
                "kernel": he(k, (3, 3, self.widths[n], self.widths[n + 1])),
                "scale": jnp.ones(self.widths[n + 1]),
                "bias": jnp.zeros(self.widths[n + 1]),
            }
            for n, k in enumerate(keys)
        }

    def cells(self, params: Params, pictures: jax.Array) -> jax.Array:
        """Features [B, 64, M] of the grid's cells, row by row, of pictures [B, 64, 64, 3] from 0, white, to 1."""
        xs = pictures
        for n in range(len(self.widths) - 1):
            layer = params["encoder"][f"layer_{n}"]
            xs = jax.lax.conv_general_dilated(
                xs, layer["kernel"], (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            xs = jax.nn.relu(normalise(layer, xs, (1, 2)))  # each feature over all places of its picture
        return xs.reshape(len(xs), GRID * GRID, self.channels)

    def see(self, params: Params, pictures: jax.Array, rng: jax.Array | None = None) -> Seen:
        """The decoder's start, before it has read a word."""
        values = dropout(rng, self.cells(params, pictures), self.dropout)
        mean, inner, bridge = values.mean(1), self.decoder, params["bridge"]
        if isinstance(inner, AttendBefore):
            cell = lstm(self.hidden).initial_carry(mean.shape[:1])
            cell = type(cell)(c=jnp.tanh(dense(bridge["c"], mean)), h=jnp.tanh(dense(bridge["h"], mean)))
            carry = inner.initial_carry(mean.shape[:1], cell=cell, output=cell.h)
            return Seen(carry, inner.memory(params["decoder"], values))
        carry = inner.initial_carry(mean.shape[:1], params["decoder"])
        return Seen(inner.step(params["decoder"], carry, dense(bridge, mean))[0], ())

    def logits(
        self, params: Params, seen: Seen, words: jax.Array, lengths: jax.Array, rng: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """What may follow each word of given captions [B, T]: logits [T, B, V]; and where it looked, [T, B, 64]."""
        embed_rng, readout_rng = (None, None) if rng is None else jax.random.split(rng)
        xs, inner = dropout(embed_rng, params["words"]["embedding"][words.T], self.dropout), self.decoder
        if isinstance(inner, AttendBefore):
            _, out = inner.scan(params["decoder"], xs, seen.carry, seen.memory, lengths=lengths)
        else:
            _, ys = scan(inner, params["decoder"], xs, seen.carry, lengths=lengths)
            out = Attended(ys, ys[..., :0], ys[..., :0])
        return self._readout(params, out, xs, readout_rng), out.weights

    def step(self, params: Params, memory: Any, carry: Carry, word: jax.Array) -> tuple[Carry, jax.Array]:
        """Read one word [B]; logits [B, V] of the next. With parameters and memory bound `jaxrnn.decode` runs it."""
        x, inner = params["words"]["embedding"][word], self.decoder
        if isinstance(inner, AttendBefore):
            carry, out = inner.step(params["decoder"], carry, x, memory)
        else:
            carry, y = inner.step(params["decoder"], carry, x)
            out = Attended(y, y[..., :0], y[..., :0])
        return carry, self._readout(params, out, x, None)

    def _readout(self, params: Params, out: Attended, x: jax.Array, rng: jax.Array | None) -> jax.Array:
        features = jnp.concatenate([out.output, out.context, x], -1)
        features = jnp.tanh(dense(params["readout"], dropout(rng, features, self.dropout)))
        logits = features @ params["words"]["embedding"].T
        return logits + jnp.broadcast_to(params["words"]["bias"], logits.shape)


def moved(rng: jax.Array, pictures: jax.Array) -> jax.Array:
    """Each picture [B, 64, 64, 3] shifted and zoomed about its middle at random, zeros coming in at its edges."""
    shift_rng, zoom_rng = jax.random.split(rng)
    dtype = pictures.dtype
    shifts = jax.random.uniform(shift_rng, (len(pictures), 2), dtype, -SHIFT, SHIFT)
    zooms = jax.random.uniform(zoom_rng, (len(pictures), 1), dtype, 1 - ZOOM, 1 + ZOOM)
    zooms = jnp.broadcast_to(zooms, shifts.shape)

    def move(picture: jax.Array, zoom: jax.Array, shift: jax.Array) -> jax.Array:
        offset = (1 - zoom) * (len(picture) / 2) + shift
        return jax.image.scale_and_translate(picture, picture.shape, (0, 1), zoom, offset, "linear", antialias=False)

    return jax.vmap(move)(pictures, zooms, shifts)
