"""Attention: a weighted mean of a memory, with weights that a query chooses.

weights = softmax over the valid positions s of score(q, m_s),    context = sum_s weights_s m_s

Where a valid position scores NaN or inf, or all of them score -inf, that is no softmax: every valid weight is NaN.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_array, check_floats, check_key, check_size
from jaxrnn.base.dtypes import promote
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, ArrayLike, Bool, Float, Integer, Params, PRNGKeyArray
from jaxrnn.core.layer import check_declared
from jaxrnn.core.parameter import Parameter
from jaxrnn.engine.check import check_lengths
from jaxrnn.engine.masks import clean
from jaxrnn.programs.serialized import serialized

glorot = jax.nn.initializers.glorot_uniform()


@serialized
class Memory(NamedTuple):
    """What is attended to, prepared once for all queries; `memory` of an attention, such as `luong`, makes it."""

    values: Array  # [*B, S, M], zero at invalid positions
    keys: Array  # [*B, S, K]
    mask: Array  # bool [*B, S], true where a position counts


@dataclass(frozen=True)
class Attention(abc.ABC):
    """A way to score memories by a query: static and hashable, without arrays. `jaxrnn.decode.scores` has them."""

    @abc.abstractmethod
    def declare(self, query: int, memory: int) -> dict[str, Parameter]:
        """The parameters by name, for queries of Q and memories of M features."""

    @abc.abstractmethod
    def sizes(self, params: Params, argument: str = "params") -> tuple[int, int] | None:
        """Q and M that the parameters were made for; None where there are none, and any Q = M will do."""

    @abc.abstractmethod
    def keys(self, params: Params, values: Array) -> Array:
        """What of the score depends on the memory alone, [*B, S, K]."""

    @abc.abstractmethod
    def score(self, params: Params, query: Array, keys: Array) -> Array:
        """Scores [..., *B, S] of queries [..., *B, Q]."""

    def init(self, key: PRNGKeyArray, *, query: int, memory: int) -> dict[str, Array]:
        """Draw all parameters (Glorot & Bengio 2010; biases are zero).

        Args:
            key: a PRNG key.
            query: Q, features of a query.
            memory: M, features of a memory.

        Returns:
            A dict name -> array.

        Raises:
            TypeError, ValueError: an argument is out of range, or Q and M do not fit each other.
        """
        check_key(key, "key")
        check_size(query, "query")
        check_size(memory, "memory")
        declared = self.declare(query, memory)
        keys = jax.random.split(key, max(len(declared), 1))
        return {name: p.init(k, p.shape, p.dtype) for k, (name, p) in zip(keys, declared.items(), strict=False)}

    def memory(
        self,
        params: Params,
        values: Float[ArrayLike, "*B S M"],
        *,
        lengths: Integer[ArrayLike, "*B"] | None = None,
        mask: Bool[ArrayLike, "*B S"] | None = None,
    ) -> Memory:
        """Prepare a memory: nothing at an invalid position, NaN included, reaches any result or gradient.

        Args:
            params: the attention's parameters.
            values: `[*B, S, M]`, such as an encoder's outputs with the time axis moved behind the batch.
            lengths: integers `[*B]`: the first so many positions count.
            mask: bool `[*B, S]`, true where a position counts; not with `lengths`.

        Raises:
            TypeError, ValueError: an argument does not fit; the message names it.
        """
        sizes = self.check(params)
        values, mask = clean_memory(values, None if sizes is None else sizes[1], lengths, mask)
        return Memory(values, self.keys(params, values), mask)

    def __call__(self, params: Params, query: ArrayLike, memory: Memory) -> tuple[Array, Array]:
        """What a query attends to.

        Args:
            params: the attention's parameters.
            query: `[*B, Q]`; or `[T, *B, Q]`, T queries at once.
            memory: what `memory` has prepared.

        Returns:
            `(context [..., *B, M], weights [..., *B, S])`, the leading axes as the query has them. Weights are exactly
            0 at invalid positions; a row without any valid position has weights 0 and context 0. Where valid scores
            are no softmax's (NaN or inf among them, or nothing but -inf) the row's valid weights and context are NaN.

        Raises:
            TypeError, ValueError: an argument does not fit; the message names it.
        """
        sizes = self.check(params)
        check_memory(memory, None if sizes is None else sizes[1])
        check_floats(query, "query", "a floating array [*B, Q] or [T, *B, Q]")
        batch = memory.mask.shape[:-1]
        size = memory.values.shape[-1] if sizes is None else sizes[0]
        if query.shape not in ((*batch, size), (*query.shape[:1], *batch, size)):
            fail(
                "query", f"of shape [*B, Q] or [T, *B, Q] with *B = {batch} as the memory has it, and Q = {size}", query
            )
        scores = self.score(params, jnp.asarray(query), memory.keys)
        weights = _softmax(scores.astype(promote(scores.dtype, jnp.float32)), memory.mask)
        values = memory.values
        t = "t" if query.ndim == values.ndim else ""
        return jnp.einsum(f"{t}...s,...sm->{t}...m", weights.astype(values.dtype), values), weights

    def check(self, params: Any, argument: str = "params") -> tuple[int, int] | None:
        """What `sizes` gives, of parameters that are all there, floating and of their shapes, and no others."""
        sizes = self.sizes(params, argument)
        check_declared(self.declare(*(sizes or (1, 1))), params, argument)
        return sizes


def clean_memory(
    values: ArrayLike, size: int | None, lengths: ArrayLike | None, mask: ArrayLike | None
) -> tuple[Array, Array]:
    """Checked values `[*B, S, M]` of a memory, zero at invalid positions, and the mask `[*B, S]` of the valid ones."""
    check_floats(values, "values", "a floating array [*B, S, M]")
    if values.ndim < 2:
        fail("values", "of shape [*B, S, M]", values)
    if size is not None and values.shape[-1] != size:
        fail("values", f"of shape [*B, S, M] with M = {size}, as params have it", values)
    batch, positions = values.shape[:-2], values.shape[-2]
    if lengths is not None and mask is not None:
        fail("mask", "None where lengths are given", mask)
    if mask is not None:
        _check_bools(mask, "mask", values.shape[:-1])
    lengths = check_lengths(lengths, positions, batch, inputs="values")
    if lengths is not None:
        place = jnp.arange(positions, dtype=lengths.dtype)
        mask = place.reshape(*(1,) * len(batch), positions) < lengths[..., None]
    mask = jnp.ones(values.shape[:-1], bool) if mask is None else jnp.asarray(mask)
    return clean(mask, jnp.asarray(values)), mask


def check_memory(memory: Any, size: int | None = None) -> None:
    """A Memory whose parts fit each other, and the M = `size` features that parameters were made for."""
    if not isinstance(memory, Memory):
        fail("memory", "a Memory, as the `memory` method returns", memory, kind=TypeError)
    for name, array in zip(("values", "keys"), memory, strict=False):
        check_floats(array, f"memory.{name}", "a floating array [*B, S, ...]")
    positions = memory.values.shape[:-1]
    if memory.values.ndim < 2 or size not in (None, memory.values.shape[-1]):
        fail(
            "memory.values",
            f"of shape [*B, S, M]{'' if size is None else f' with M = {size}, as params have it'}",
            memory.values,
        )
    if memory.keys.shape[:-1] != positions:
        fail("memory.keys", f"of shape {(*positions, 'K')}, as the values have it", memory.keys)
    _check_bools(memory.mask, "memory.mask", positions)


def _check_bools(mask: Any, argument: str, shape: tuple[int, ...]) -> None:
    expected = f"bool of shape [*B, S] = {shape}"
    if check_array(mask, argument, expected).dtype != jnp.bool_:
        fail(argument, expected, mask, kind=TypeError)
    if mask.shape != shape:
        fail(argument, expected, mask)


def flat_glorot(key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any) -> Array:
    """Glorot & Bengio's initialisation, of a vector as of a matrix with one column."""
    return glorot(key, (*shape, 1)[:2], dtype).reshape(shape)


def lead(array: Array, ndim: int) -> Array:
    """With axes of one in front, up to a rank: T queries share one memory."""
    return array.reshape(*(1,) * (ndim - array.ndim), *array.shape)


def _softmax(scores: Array, mask: Array) -> Array:
    """Over the valid positions, without an infinity on the way, so that no gradient is NaN even where there is none.

    A sum finds the NaN that a maximum may pass over.
    """
    mask = jnp.broadcast_to(lead(mask, scores.ndim), scores.shape)
    valid = jnp.where(mask, scores, jnp.finfo(scores.dtype).min)
    top = jax.lax.stop_gradient(valid.max(-1, keepdims=True, initial=jnp.finfo(scores.dtype).min))
    shares = jnp.where(mask, jnp.exp(jnp.where(mask, scores - top, 0)), 0)
    total = jnp.where(mask.any(-1, keepdims=True), shares.sum(-1, keepdims=True), 1)
    return jnp.where(mask, shares / total, 0)
