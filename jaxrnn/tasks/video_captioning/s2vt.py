"""Sequence to sequence, video to text: two LSTMs, one above the other, watch all frames and then write.

    watching    a[t] = lstm_1(frame[t]),    b[t] = lstm_2([a[t]; 0])
    writing     a[t] = lstm_1(0),           b[t] = lstm_2([a[t]; embed(y[t - 1])])

    p(y[t] | y[< t], video) = softmax(E tanh(W [b[t]; embed(y[t - 1])] + c) + d)

where E holds the embeddings of the words too. The zeros are the paper's <pad>.
Venugopalan et al. 2015 (arXiv:1505.00487).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.cells import lstm
from jaxrnn.core.cell import Cell
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.shared.dense import dense, dense_init, dropout
from jaxrnn.tasks.shared.describer import Seen
from jaxrnn.train.task import Carry, Params


@dataclass(frozen=True)
class S2VT:
    """The network, as pure functions of its parameters. Videos are rows of features [T, F], captions of numbers."""

    features: int  # F, of a frame
    projected: int  # to so many before the first LSTM
    embedding: int  # E, features of a word
    hidden: int  # H, units of each LSTM
    dropout: float  # of frames, of embeddings, and of what the readout sees
    words: int  # V

    @property
    def cell(self) -> Cell:
        """Either LSTM."""
        return lstm(self.hidden)

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""
        frames, first, second, words, readout = jax.random.split(key, 5)
        P, E, H = self.projected, self.embedding, self.hidden
        return {
            "frames": dense_init(frames, self.features, P),
            "first": self.cell.init(first, inputs=P),
            "second": self.cell.init(second, inputs=H + E),
            "words": {
                "embedding": 0.1 * jax.random.normal(words, (self.words, E)),
                "bias": jnp.zeros(self.words),
            },
            "readout": dense_init(readout, H + E, E),
        }

    def see(self, params: Params, videos: jax.Array, rng: jax.Array | None = None) -> Seen:
        """The carries of both LSTMs after all frames of videos [B, T, F]."""
        before_rng, after_rng = (None, None) if rng is None else jax.random.split(rng)
        xs = dense(params["frames"], dropout(before_rng, videos.swapaxes(0, 1), self.dropout))
        first, hs = scan(self.cell, params["first"], dropout(after_rng, xs, self.dropout))
        silence = jnp.zeros((*hs.shape[:-1], self.embedding), hs.dtype)
        second, _ = scan(self.cell, params["second"], jnp.concatenate([hs, silence], -1))
        return Seen((first, second), ())

    def logits(
        self, params: Params, seen: Seen, words: jax.Array, lengths: jax.Array, rng: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """What may follow each word of given captions [B, T]: logits [T, B, V]; it looks at nothing, [T, B, 0]."""
        embed_rng, readout_rng = (None, None) if rng is None else jax.random.split(rng)
        first, second = seen.carry
        xs = dropout(embed_rng, params["words"]["embedding"][words.T], self.dropout)
        dark = jnp.zeros((*xs.shape[:-1], self.projected), xs.dtype)
        _, hs = scan(self.cell, params["first"], dark, first, lengths=lengths)
        _, ys = scan(self.cell, params["second"], jnp.concatenate([hs, xs], -1), second, lengths=lengths)
        return self._readout(params, ys, xs, readout_rng), ys[..., :0]

    def step(self, params: Params, memory: Any, carry: Carry, word: jax.Array) -> tuple[Carry, jax.Array]:
        """Read one word [B]; logits [B, V] of the next. With parameters and memory bound `jaxrnn.decode` runs it."""
        first, second = carry
        x = params["words"]["embedding"][word]
        dark = jnp.zeros((*x.shape[:-1], self.projected), x.dtype)
        first, h = self.cell.step(params["first"], first, dark)
        second, y = self.cell.step(params["second"], second, jnp.concatenate([h, x], -1))
        return (first, second), self._readout(params, y, x, None)

    def _readout(self, params: Params, y: jax.Array, x: jax.Array, rng: jax.Array | None) -> jax.Array:
        features = jnp.tanh(dense(params["readout"], dropout(rng, jnp.concatenate([y, x], -1), self.dropout)))
        logits = features @ params["words"]["embedding"].T
        return logits + jnp.broadcast_to(params["words"]["bias"], logits.shape)
