"""Ways to score a memory by a query: additive and multiplicative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.checks import check_choice, check_size
from jaxrnn.base.dtypes import default_float, promote
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Params
from jaxrnn.core.layer import entry
from jaxrnn.core.parameter import Parameter
from jaxrnn.decode.attention import Attention, flat_glorot, lead
from jaxrnn.functions.initializers import zeros


@dataclass(frozen=True)
class Additive(Attention):
    """Made by `bahdanau`."""

    units: int

    def declare(self, query: int, memory: int) -> dict[str, Parameter]:
        A = self.units
        return {
            "query_kernel": _declared(query, A),
            "memory_kernel": _declared(memory, A),
            "bias": Parameter((A,), zeros, dtype=default_float()),
            "score_kernel": _declared(A),
        }

    def sizes(self, params: Params, argument: str = "params") -> tuple[int, int]:
        query, memory = (_kernel(params, name, argument, self.units) for name in ("query_kernel", "memory_kernel"))
        return query.shape[0], memory.shape[0]

    def keys(self, params: Params, values: Array) -> Array:
        dtype = promote(values.dtype, params["memory_kernel"].dtype)
        keys = values.astype(dtype) @ params["memory_kernel"].astype(dtype)
        return keys + jnp.broadcast_to(params["bias"].astype(dtype), keys.shape)

    def score(self, params: Params, query: Array, keys: Array) -> Array:
        q = (query.astype(keys.dtype) @ params["query_kernel"].astype(keys.dtype))[..., None, :]
        return jnp.tanh(q + lead(keys, q.ndim)) @ params["score_kernel"].astype(keys.dtype)


@dataclass(frozen=True)
class Multiplicative(Attention):
    """Made by `luong`."""

    form: str

    def declare(self, query: int, memory: int) -> dict[str, Parameter]:
        if self.form == "general":
            return {"kernel": _declared(memory, query)}
        if query != memory:
            fail(
                "query", f"{memory}, the features of a memory, for score='dot'", query, "score='general' maps between."
            )
        return {}

    def sizes(self, params: Params, argument: str = "params") -> tuple[int, int] | None:
        if self.form == "dot":
            return None
        memory, query = _kernel(params, "kernel", argument).shape
        return query, memory

    def keys(self, params: Params, values: Array) -> Array:
        if self.form == "dot":
            return values
        dtype = promote(values.dtype, params["kernel"].dtype)
        return values.astype(dtype) @ params["kernel"].astype(dtype)

    def score(self, params: Params, query: Array, keys: Array) -> Array:
        t = "t" if query.ndim == keys.ndim else ""
        return jnp.einsum(f"{t}...k,...sk->{t}...s", query.astype(keys.dtype), keys)


def _declared(*shape: int) -> Parameter:
    return Parameter(shape, flat_glorot, dtype=default_float())


def _kernel(params: Params, name: str, argument: str, columns: int | None = None) -> Any:
    kernel, expected = (
        entry(params, name, argument),
        f"an array with 2 axes{f', the second of {columns}' if columns else ''}",
    )
    if not isinstance(kernel, (jax.Array, np.ndarray)):
        fail(f"{argument}[{name!r}]", expected, kernel, kind=TypeError)
    if kernel.ndim != 2 or columns not in (None, kernel.shape[1]) or 0 in kernel.shape:
        fail(f"{argument}[{name!r}]", expected, kernel)
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
    return Additive(check_size(units, "units"))


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
    return Multiplicative(check_choice(score, "score", ("general", "dot")))
