"""One sequence a row: the likeliest token at each step, or a draw."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.tree_util import Partial

from jaxrnn.base.checks import check_key, check_size
from jaxrnn.base.dtypes import default_float
from jaxrnn.base.typing import Array, Carry, PRNGKeyArray
from jaxrnn.core.closures import is_open
from jaxrnn.decode.logits import check_choices, filter_logits
from jaxrnn.decode.stepper import NONE, Step, as_tree, check_decoder, is_distribution, log_probabilities
from jaxrnn.programs.serialized import serialized

MOST = 1024  # tokens that `stream` draws at a time
SOON = 0.03  # seconds that it may take for them


@serialized
class Decoded(NamedTuple):
    """One sequence a row.

    A row whose logits are no distribution (NaN or inf among them, or nothing but -inf) ends before that token, and its
    log-probability is NaN; the other rows go on.
    """

    tokens: Array  # int32 [length, *B]; from a row's end on, `end`
    lengths: Array  # int32 [*B], tokens before `end`
    log_probability: Array  # [*B], under the step's own distribution; that of `end` is counted


def greedy(step: Step, carry: Carry, start: Any, *, length: int, end: int | None = None) -> Decoded:
    """The likeliest token at each step: y[t] = argmax p(. | y[< t]); among equals the lowest.

    A row whose logits are no distribution ends there, and its log-probability is NaN: see `Decoded`.

    Args:
        step: the decoder, `step(carry, token int32[*B]) -> (carry, logits [*B, V])`. It is compiled once
            for all that it reads: bind by `functools.partial` arrays that change, such as parameters.
        carry: the carry before the first step: any pytree of arrays with the batch axes first.
        start: the first token to read: `[*B]`, the first axes of the carry; one where that is of one row.
        length: at most so many tokens are written.
        end: the token that ends a row; None for none. Decoding stops when all rows have ended.

    Returns:
        `Decoded(tokens [length, *B], lengths [*B], log_probability [*B])`.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    >>> import functools, jax, jaxrnn
    >>> from jaxrnn.decode import greedy
    >>> cell = jaxrnn.gru(7)  # its seven outputs are the logits here; a model would put a readout on top
    >>> step = functools.partial(cell.step, cell.init(jax.random.key(0), inputs=7))
    >>> found = greedy(step, cell.initial_carry((3,)), jax.numpy.arange(3), length=5)
    >>> found.tokens.shape, found.lengths.tolist()
    ((5, 3), [5, 5, 5])
    """
    length = check_size(length, "length")
    step, carry, start, stop = check_decoder(step, carry, start, length, end)
    return _run(step, carry, start, stop, Partial(_likeliest), length)


def sample(
    step: Step,
    carry: Carry,
    start: Any,
    key: PRNGKeyArray,
    *,
    length: int,
    end: int | None = None,
    temperature: Any = 1.0,
    top_k: int | None = None,
    top_p: Any = None,
) -> Decoded:
    """Draw each token from p(. | y[< t]), as `filter_logits` shapes it.

    The draw of row b at time t comes from `fold_in(fold_in(key, b), t)`: it does not depend on the other rows, on their
    number, or on `length`. With several batch axes b counts rows in C order. A row whose logits are no distribution
    ends there, and its log-probability is NaN: see `Decoded`.

    Args:
        step, carry, start, length, end: as for `greedy`.
        key: a PRNG key.
        temperature, top_k, top_p: as for `filter_logits`; temperature 0 is `greedy`.

    Returns:
        `Decoded(tokens [length, *B], lengths [*B], log_probability [*B])`; the probability is the step's own, at
        temperature 1 and with all tokens.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    >>> import jax, jaxrnn
    >>> from jaxrnn.decode import sample
    >>> step = lambda carry, token: (carry, jax.numpy.zeros((*token.shape, 2)))  # a fair coin
    >>> found = sample(step, (), jax.numpy.zeros(1000, int), jax.random.key(0), length=10, end=1)
    >>> 0.8 < found.lengths.mean() < 1.2  # heads before the first tails
    Array(True, dtype=bool)
    """
    length = check_size(length, "length")
    step, carry, start, stop = check_decoder(step, carry, start, length, end)
    return _run(step, carry, start, stop, _drawing(start, key, temperature, top_k, top_p), length)


def stream(
    step: Step,
    carry: Carry,
    start: Any,
    key: PRNGKeyArray,
    *,
    length: int | None = None,
    end: int | None = None,
    temperature: Any = 1.0,
    top_k: int | None = None,
    top_p: Any = None,
) -> Iterator[np.ndarray]:
    """The tokens of `sample` for the same key, as they are drawn: one at first, then some at a time, for as long as a
    person does not notice.

    Args:
        step, carry, start, key, end, temperature, top_k, top_p: as for `sample`.
        length: at most so many tokens; None goes on until all rows have ended.

    Yields:
        int32 `[*B]` of NumPy a step, until all rows have ended; the `end` of the longest is not among them.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.
        FloatingPointError: at the token that logits leave no choice for: NaN or inf among them, or nothing but -inf.

    >>> import jax, jaxrnn
    >>> from jaxrnn.decode import stream
    >>> step = lambda carry, token: (carry, jax.nn.one_hot(token + 1, 5) * 100)  # counts
    >>> [int(token) for token in stream(step, (), 0, jax.random.key(0), end=4)]
    [1, 2, 3]
    """
    length = None if length is None else check_size(length, "length")
    _, carry, start, stop = check_decoder(step, carry, start, length or 1, end)
    choose = _drawing(start, key, temperature, top_k, top_p)

    def tokens() -> Iterator[np.ndarray]:
        state, now = _first(carry, start), as_tree(step)  # as it is when the first token is asked for
        advance = _some if is_open(now.func) else _some_jitted
        written, count = 0, 1
        while length is None or written < length:
            wanted, begun = count if length is None else min(count, length - written), time.monotonic()
            state, block, lost, ended = advance(now, choose, stop, state, jnp.int32(wanted))
            done, lost, ended = int(state.time) - written, bool(lost), bool(ended)
            yield from np.asarray(block)[: max(done - (lost or ended), 0)]
            written += done
            if lost:
                raise FloatingPointError(
                    f"no token {written} can be chosen: the logits of `step` have NaN or inf, or all are -inf"
                )
            if ended:
                return
            count = min(2 * count, MOST) if time.monotonic() - begun < SOON else max(count // 2, 1)

    return tokens()


class _State(NamedTuple):
    """Between two steps of all rows."""

    time: Array
    carry: Carry
    token: Array  # [*B], the last one written
    ended: Array  # bool [*B]
    lengths: Array
    log_probability: Array


def _first(carry: Carry, start: Array, dtype: Any = jnp.float32) -> _State:
    zeros = jnp.zeros(start.shape, jnp.int32)
    return _State(jnp.int32(0), carry, start, zeros != 0, zeros, zeros.astype(dtype))


def _advance(step: Step, choose: Callable[[Array, Array], Array], end: Array, state: _State) -> _State:
    """Read a token, write the next."""
    carry, logits = step(state.carry, state.token)
    chosen = choose(state.time, logits)
    lost = chosen == NONE
    token = jnp.where(state.ended | lost, end, chosen)
    gain = jnp.take_along_axis(log_probabilities(logits), token[..., None], -1)[..., 0]
    gain = jnp.where(lost, jnp.nan, gain)
    gain = jnp.where(state.ended, jnp.zeros_like(gain), gain).astype(state.log_probability.dtype)
    ended = state.ended | lost | (token == end)
    lengths = state.lengths + jnp.where(ended, 0, 1).astype(jnp.int32)
    return _State(state.time + 1, carry, token, ended, lengths, state.log_probability + gain)


def _some(step: Step, choose: Any, end: Array, state: _State, count: Array) -> tuple[_State, Array, Array, Array]:
    """At most `count` tokens: the state, tokens `[MOST, *B]`, whether the last of them could not be chosen, and whether
    all rows have ended with it."""
    begun = state.time

    def lost(state: _State) -> Array:
        return jnp.isnan(state.log_probability).any()

    def ended(state: _State) -> Array:
        return state.ended.all() & (end != NONE)

    def advance(loop: tuple[_State, Array]) -> tuple[_State, Array]:
        state, tokens = loop
        new = _advance(step, choose, end, state)
        return new, lax.dynamic_update_index_in_dim(tokens, new.token, state.time - begun, 0)

    def going(loop: tuple[_State, Array]) -> Array:
        state, _ = loop
        return (state.time - begun < count) & ~lost(state) & ~ended(state)

    state, tokens = lax.while_loop(going, advance, (state, jnp.broadcast_to(end, (MOST, *state.token.shape))))
    return state, tokens, lost(state), ended(state)


_some_jitted = jax.jit(_some)


def _run(step: Partial, *arguments: Any) -> Decoded:
    """`_decode`, compiled. What a step reads of an open trace must not outlive it in a compiled program."""
    return (_decode if is_open(step.func) else _decode_jitted)(step, *arguments)


def _decode(step: Step, carry: Carry, start: Array, end: Array, choose: Any, length: int) -> Decoded:
    """Steps until `length` or until all rows have ended."""

    def advance(loop: tuple[_State, Array]) -> tuple[_State, Array]:
        state, tokens = loop
        new = _advance(step, choose, end, state)
        return new, lax.dynamic_update_index_in_dim(tokens, new.token, state.time, 0)

    def going(loop: tuple[_State, Array]) -> Array:
        state, _ = loop
        return (state.time < length) & ~state.ended.all()

    dtype = jax.eval_shape(lambda: log_probabilities(step(carry, start)[1])).dtype
    tokens = jnp.broadcast_to(end, (length, *start.shape))
    state, tokens = lax.while_loop(going, advance, (_first(carry, start, dtype), tokens))
    return Decoded(tokens, state.lengths, state.log_probability)


_decode_jitted = jax.jit(_decode, static_argnums=5)


def _likeliest(_: Array, logits: Array) -> Array:
    return jnp.where(is_distribution(logits), logits.argmax(-1).astype(jnp.int32), NONE)


def _drawing(start: Array, key: Any, temperature: Any, top_k: Any, top_p: Any) -> Partial:
    """`choose` for `_advance`: the key, temperature and nucleus are arguments of its program."""
    check_key(key, "key")
    check_choices(temperature, top_k, top_p)
    keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(start.size, dtype=jnp.uint32))
    numbers = {"temperature": temperature} | ({} if top_p is None else {"top_p": top_p})
    return Partial(_Draw(top_k), keys, {name: jnp.asarray(v, default_float()) for name, v in numbers.items()})


@dataclass(frozen=True)
class _Draw:
    """Draws of all rows at one time; equal by value, so that equal calls share a compilation."""

    top_k: int | None

    def __call__(self, keys: Array, numbers: dict[str, Array], time: Array, logits: Array) -> Array:
        filtered = filter_logits(logits, top_k=self.top_k, **numbers)
        rows = filtered.reshape(keys.shape[0], filtered.shape[-1])
        drawn = jax.vmap(jax.random.categorical)(jax.vmap(jax.random.fold_in, (0, None))(keys, time), rows)
        drawn = drawn.reshape(filtered.shape[:-1]).astype(jnp.int32)
        return jnp.where(is_distribution(filtered), drawn, NONE)
