"""Two recurrent readers of a story and a question: one reads word by word, the other weighs the sentences.

Both are plain functions of parameters and a batch, which give the logits of the answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.base.typing import ArrayLike
from jaxrnn.cells import lstm
from jaxrnn.core.cell import Cell
from jaxrnn.core.gate_cell import gate_cell
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.question_answering.stories import Passage, Sentences
from jaxrnn.tasks.shared.dense import dense, dense_init, dropout
from jaxrnn.train.task import Params

# A word switches on a single row of a kernel: its fan-in is one, not the size of the vocabulary.
one_row = jax.nn.initializers.normal(0.5)
embedding = jax.nn.initializers.normal(0.1)


@dataclass(frozen=True)
class LSTMReader:
    """An LSTM reads the story, then the question, word by word; its last state gives the answer.

    p(answer) = softmax(h[T] W + b)
    """

    words: int
    answers: int
    hidden: int
    dropout: float

    @property
    def cell(self) -> Cell:
        """The recurrent part; words are given by number, so its kernel is the table of their embeddings."""
        return lstm(self.hidden, kernel_init=one_row)

    def init(self, key: jax.Array) -> Params:
        """Parameters {"rnn": ..., "readout": {"kernel": [H, A], "bias": [A]}}."""
        rnn, readout = jax.random.split(key)
        return {
            "rnn": self.cell.init(rnn, inputs=self.words),
            "readout": dense_init(readout, self.hidden, self.answers),
        }

    def logits(self, params: Params, text: Passage, rng: jax.Array | None) -> jax.Array:
        """Of the answers, [B, A]; dropout where a key is given."""
        carry, _ = scan(self.cell, params["rnn"], jnp.asarray(text.words).T, lengths=text.lengths)
        return dense(params["readout"], dropout(rng, carry.h, self.dropout))


class Reduced(NamedTuple):
    """The one state of a query-reduction cell."""

    h: jax.Array  # [*B, H]


@gate_cell(gates=("z", "g"), carry=Reduced, paper="Seo et al. 2017")
def query_reduction(carry, x, recur, theta):  # recur is not called: the gates see no state
    """What a sentence makes of the question, let in by a gate that has seen both: h' = (1 - z) h + z tanh(g)."""
    z = jax.nn.sigmoid(x.z)
    h = (1 - z) * carry.h + z * jnp.tanh(x.g)
    return Reduced(h), h


@dataclass(frozen=True)
class AttentiveReader:
    """A query-reduction network: at every hop the sentences turn the question into one that is easier to answer.

    x[s] = sum over words w of p[w] * E[w]        a sentence: embeddings E, weighted by position
    v[s] = [x[s] * q[s], x[s], q[s]]              q: at first the question, encoded as a sentence is
    z[s] = sigmoid(v[s] W_z + b_z)                how much the sentence matters to the question
    g[s] = tanh(v[s] W_g + b_g)                   what it makes of the question
    h[s] = (1 - z[s]) h[s-1] + z[s] g[s]          read forward and, with other W and b, backward
    q[s] <- forward h[s] + backward h[s]          the question of the next hop
    p(answer) = softmax(h[S] W + b)               the last hop reads forward only

    The gates are its attention: a sentence's share in a state is its z, times the 1 - z of all sentences read since.
    Seo, Min, Farhadi & Hajishirzi, Query-reduction networks for question answering, ICLR 2017 (arXiv:1606.04582), with
    a gate for each unit. Position encoding: Sukhbaatar et al. 2015 (arXiv:1503.08895).
    """

    words: int
    answers: int
    hidden: int
    hops: int
    dropout: float

    @property
    def cell(self) -> Cell:
        """One direction of one hop: without a recurrent kernel, which nothing would multiply."""
        cell = query_reduction(self.hidden)
        kept = tuple((name, array) for name, array in cell.parameters if name != "recurrent_kernel")
        return replace(cell, parameters=kept)

    @property
    def passes(self) -> list[tuple[int, str]]:
        """Hops and directions, in the order of reading."""
        both = [(hop, way) for hop in range(self.hops - 1) for way in ("forward", "backward")]
        return [*both, (self.hops - 1, "forward")]

    def init(self, key: jax.Array) -> Params:
        """Parameters {"embedding" [V, H], "hop_0": {"forward": ..., "backward": ...}, ..., "readout"}."""
        words, readout, *keys = jax.random.split(key, 2 + len(self.passes))
        params: Params = {"embedding": embedding(words, (self.words, self.hidden))}
        for (hop, way), one in zip(self.passes, keys, strict=True):
            params.setdefault(f"hop_{hop}", {})[way] = self.cell.init(one, inputs=3 * self.hidden)
        return params | {"readout": dense_init(readout, self.hidden, self.answers)}

    def logits(self, params: Params, text: Sentences, rng: jax.Array | None) -> jax.Array:
        """Of the answers, [B, A]; dropout where a key is given."""
        return self.read(params, text, rng)[0]

    @partial(jax.jit, static_argnums=0)
    def read(self, params: Params, text: Sentences, rng: jax.Array | None) -> tuple[jax.Array, jax.Array]:
        """Logits of the answers [B, A], and how far each sentence opened the gates, mean over units [passes, B, S]."""
        drop = [partial(dropout, key, rate=self.dropout) for key in _split(rng, self.hops + 2)]
        x = drop[0](bag(params["embedding"], text.story, text.words)).swapaxes(0, 1)  # [S, B, H]
        q = drop[1](bag(params["embedding"], text.question, text.question_words))
        q, h, gates = jnp.broadcast_to(q, x.shape), {}, []
        for hop, way in self.passes:
            weights = params[f"hop_{hop}"][way]
            net = self.cell.project(weights, jnp.concatenate([x * q, x, q], -1))
            carry, h[way] = scan(
                self.cell, weights, net, lengths=text.sentences, reverse=way == "backward", projected=True
            )
            gates.append(jax.nn.sigmoid(net[:, :, 0]).mean(-1).T)
            if way == "backward":
                q = drop[2 + hop](h["forward"] + h["backward"])
        return dense(params["readout"], drop[-1](carry.h)), jnp.stack(gates)


def bag(table: jax.Array, words: ArrayLike, lengths: ArrayLike) -> jax.Array:
    """Sentences of word numbers [*B, W] as sums of embeddings [*B, H], each weighted by its place.

    Word j of J weighs (1 - j/J) - (h/H) (1 - 2j/J) in unit h (Sukhbaatar et al. 2015, section 4.1), so that the order
    of the words is not lost.
    """
    words, lengths = jnp.asarray(words), jnp.asarray(lengths)
    place = jnp.arange(1, words.shape[-1] + 1, dtype=lengths.dtype)
    place = jnp.broadcast_to(place, words.shape)  # [*B, W]
    valid = place <= lengths[..., None]
    share = place.astype(table.dtype) / jnp.maximum(lengths, 1).astype(table.dtype)[..., None]
    embedded = table[jnp.where(valid, words, 0)]  # [*B, W, H]
    plain, tilted = (
        jnp.einsum("...w,...wh->...h", jnp.where(valid, w, 0), embedded) for w in (1 - share, 1 - 2 * share)
    )
    unit = jnp.arange(1, table.shape[-1] + 1, dtype=table.dtype) / table.shape[-1]
    return plain - tilted * jnp.broadcast_to(unit, tilted.shape)


def _split(rng: jax.Array | None, count: int) -> list[jax.Array | None]:
    return [None] * count if rng is None else list(jax.random.split(rng, count))
