"""What all decoders that write word by word share: what they read, their loss, and the search for what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_size
from jaxrnn.decode import beam, greedy, sample
from jaxrnn.engine.masks import valid_steps
from jaxrnn.train import END, START, Vocabulary
from jaxrnn.train.group_arrays import fetched
from jaxrnn.train.task import Carry

BEAM, LENGTH_PENALTY = 5, 0.6


def before(words: jax.Array, vocabulary: Vocabulary) -> jax.Array:
    """The word before each of sentences [B, T]: START, and all but the last."""
    return jnp.concatenate([jnp.full_like(words[:, :1], vocabulary.number(START)), words[:, :-1]], 1)


def cross_entropy(logits: jax.Array, words: jax.Array, lengths: jax.Array, smoothing: float = 0.0) -> jax.Array:
    """Summed -log p of sentences [B, T] of some lengths [B] under logits [T, B, V].

    A share `smoothing` of what is wanted is spread over all words.
    """
    wanted = jnp.take_along_axis(logits, words.T[..., None], -1)[..., 0]
    if smoothing:
        wanted = (1 - smoothing) * wanted + smoothing * logits.mean(-1)
    losses = jax.nn.logsumexp(logits, axis=-1) - wanted
    return jnp.sum(losses, where=valid_steps(len(losses), lengths, None))


def written(
    step: Callable[[Carry, jax.Array], tuple[Carry, jax.Array]],
    carry: Carry,
    rows: int,
    vocabulary: Vocabulary,
    longest: int,
    width: int,
    key: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Sentences: words [longest, B], how many of them count [B]; -1 of a row whose logits were no distribution.

    The likeliest by beam search of a width (1: greedy); with a key some as chance will have it.
    """
    start = jnp.full(rows, vocabulary.number(START), jnp.int32)
    limits: dict[str, Any] = {"length": longest, "end": vocabulary.number(END)}
    if width == 1 or key is not None:
        found = greedy(step, carry, start, **limits) if key is None else sample(step, carry, start, key, **limits)
        return found.tokens, jnp.where(jnp.isnan(found.log_probability), -1, found.lengths)
    some = beam(step, carry, start, width=width, length_penalty=LENGTH_PENALTY, **limits)
    return some.tokens[..., 0], jnp.where(jnp.isnan(some.scores[..., 0]), -1, some.lengths[..., 0])


def sentences(vocabulary: Vocabulary, tokens: jax.Array, lengths: jax.Array) -> list[list[str]]:
    """What `written` found, as words.

    Raises:
        FloatingPointError: If a row has no sentence, since its logits were no distribution.
    """
    words, counts = fetched(tokens), fetched(lengths)
    if (counts < 0).any():
        raise FloatingPointError("no word can be chosen: the model's logits have NaN or inf")
    return [vocabulary.decode(words[:count, n]) for n, count in enumerate(counts)]


def check_beam(width: int) -> None:
    """The width of a beam that a user asks for."""
    check_size(width, "beam", 1000)
