"""A conditional random field over the tags of a sentence: what tags go with words, and which follow which.

    score(y | e) = first[y[0]] + last[y[L-1]] + sum over t of e[t, y[t]] + sum over t > 0 of transitions[y[t-1], y[t]]
    log p(y | e) = score(y | e) - log of the sum over all paths z of exp(score(z | e))

The sum is exact, by the forward algorithm, and the best path by Viterbi's: one scan over the steps each. Its derivative
by e is the probability of each tag at each step. A sentence of length 0 has one path, whose score is 0; what stands
beyond a sentence's length changes nothing.

Papers: Lafferty, McCallum & Pereira, Conditional random fields, ICML 2001; on a BiLSTM, Huang, Xu & Yu 2015
(arXiv:1508.01991) and Lample et al., Neural architectures for named entity recognition, NAACL 2016.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from jaxrnn.base.typing import ArrayLike


class Transitions(NamedTuple):
    """The parameters."""

    first: jax.Array  # [K], of a sentence that begins with a tag
    between: jax.Array  # [K, K], of one tag (row) that another (column) follows
    last: jax.Array  # [K], of a sentence that ends with a tag

    @classmethod
    def zeros(cls, tags: int) -> Transitions:
        """All paths alike."""
        return cls(jnp.zeros(tags), jnp.zeros((tags, tags)), jnp.zeros(tags))


def counted(emissions: ArrayLike, lengths: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Emissions [T, B, K], zero where none counts, and where they count [T, B]."""
    lengths = jnp.asarray(lengths)
    valid = jnp.arange(len(emissions), dtype=lengths.dtype)[:, None] < lengths[None]
    wide = jnp.broadcast_to(valid[..., None], emissions.shape)
    return jnp.where(wide, emissions, jnp.zeros_like(emissions)), valid


def score(crf: Transitions, emissions: ArrayLike, tags: ArrayLike, lengths: ArrayLike) -> jax.Array:
    """Of one path of each row, [B], of emissions [T, B, K], tags [T, B] and lengths [B]."""
    emissions, valid = counted(emissions, lengths)
    tags = jnp.where(valid, tags, 0)
    at = jnp.take_along_axis(emissions, tags[..., None], axis=-1)[..., 0].sum(0)
    moves = jnp.where(valid[1:], crf.between[tags[:-1], tags[1:]], 0).sum(0)
    ends = jnp.take_along_axis(tags, jnp.maximum(lengths - 1, 0)[None], axis=0)[0]
    return jnp.where(valid[0], at + moves + crf.first[tags[0]] + crf.last[ends], 0)


def log_normaliser(crf: Transitions, emissions: ArrayLike, lengths: ArrayLike) -> jax.Array:
    """The log of the sum over all paths of each row, [B]."""
    emissions, valid = counted(emissions, lengths)

    def step(alpha: jax.Array, given: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        emission, counts = given
        moved = logsumexp(alpha[:, :, None] + _rows(crf.between, alpha), axis=1) + emission
        return jnp.where(jnp.broadcast_to(counts[:, None], alpha.shape), moved, alpha), None

    begun = emissions[0] + _rows(crf.first, emissions[0])
    alpha, _ = jax.lax.scan(step, begun, (emissions[1:], valid[1:]))
    return jnp.where(valid[0], logsumexp(alpha + _rows(crf.last, alpha), axis=1), 0)


def viterbi(crf: Transitions, emissions: ArrayLike, lengths: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """The best path of each row [T, B], 0 beyond its length, and its score [B]; of equals, the lower tags."""
    emissions, valid = counted(emissions, lengths)

    def step(best: jax.Array, given: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        emission, counts = given
        through = best[:, :, None] + _rows(crf.between, best)
        kept = jnp.broadcast_to(counts[:, None], best.shape)
        stay = jnp.broadcast_to(jnp.arange(best.shape[1], dtype=jnp.int32), best.shape)
        came = jnp.where(kept, through.argmax(1).astype(jnp.int32), stay)
        return jnp.where(kept, through.max(1) + emission, best), came

    begun = emissions[0] + _rows(crf.first, emissions[0])
    best, came = jax.lax.scan(step, begun, (emissions[1:], valid[1:]))
    ended = best + _rows(crf.last, best)
    end = ended.argmax(1).astype(jnp.int32)

    def back(tag: jax.Array, came: jax.Array) -> tuple[jax.Array, jax.Array]:
        before = jnp.take_along_axis(came, tag[:, None], axis=1)[:, 0]
        return before, tag

    first, rest = jax.lax.scan(back, end, came, reverse=True)
    path = jnp.concatenate([first[None], rest])
    return jnp.where(valid, path, 0), jnp.where(valid[0], ended.max(1), 0)


def marginals(crf: Transitions, emissions: ArrayLike, lengths: ArrayLike) -> jax.Array:
    """The probability of each tag at each step, [T, B, K]; 0 beyond a row's length."""
    return jax.grad(lambda e: log_normaliser(crf, e, lengths).sum())(emissions)


def _rows(parameters: jax.Array, like: jax.Array) -> jax.Array:
    """The same for every row."""
    return jnp.broadcast_to(parameters, (len(like), *parameters.shape))
