"""An encoder that reads a sentence both ways, and a decoder that writes another, with or without attention.

    h = bidirectional(embed(source)),    s_0 = tanh(W [last h forward; last h backward])

What the decoder writes at a step depends on its state and on a context:

    none         the context is the encoder's last states at all times (Cho et al. 2014, arXiv:1406.1078)
    bahdanau     attention before the step, additive (Bahdanau et al. 2015, arXiv:1409.0473)
    luong        attention after the step, multiplicative (Luong et al. 2015, arXiv:1508.04025)

    p(y[t] | y[< t], source) = softmax(E tanh(W [state; context; embed(y[t - 1])] + b) + a)

where E holds the embeddings of the target words too (Press & Wolf 2017, arXiv:1608.05859).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.compose import bidirectional
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import Layer
from jaxrnn.decode import Attend, AttendBefore, Attended, attend_after, attend_before, bahdanau, luong
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.shared.dense import dense, dense_init, dropout
from jaxrnn.tasks.shared.network import CELLS
from jaxrnn.train.task import Carry, Params


class Encoded(NamedTuple):
    """What the decoder starts from."""

    carry: Carry
    memory: Any  # what is attended to; without attention the summary [B, 2 H]


@dataclass(frozen=True)
class EncoderDecoder:
    """The network, as pure functions of its parameters. Sentences are rows of word numbers with lengths."""

    attention: str  # none, bahdanau or luong
    cell: str  # gru or lstm
    embedding: int  # E, features of a word
    hidden: int  # H, units of the decoder, and of the encoder in each direction
    dropout: float  # of embeddings and of what the readout sees
    source: int  # words
    target: int  # V, words

    @property
    def encoder(self) -> Layer:
        """Outputs of both directions side by side."""
        return bidirectional(CELLS[self.cell](self.hidden))

    @property
    def decoder(self) -> Cell | Attend:
        """The cell, inside its attention where there is one."""
        cell = CELLS[self.cell](self.hidden)
        if self.attention == "none":
            return cell
        return (
            attend_before(cell, bahdanau(self.hidden)) if self.attention == "bahdanau" else attend_after(cell, luong())
        )

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""
        keys = dict(
            zip(("source", "target", "encoder", "bridge", "decoder", "readout"), jax.random.split(key, 6), strict=True)
        )
        E, H, decoder = self.embedding, self.hidden, self.decoder
        if isinstance(decoder, Attend):
            inside = decoder.init(keys["decoder"], inputs=E, memory=2 * H)
        else:
            inside = decoder.init(keys["decoder"], inputs=E + 2 * H)
        fields = CELLS[self.cell](H).initial_carry(())._fields
        bridges = jax.random.split(keys["bridge"], len(fields))
        features = E + H + (0 if self.attention == "luong" else 2 * H)  # Luong's output holds the context already
        return {
            "source": {"embedding": 0.1 * jax.random.normal(keys["source"], (self.source, E))},
            "target": {
                "embedding": 0.1 * jax.random.normal(keys["target"], (self.target, E)),
                "bias": jnp.zeros(self.target),
            },
            "encoder": self.encoder.init(keys["encoder"], inputs=E),
            "bridge": {name: dense_init(k, 2 * H, H) for name, k in zip(fields, bridges, strict=True)},
            "decoder": inside,
            "readout": dense_init(keys["readout"], features, E),
        }

    def encode(self, params: Params, source: jax.Array, lengths: jax.Array, rng: jax.Array | None = None) -> Encoded:
        """Read sentences [B, S]."""
        xs = dropout(rng, params["source"]["embedding"][source.T], self.dropout)  # [S, B, E]
        last, hs = scan(self.encoder, params["encoder"], xs, lengths=lengths)
        joined = jax.tree.map(lambda f, b: jnp.concatenate([f, b], -1), last.forward, last.backward)
        carry = type(joined)(*(jnp.tanh(dense(params["bridge"][n], a)) for n, a in joined._asdict().items()))
        decoder = self.decoder
        if not isinstance(decoder, Attend):
            return Encoded(carry, joined.h)
        memory = decoder.memory(params["decoder"], hs.swapaxes(0, 1), lengths=lengths)
        if isinstance(decoder, AttendBefore):
            return Encoded(decoder.initial_carry(lengths.shape, cell=carry, output=carry.h), memory)
        return Encoded(decoder.initial_carry(lengths.shape, cell=carry), memory)

    def logits(
        self, params: Params, encoded: Encoded, words: jax.Array, lengths: jax.Array, rng: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """What may follow each word of given sentences [B, T]: logits [T, B, V]; and where it looked, [T, B, S]."""
        embed_rng, readout_rng = (None, None) if rng is None else jax.random.split(rng)
        xs, decoder = (
            dropout(embed_rng, params["target"]["embedding"][words.T], self.dropout),
            self.decoder,
        )  # [T, B, E]
        if isinstance(decoder, Attend):
            _, seen = decoder.scan(params["decoder"], xs, encoded.carry, encoded.memory, lengths=lengths)
        else:
            summary = jnp.broadcast_to(encoded.memory, (*xs.shape[:-1], encoded.memory.shape[-1]))
            joined = jnp.concatenate([xs, summary], -1)
            _, ys = scan(decoder, params["decoder"], joined, encoded.carry, lengths=lengths)
            seen = Attended(ys, summary, jnp.zeros((*words.T.shape, 0)))
        return self._readout(params, seen, xs, readout_rng), seen.weights

    def step(self, params: Params, memory: Any, carry: Carry, word: jax.Array) -> tuple[Carry, jax.Array]:
        """Read one word [B]; logits [B, V] of the next. With parameters and memory bound `jaxrnn.decode` runs it."""
        x, decoder = params["target"]["embedding"][word], self.decoder
        if isinstance(decoder, Attend):
            carry, seen = decoder.step(params["decoder"], carry, x, memory)
        else:
            carry, y = decoder.step(params["decoder"], carry, jnp.concatenate([x, memory], -1))
            seen = Attended(y, memory, memory[..., :0])
        return carry, self._readout(params, seen, x, None)

    def _readout(self, params: Params, seen: Attended, x: jax.Array, rng: jax.Array | None) -> jax.Array:
        context = [] if self.attention == "luong" else [seen.context]
        features = jnp.tanh(dense(params["readout"], jnp.concatenate([seen.output, *context, x], -1)))
        logits = dropout(rng, features, self.dropout) @ params["target"]["embedding"].T
        return logits + jnp.broadcast_to(params["target"]["bias"], logits.shape)
