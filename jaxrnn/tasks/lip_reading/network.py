"""From the frames of a clip to a sentence: an encoder of frames, GRUs that read both ways, and one of two decoders.

    h = bidirectional GRUs over features(frame[t], frame[t] - frame[t - 1])

    ctc         at every frame a word or the blank; what is said twice in a row, or blank, is not said (Graves et al.
                2006, Connectionist temporal classification)
    attention   word by word, by a GRU that looks at h before each (Bahdanau et al. 2015, arXiv:1409.0473; for speech
                and lips: Chan et al. 2016, Chung et al. 2017)

As in LipNet (Assael et al. 2016, arXiv:1611.01599); convolutions are written as products of neighbouring patches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.cells import gru
from jaxrnn.compose import bidirectional, stack
from jaxrnn.core.layer import Layer
from jaxrnn.decode import AttendBefore, AttendCarry, Memory, attend_before, bahdanau
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.shared.clips import HEIGHT, WIDTH
from jaxrnn.tasks.shared.dense import dense, dense_init, dropout, normalise
from jaxrnn.train.task import Carry, Params

PATCH = 4  # pixels in each direction
GRID = HEIGHT // PATCH, WIDTH // PATCH
CHANNELS = 2  # the frame, and its difference to the one before


@dataclass(frozen=True)
class LipNetwork:
    """The network, as pure functions of its parameters."""

    attention: bool  # the decoder; else CTC
    patch: int  # features of a patch of 4 x 4 pixels, and half of those of a block of 8 x 8
    features: int  # of a frame
    hidden: int  # H, units of the GRUs in each direction, and of the decoder
    layers: int
    embedding: int  # E, features of a word
    dropout: float
    words: int  # V

    @property
    def encoder(self) -> Layer:
        """The GRUs: outputs of both directions side by side."""
        layers = [bidirectional(gru(self.hidden)) for _ in range(self.layers)]
        return stack(layers, dropout=self.dropout)

    @property
    def decoder(self) -> AttendBefore:
        """The GRU inside its attention."""
        return attend_before(gru(self.hidden), bahdanau(self.hidden))

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""
        keys = iter(jax.random.split(key, 8))
        P, H, (rows, columns) = self.patch, self.hidden, GRID
        params = {
            "patches": dense_init(next(keys), 4 * PATCH * PATCH * CHANNELS, P),
            "blocks": dense_init(next(keys), 4 * P, 2 * P),
            "frame": dense_init(next(keys), rows * columns // 4 * 2 * P, self.features),
            "norm": {"scale": jnp.ones(self.features), "bias": jnp.zeros(self.features)},
            "encoder": self.encoder.init(next(keys), inputs=self.features),
            "words": dense_init(next(keys), 2 * H, self.words),
        }
        if self.attention:
            E = self.embedding
            params |= {
                "embedding": 0.1 * jax.random.normal(next(keys), (self.words, E)),
                "decoder": self.decoder.init(next(keys), inputs=E, memory=2 * H),
                "readout": dense_init(next(keys), H + E + 2 * H, self.words),
            }
        return params

    def read(self, params: Params, frames: jax.Array, rng: jax.Array | None = None) -> jax.Array:
        """Features [T, B, 2 H] of every frame of clips [B, T, 32, 48], in the light of the others."""
        see_rng, drop_rng, scan_rng, last_rng = (None,) * 4 if rng is None else jax.random.split(rng, 4)
        before = jnp.concatenate([frames[:, :1], frames[:, :-1]], 1)
        xs = jnp.stack([frames, frames - before], -1).swapaxes(0, 1)  # [T, B, 32, 48, 2]
        xs = jax.nn.relu(dense(params["patches"], _windows(_blocks(xs, PATCH))))
        xs = jax.nn.relu(dense(params["blocks"], _blocks(xs, 2)))
        xs = dense(params["frame"], dropout(see_rng, xs.reshape(*xs.shape[:2], -1), self.dropout))
        xs = dropout(drop_rng, jax.nn.relu(normalise(params["norm"], xs)), self.dropout)
        _, hs = scan(self.encoder, params["encoder"], xs, rng=scan_rng)
        return dropout(last_rng, hs, self.dropout)

    def spot(self, params: Params, hs: jax.Array) -> jax.Array:
        """For CTC: logits [T, B, V] of the word that is said at each frame."""
        return dense(params["words"], hs)

    def attend(self, params: Params, hs: jax.Array) -> tuple[AttendCarry, Memory]:
        """The attending decoder's start, before it has read a word."""
        rows = hs.shape[1:2]
        return self.decoder.initial_carry(rows), self.decoder.memory(params["decoder"], hs.swapaxes(0, 1))

    def logits(
        self, params: Params, hs: jax.Array, words: jax.Array, lengths: jax.Array, rng: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """What may follow each word of given sentences [B, L]: logits [L, B, V]; and where it looked, [L, B, T]."""
        carry, memory = self.attend(params, hs)
        xs = dropout(rng, params["embedding"][words.T], self.dropout)
        _, seen = self.decoder.scan(params["decoder"], xs, carry, memory, lengths=lengths)
        return self._readout(params, seen, xs), seen.weights

    def step(self, params: Params, memory: Memory, carry: Carry, word: jax.Array) -> tuple[Carry, jax.Array]:
        """Read one word [B]; logits [B, V] of the next. With parameters and memory bound `jaxrnn.decode` runs it."""
        x = params["embedding"][word]
        carry, seen = self.decoder.step(params["decoder"], carry, x, memory)
        return carry, self._readout(params, seen, x)

    def _readout(self, params: Params, seen: Any, x: jax.Array) -> jax.Array:
        return dense(params["readout"], jnp.concatenate([seen.output, seen.context, x], -1))


def _blocks(xs: jax.Array, size: int) -> jax.Array:
    """Neighbours side by side: [..., Y, X, C] to [..., Y / size, X / size, size * size * C]."""
    *batch, height, width, channels = xs.shape
    xs = xs.reshape(*batch, height // size, size, width // size, size, channels).swapaxes(-3, -4)
    return xs.reshape(*batch, height // size, width // size, size * size * channels)


def _windows(xs: jax.Array) -> jax.Array:
    """Each place with those to its right, below, and both, [..., Y, X, 4 C]; beyond the edge are zeros."""
    *_, height, width, _ = xs.shape
    padded = jnp.pad(xs, [(0, 0)] * (xs.ndim - 3) + [(0, 1), (0, 1), (0, 0)])
    shifted = [padded[..., y : y + height, x : x + width, :] for y in (0, 1) for x in (0, 1)]
    return jnp.concatenate(shifted, -1)
