"""From the words of a sentence to the tags: characters to words, words to what may stand there.

    c[t]  = what bidirectional layers of a cell put out last over the characters of word t
    x[t]  = E[word[t]], c[t], A[k, hash of the first and of the last k characters of word t]
    e     = (bidirectional layers of a cell over x) W + b          [T, K], of each tag

A word that is rare has no embedding, and is known by its characters. On top stands a conditional random field (`crf`),
or a softmax at each word. As in Lample et al., Neural architectures for named entity recognition, NAACL 2016; how
words begin and end is looked up by a hash, as in Svenstrup et al., Hash embeddings, NeurIPS 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.core.layer import Layer
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.shared.dense import dense, dense_init, dropout
from jaxrnn.tasks.shared.first_parameters import first_parameters
from jaxrnn.tasks.shared.readers import both_ways, ends
from jaxrnn.tasks.tag import crf
from jaxrnn.tasks.tag.options import ModelOptions
from jaxrnn.train.task import Params

AFFIX = 4  # characters of the longest beginning or ending that is looked up
BUCKETS, FACTOR = 2039, 263  # of their hash; primes


class Sentences(NamedTuple):
    """A batch; rows first."""

    words: np.ndarray  # int32 [B, T]
    lengths: np.ndarray  # int32 [B], 0 where a row has no sentence
    characters: np.ndarray  # int32 [B, T, C]
    sizes: np.ndarray  # int32 [B, T], characters of each word
    tags: np.ndarray  # int32 [B, T]


@dataclass(frozen=True)
class Network:
    """The network, as pure functions of its parameters."""

    model: ModelOptions
    words: int  # V
    letters: tuple[int, ...]  # code points of the symbols in words
    tags: int  # K
    unknown: int  # the number of the unknown word

    @cached_property
    def speller(self) -> Layer:
        """What reads the characters of a word."""
        return both_ways(self.model.cell, self.model.characters)

    @cached_property
    def encoder(self) -> Layer:
        """What reads the words of a sentence."""
        return both_ways(self.model.cell, self.model.hidden, self.model.layers, self.model.dropout)

    def init(self, key: jax.Array) -> Params:
        """Parameters {"words" [V, E], "characters", "speller", "encoder", "readout", "transitions"}."""
        keys = jax.random.split(key, 5)
        model, features = self.model, self.model.words
        params: Params = {"words": 0.1 * jax.random.normal(keys[0], (self.words, model.words))}
        if model.characters:
            params["characters"] = 0.1 * jax.random.normal(keys[1], (len(self.letters), model.characters))
            params["speller"] = first_parameters(self.speller, keys[2], model.characters, model.cell)
            features += self.speller.output_size
        if model.affixes:
            shape = (2 * AFFIX * BUCKETS, model.affixes)
            params["affixes"] = 0.1 * jax.random.normal(jax.random.fold_in(keys[1], 1), shape)
            features += 2 * AFFIX * model.affixes
        params["encoder"] = first_parameters(self.encoder, keys[3], features, model.cell)
        params["readout"] = dense_init(keys[4], self.encoder.output_size, self.tags)
        if model.crf:
            params["transitions"] = crf.Transitions.zeros(self.tags)._asdict()
        return params

    def emissions(
        self,
        params: Params,
        words: jax.Array,
        lengths: jax.Array,
        characters: jax.Array,
        sizes: jax.Array,
        rng: jax.Array | None = None,
    ) -> jax.Array:
        """Scores [T, B, K] of each tag at each word, of arrays as `Sentences` has them."""
        blank_rng, in_rng, scan_rng, out_rng = (None,) * 4 if rng is None else jax.random.split(rng, 4)
        valid = jnp.arange(words.shape[1], dtype=lengths.dtype)[None] < lengths[:, None]
        words = jnp.where(valid, words, 0)
        if blank_rng is not None and self.model.blanks:
            words = jnp.where(jax.random.bernoulli(blank_rng, self.model.blanks, words.shape), self.unknown, words)
        xs = params["words"][words]
        if self.model.characters:
            xs = jnp.concatenate([xs, self._spelt(params, characters, jnp.where(valid, sizes, 0))], -1)
        if self.model.affixes:
            letters = jnp.array(self.letters, sizes.dtype)[characters]
            found = params["affixes"][affixes(letters, jnp.where(valid, sizes, 0))]
            xs = jnp.concatenate([xs, found.reshape(*words.shape, -1)], -1)
        xs = dropout(in_rng, xs.swapaxes(0, 1), self.model.dropout)
        _, ys = scan(self.encoder, params["encoder"], xs, lengths=lengths, rng=scan_rng)
        return dense(params["readout"], dropout(out_rng, ys, self.model.dropout))

    def _spelt(self, params: Params, characters: jax.Array, sizes: jax.Array) -> jax.Array:
        """What is known of words by their characters, [B, T, 2 H]."""
        B, T, C = characters.shape
        counts = jnp.arange(C, dtype=sizes.dtype)[None, None] < sizes[..., None]
        flat = jnp.where(counts, characters, 0).reshape(B * T, C)
        lengths = sizes.reshape(B * T)
        xs = params["characters"][flat].swapaxes(0, 1)
        _, ys = scan(self.speller, params["speller"], xs, lengths=lengths)
        return ends(ys, lengths).reshape(B, T, -1)

    def losses(self, params: Params, batch: Sentences, rng: jax.Array | None = None) -> jax.Array:
        """-log p(tags | words) of each sentence, [B]; 0 where there is none."""
        words, lengths, characters, sizes, tags = map(jnp.asarray, batch)
        emissions = self.emissions(params, words, lengths, characters, sizes, rng)
        if self.model.crf:
            field = crf.Transitions(**params["transitions"])
            return crf.log_normaliser(field, emissions, lengths) - crf.score(field, emissions, tags.T, lengths)
        emissions, valid = crf.counted(emissions, lengths)
        tags = jnp.where(valid, tags.T, 0)
        logs = jnp.take_along_axis(jax.nn.log_softmax(emissions), tags[..., None], axis=-1)[..., 0]
        return -jnp.where(valid, logs, 0).sum(0)

    def tag(self, params: Params, batch: Sentences) -> tuple[jax.Array, jax.Array]:
        """The tags of the best path [B, T], and the probability of each of them at its word [B, T]."""
        words, lengths, characters, sizes, _ = map(jnp.asarray, batch)
        emissions = self.emissions(params, words, lengths, characters, sizes)
        if self.model.crf:
            field = crf.Transitions(**params["transitions"])
            tags, _ = crf.viterbi(field, emissions, lengths)
            chances = crf.marginals(field, emissions, lengths)
        else:
            chances = jax.nn.softmax(emissions)
            tags = chances.argmax(-1).astype(jnp.int32)
        chosen = jnp.take_along_axis(chances, tags[..., None], axis=-1)[..., 0]
        chosen = jnp.where(jnp.isnan(chances).any(-1), jnp.full_like(chosen, jnp.nan), chosen)
        return tags.T, chosen.T


def affixes(letters: jax.Array, sizes: jax.Array) -> jax.Array:
    """Rows of the table for the first and the last 1 to 4 characters of words, [B, T, 8] of code points [B, T, C]."""
    found: list[jax.Array] = []
    for last in (False, True):
        hashed = jnp.zeros_like(sizes)
        for k in range(AFFIX):
            at = sizes - 1 - k if last else jnp.full_like(sizes, k)
            there = (at >= 0) & (at < sizes)
            letter = jnp.take_along_axis(letters, jnp.where(there, at, 0)[..., None], axis=-1)[..., 0]
            hashed = hashed * FACTOR + jnp.where(there, letter, 0)
            hashed = hashed - jax.lax.div(hashed, jnp.full_like(hashed, BUCKETS)) * BUCKETS
            found.append(hashed + BUCKETS * len(found))
    return jnp.stack(found, -1)
