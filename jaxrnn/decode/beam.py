"""Beam search: the best few sequences of each row, exactly so where the beam is wide enough."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.base.checks import check_number, check_size
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Carry
from jaxrnn.core.closures import is_open
from jaxrnn.decode.stepper import Step, check_decoder, is_distribution, log_probabilities
from jaxrnn.programs.serialized import serialized


@serialized
class Hypotheses(NamedTuple):
    """The K best sequences of each row, the best first. Where a row has fewer, the rest score -inf and are empty."""

    tokens: Array  # int32 [length, *B, K]; from the end of a sequence on, `end`
    lengths: Array  # int32 [*B, K], tokens before `end`
    scores: Array  # [*B, K]
    log_probability: Array  # [*B, K]; that of `end` is counted


class _Search(NamedTuple):
    """Between two steps."""

    time: Array
    carry: Carry  # [*B, K, ...]
    token: Array  # [*B, K]
    live: Hypotheses  # not ended; their lengths are `time`, their scores unused
    done: Hypotheses
    lost: Array  # bool [*B]: a live sequence's next token had no distribution


def beam(
    step: Step,
    carry: Carry,
    start: Any,
    *,
    width: int,
    length: int,
    end: int | None = None,
    length_penalty: float = 0.0,
) -> Hypotheses:
    """The sequences y of greatest score that a beam of K finds, with

        score(y) = log p(y) / ((5 + |y|) / 6) ** length_penalty

    where |y| counts tokens before `end` and p(y) counts `end`. A sequence ends by `end`, or at `length` tokens.

    At each step the K most probable continuations of all live sequences are kept. Those that end leave the beam and are
    remembered, K of them, by score; the others live on. A row has ended when no live sequence can still come among its
    K best. Width 1 without penalty is `greedy`; a width of all prefixes, V ** (length - 1), is exhaustive search.

    Logits of -inf are never taken. A row with a live sequence whose logits are no distribution (NaN or inf among them,
    or nothing but -inf) has no best sequences: it ends there, all of its K are empty, and their scores are NaN.

    Args:
        step: the decoder, `step(carry, token int32[*B]) -> (carry, logits [*B, V])`. It runs under `vmap` over the
            beam: what it closes over, such as an attention's memory, is shared and never copied. It is compiled
            once for all that it reads: bind by `functools.partial` arrays that change, such as parameters.
        carry: the carry before the first step: any pytree of arrays with the batch axes first.
        start: the first token to read: `[*B]`, the first axes of the carry; one where that is of one row.
        width: K, how many sequences are kept.
        length: at most so many tokens.
        end: the token that ends a sequence; None for none.
        length_penalty: 0 prefers short sequences; Wu et al. found 0.6 to 0.7 best for translation.

    Returns:
        `Hypotheses(tokens [length, *B, K], lengths [*B, K], scores [*B, K], log_probability [*B, K])`, best first.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    Papers: Graves, Sequence transduction with recurrent neural networks, 2012 (beam search for networks); Wu et al.,
    Google's neural machine translation system, 2016, section 7 (length penalty).

    >>> import jax.numpy as jnp
    >>> from jaxrnn.decode import beam, greedy
    >>> table = jnp.log(jnp.array([[0.1, 0.5, 0.4], [0.4, 0.3, 0.3], [0.9, 0.05, 0.05]]))  # p(next | token)
    >>> step = lambda carry, token: (carry, table[token])
    >>> greedy(step, (), 0, length=2, end=0).tokens.tolist()  # 0.5 * 0.4
    [1, 0]
    >>> beam(step, (), 0, width=2, length=2, end=0).tokens[:, 0].tolist()  # 0.4 * 0.9
    [2, 0]
    """
    width, length = check_size(width, "width"), check_size(length, "length")
    alpha = check_number(length_penalty, "length_penalty", "a finite number >= 0")
    if alpha < 0:
        fail("length_penalty", "a finite number >= 0", length_penalty)
    step, carry, start, stop = check_decoder(step, carry, start, length, end, width)
    search = _beam if is_open(step.func) else _beam_jitted  # what belongs to an open trace must not outlive it
    return search(step, carry, start, stop, alpha, width, length)


def _beam(step: Step, carry: Carry, start: Array, end: Array, alpha: Any, width: int, length: int) -> Hypotheses:
    axis = start.ndim  # of the beam
    read = jax.vmap(step, axis, axis)

    def advance(search: _Search) -> _Search:
        carry, logits = read(search.carry, search.token)
        alive = (search.live.log_probability > -jnp.inf) & still_open(search)[..., None]
        lost = search.lost | (alive & ~is_distribution(logits)).any(-1)
        gains = jnp.where((alive & ~lost[..., None])[..., None], log_probabilities(logits), -jnp.inf)
        vocabulary = gains.shape[-1]
        candidates = (search.live.log_probability[..., None] + gains).reshape(*start.shape, width * vocabulary)
        log_probability, choice = lax.top_k(candidates, width)
        parent, token = choice // vocabulary, (choice % vocabulary).astype(jnp.int32)
        history = _pick(search.live.tokens, parent[None], axis + 1)
        tokens = lax.dynamic_update_index_in_dim(history, token, search.time, 0)

        lengths = search.time + (token != end).astype(jnp.int32)
        leaves = (token == end) | (search.time + 1 == length)
        scores = jnp.where(leaves, log_probability / _penalty(lengths, alpha, gains.dtype), -jnp.inf)
        lives = jnp.where(leaves, -jnp.inf, log_probability)
        arrived = Hypotheses(tokens, jnp.where(scores > -jnp.inf, lengths, 0), scores, log_probability)
        live = Hypotheses(tokens, lengths, scores, lives)
        done = _best(search.done, arrived, width, axis)
        return _Search(search.time + 1, _pick(carry, parent, axis), token, live, done, lost)

    def still_open(search: _Search) -> Array:
        """No live sequence can beat its own log-probability at the greatest length, since both only ever fall."""
        most = search.live.log_probability.max(-1) / _penalty(jnp.int32(length), alpha, search.done.scores.dtype)
        return most > search.done.scores[..., -1]

    def going(search: _Search) -> Array:
        return (search.time < length) & still_open(search).any()

    dtype = jax.eval_shape(lambda: log_probabilities(step(carry, start)[1])).dtype
    none = Hypotheses(
        jnp.broadcast_to(end, (length, *start.shape, width)),
        jnp.zeros((*start.shape, width), jnp.int32),
        jnp.full((*start.shape, width), -jnp.inf, dtype),
        jnp.full((*start.shape, width), -jnp.inf, dtype),
    )
    carries, tokens = jax.tree.map(lambda a: jnp.repeat(jnp.expand_dims(a, axis), width, axis), (carry, start))
    first = none._replace(log_probability=none.log_probability.at[..., 0].set(0))  # K equal beams would stay equal
    search = _Search(jnp.int32(0), carries, tokens, first, none, jnp.zeros(start.shape, bool))
    found = lax.while_loop(going, advance, search)
    unknown = jnp.full_like(none.scores, jnp.nan)
    lost = none._replace(scores=unknown, log_probability=unknown)
    return jax.tree.map(partial(jnp.where, found.lost[..., None]), lost, found.done)


_beam_jitted = jax.jit(_beam, static_argnums=(5, 6))


def _penalty(lengths: Array, alpha: Any, dtype: Any) -> Array:
    return ((5 + lengths.astype(dtype)) / 6) ** jnp.asarray(alpha, dtype)


def _best(a: Hypotheses, b: Hypotheses, width: int, axis: int) -> Hypotheses:
    """The K best of both, best first; of equal scores `a`'s come first."""
    both = Hypotheses(
        jnp.concatenate([a.tokens, b.tokens], axis + 1),
        *(jnp.concatenate(pair, axis) for pair in zip(a[1:], b[1:], strict=True)),
    )
    scores, index = lax.top_k(both.scores, width)
    lengths, log_probability = _pick((both.lengths, both.log_probability), index, axis)
    return Hypotheses(_pick(both.tokens, index[None], axis + 1), lengths, scores, log_probability)


def _pick(tree: Any, index: Array, axis: int) -> Any:
    """Entries along one axis, chosen row by row: `index [*B, K]` of leaves `[*B, N, ...]`."""

    def pick(a: Array) -> Array:
        spread = index.reshape(*index.shape, *(1,) * (a.ndim - index.ndim))
        return jnp.take_along_axis(a, spread, axis)

    return jax.tree.map(pick, tree)
