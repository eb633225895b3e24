"""Attention: a weighted mean of a memory, with weights that a query chooses.

weights = softmax over the valid positions s of score(q, m_s),    context = sum_s weights_s m_s
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.checks import check_choice, check_key, check_size
from jaxrnn.dtypes import default_float, is_float, promote
from jaxrnn.engine.check import check_lengths
from jaxrnn.engine.masks import clean
from jaxrnn.errors import fail
from jaxrnn.layer import entry
from jaxrnn.typing import Array, ArrayLike, Bool, Float, Integer, Params, PRNGKeyArray

glorot = jax.nn.initializers.glorot_uniform()


class Memory(NamedTuple):
    """What is attended to, prepared once for all queries; `Attention.memory` makes it."""

    values: Array  # [*B, S, M], zero at invalid positions
    keys: Array  # [*B, S, K]
    mask: Array  # bool [*B, S], true where a position counts


@dataclass(frozen=True)
class Attention(abc.ABC):
    """A way to score memories by a query: static and hashable, without arrays. `bahdanau` and `luong` make them."""

    @abc.abstractmethod
    def declare(self, query: int, memory: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters by name."""

    @abc.abstractmethod
    def sizes(self, params: Params) -> tuple[int, int] | None:
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
        shapes = self.declare(query, memory)
        keys = jax.random.split(key, max(len(shapes), 1))

        def draw(key: Array, name: str, shape: tuple[int, ...]) -> Array:
            if not name.endswith("kernel"):
                return jnp.zeros(shape, default_float())
            return glorot(key, (*shape, 1)[:2], default_float()).reshape(shape)

        return {name: draw(k, name, shape) for k, (name, shape) in zip(keys, shapes.items(), strict=False)}

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
        self._check(params)
        if not isinstance(values, (jax.Array, np.ndarray)) or not is_float(values.dtype):
            fail("values", "a floating array [*B, S, M]", values, kind=TypeError)
        if values.ndim < 2:
            fail("values", "of shape [*B, S, M]", values)
        sizes = self.sizes(params)
        if sizes is not None and values.shape[-1] != sizes[1]:
            fail("values", f"of shape [*B, S, M] with M = {sizes[1]}, as params have it", values)
        batch, positions = values.shape[:-2], values.shape[-2]
        if lengths is not None and mask is not None:
            fail("mask", "None where lengths are given", mask)
        if mask is not None and (getattr(mask, "shape", None) != values.shape[:-1] or mask.dtype != jnp.bool_):
            fail("mask", f"bool of shape [*B, S] = {values.shape[:-1]}", mask)
        lengths = check_lengths(lengths, positions, batch, inputs="values")
        if lengths is not None:
            place = jnp.arange(positions, dtype=lengths.dtype)
            mask = place.reshape(*(1,) * len(batch), positions) < lengths[..., None]
        mask = jnp.ones(values.shape[:-1], bool) if mask is None else jnp.asarray(mask)
        values = clean(mask, jnp.asarray(values))
        return Memory(values, self.keys(params, values), mask)

    def __call__(self, params: Params, query: ArrayLike, memory: Memory) -> tuple[Array, Array]:
        """What a query attends to.

        Args:
            params: the attention's parameters.
            query: `[*B, Q]`; or `[T, *B, Q]`, T queries at once.
            memory: what `memory` has prepared.

        Returns:
            `(context [..., *B, M], weights [..., *B, S])`, the leading axes as the query has them. Weights are exactly
            0 at invalid positions; a row without any valid position has weights 0 and context 0.

        Raises:
            TypeError, ValueError: an argument does not fit; the message names it.
        """
        self._check(params)
        if not isinstance(memory, Memory):
            fail("memory", "a Memory, as `attention.memory(params, values)` returns", memory, kind=TypeError)
        if not isinstance(query, (jax.Array, np.ndarray)) or not is_float(query.dtype):
            fail("query", "a floating array [*B, Q] or [T, *B, Q]", query, kind=TypeError)
        batch, sizes = memory.mask.shape[:-1], self.sizes(params)
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

    def _check(self, params: Any) -> None:
        for name in self.declare(*(self.sizes(params) or (1, 1))):
            entry(params, name)


def _lead(array: Array, ndim: int) -> Array:
    """With axes of one in front, up to a rank: T queries share one memory."""
    return array.reshape(*(1,) * (ndim - array.ndim), *array.shape)


def _softmax(scores: Array, mask: Array) -> Array:
    """Over the valid positions, without an infinity on the way, so that no gradient is NaN even where there is none."""
    mask = jnp.broadcast_to(_lead(mask, scores.ndim), scores.shape)
    valid = jnp.where(mask, scores, jnp.finfo(scores.dtype).min)
    top = jax.lax.stop_gradient(valid.max(-1, keepdims=True, initial=jnp.finfo(scores.dtype).min))
    shares = jnp.where(mask, jnp.exp(jnp.where(mask, scores - top, 0)), 0)
    total = shares.sum(-1, keepdims=True)
    return shares / jnp.where(total > 0, total, 1)


@dataclass(frozen=True)
class Additive(Attention):
    """Made by `bahdanau`."""

    units: int

    def declare(self, query: int, memory: int) -> dict[str, tuple[int, ...]]:
        A = self.units
        return {"query_kernel": (query, A), "memory_kernel": (memory, A), "bias": (A,), "score_kernel": (A,)}

    def sizes(self, params: Params) -> tuple[int, int]:
        query, memory = (_kernel(params, name, self.units) for name in ("query_kernel", "memory_kernel"))
        return query.shape[0], memory.shape[0]

    def keys(self, params: Params, values: Array) -> Array:
        dtype = promote(values.dtype, params["memory_kernel"].dtype)
        keys = values.astype(dtype) @ params["memory_kernel"].astype(dtype)
        return keys + jnp.broadcast_to(params["bias"].astype(dtype), keys.shape)

    def score(self, params: Params, query: Array, keys: Array) -> Array:
        q = (query.astype(keys.dtype) @ params["query_kernel"].astype(keys.dtype))[..., None, :]
        return jnp.tanh(q + _lead(keys, q.ndim)) @ params["score_kernel"].astype(keys.dtype)


@dataclass(frozen=True)
class Multiplicative(Attention):
    """Made by `luong`."""

    form: str

    def declare(self, query: int, memory: int) -> dict[str, tuple[int, ...]]:
        if self.form == "general":
            return {"kernel": (memory, query)}
        if query != memory:
            fail(
                "query", f"{memory}, the features of a memory, for score='dot'", query, "score='general' maps between."
            )
        return {}

    def sizes(self, params: Params) -> tuple[int, int] | None:
        if self.form == "dot":
            return None
        memory, query = _kernel(params, "kernel").shape
        return query, memory

    def keys(self, params: Params, values: Array) -> Array:
        if self.form == "dot":
            return values
        dtype = promote(values.dtype, params["kernel"].dtype)
        return values.astype(dtype) @ params["kernel"].astype(dtype)

    def score(self, params: Params, query: Array, keys: Array) -> Array:
        t = "t" if query.ndim == keys.ndim else ""
        return jnp.einsum(f"{t}...k,...sk->{t}...s", query.astype(keys.dtype), keys)


def _kernel(params: Params, name: str, columns: int | None = None) -> Any:
    kernel = entry(params, name)
    shape: tuple[int, ...] = getattr(kernel, "shape", ())
    if len(shape) != 2 or columns not in (None, shape[1]):
        fail(f"params[{name!r}]", f"an array with 2 axes{f', the second of {columns}' if columns else ''}", kernel)
    return kernel


def bahdanau(units: int) -> Attention:
    """Additive attention: a small network scores each position,

        score(q, m) = v . tanh(W q + U m + b)

    Args:
        units: A, the hidden units of that network.

    Returns:
        An Attention with parameters `query_kernel [Q, A]`, `memory_kernel [M, A]`, `bias [A]`, `score_kernel [A]`.

    Raises:
        TypeError, ValueError: `units` is not a positive integer.

    Paper: Bahdanau, Cho & Bengio, Neural machine translation by jointly learning to align and translate, ICLR 2015.

    >>> import jax, jax.numpy as jnp
    >>> from jaxrnn.decode import bahdanau
    >>> attention = bahdanau(8)
    >>> params = attention.init(jax.random.key(0), query=4, memory=6)
    >>> memory = attention.memory(params, jnp.ones((2, 5, 6)), lengths=jnp.array([5, 3]))
    >>> context, weights = attention(params, jnp.ones((2, 4)), memory)
    >>> context.shape, weights[1].round(2).tolist()[3:]
    ((2, 6), [0.0, 0.0])
    """
    check_size(units, "units")
    return Additive(int(units))


def luong(score: str = "general") -> Attention:
    """Multiplicative attention: one product scores all positions,

        general: score(q, m) = q . W m        dot: score(q, m) = q . m

    (Luong's "concat" is Bahdanau's score: `attend_after(cell, bahdanau(units))`.)

    Args:
        score: "general", or "dot" where queries and memories are of one size.

    Returns:
        An Attention with parameters `kernel [M, Q]` for "general", and without any for "dot".

    Raises:
        ValueError: `score` is neither.

    Paper: Luong, Pham & Manning, Effective approaches to attention-based neural machine translation, EMNLP 2015.

    >>> import jax, jax.numpy as jnp
    >>> from jaxrnn.decode import luong
    >>> attention = luong("dot")
    >>> memory = attention.memory({}, jnp.eye(3)[None])
    >>> context, weights = attention({}, jnp.array([[0.0, 1e3, 0.0]]), memory)
    >>> weights.tolist()
    [[0.0, 1.0, 0.0]]
    """
    check_choice(score, "score", ("general", "dot"))
    return Multiplicative(score)
