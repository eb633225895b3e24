"""What all decoders that attend have: any cell, with attention before or after its step.

Each has `step`, for decoding, and `scan`, for training on given inputs; both give the same numbers.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.checks import check_time
from jaxrnn.decode.attention import Attention, Memory
from jaxrnn.dtypes import is_float
from jaxrnn.engine.check import check_lengths
from jaxrnn.engine.masks import clean, valid_steps
from jaxrnn.errors import fail
from jaxrnn.layer import Layer, entry
from jaxrnn.step import guard, select
from jaxrnn.typing import Array, ArrayLike, Bool, Carry, Float, Integer, Params, PRNGKeyArray


class AttendCarry(NamedTuple):
    """Between two steps."""

    cell: Carry  # the cell's own
    output: Array  # [*B, P] the output of the step before, which the next step reads


class Attended(NamedTuple):
    """What a decoder puts out at a step; with a leading T for a sequence."""

    output: Array  # [*B, P]
    context: Array  # [*B, M]
    weights: Array  # [*B, S], where it looked


@dataclass(frozen=True)
class Attend(abc.ABC):
    """A cell with attention: static and hashable, without arrays."""

    cell: Layer
    attention: Attention

    @abc.abstractmethod
    def init(self, key: PRNGKeyArray, *, inputs: int, memory: int) -> dict[str, Any]:
        """Draw all parameters, for D input features and M features of a memory."""

    @abc.abstractmethod
    def initial_carry(self, batch: tuple[int, ...], params: Params | None = None, cell: Carry | None = None) -> Carry:
        """The carry before the first step; `cell` is the cell's, by default its initial one."""

    @abc.abstractmethod
    def step(
        self,
        params: Params,
        carry: Carry,
        x: Float[ArrayLike, "*B D"],
        memory: Memory,
        *,
        rng: PRNGKeyArray | None = None,
        step: Any = 0,
    ) -> tuple[Carry, Attended]:
        """One step; `rng` and `step` as for `Cell.step`."""

    def memory(
        self,
        params: Params,
        values: Float[ArrayLike, "*B S M"],
        *,
        lengths: Integer[ArrayLike, "*B"] | None = None,
        mask: Bool[ArrayLike, "*B S"] | None = None,
    ) -> Memory:
        """Prepare what is attended to; see `Attention.memory`."""
        return self.attention.memory(entry(params, "attention"), values, lengths=lengths, mask=mask)

    def scan(
        self,
        params: Params,
        xs: Float[ArrayLike, "T *B D"],
        carry: Carry,
        memory: Memory,
        *,
        lengths: Integer[ArrayLike, "*B"] | None = None,
        rng: PRNGKeyArray | None = None,
        start_step: Any = 0,
    ) -> tuple[Carry, Attended]:
        """All steps of given inputs (teacher forcing); equal to T calls of `step`.

        Args:
            params: as `init` returns them.
            xs: inputs `[T, *B, D]`.
            carry: the carry before the first step.
            memory: what `memory` has prepared.
            lengths: integers `[*B]`: the first so many steps of a row count. The others hold the carry and put out
                zeros, and nothing in them reaches any result or gradient.
            rng, start_step: as for `jaxrnn.scan`.

        Returns:
            `(carry, Attended [T, ...])`.

        Raises:
            TypeError, ValueError: an argument does not fit; the message names it.
        """
        return scan_steps(partial(self.step, params), xs, carry, memory, lengths, rng, start_step)


def scan_steps(
    step: Callable[..., tuple[Carry, Any]],
    xs: ArrayLike,
    carry: Carry,
    memory: Memory,
    lengths: ArrayLike | None,
    rng: PRNGKeyArray | None,
    start_step: Any,
) -> tuple[Carry, Any]:
    """The `scan` of any decoder that has a `step(carry, x, memory, rng=, step=)`, saving carries alone."""
    xs, valid = check_sequence(xs, memory, lengths)
    check_time(start_step, "start_step")

    def advance(carry: Carry, now: tuple[Array, Array, Array | None]) -> tuple[Carry, Any]:
        x, t, valid = now
        new, outputs = step(guard(valid, carry), x, memory, rng=rng, step=t)
        if valid is None:
            return new, outputs
        return select(valid, new, carry), select(valid, outputs, jax.tree.map(jnp.zeros_like, outputs))

    t = jnp.arange(xs.shape[0], dtype=jnp.int32) + jnp.asarray(start_step, jnp.int32)
    # Scores are computed again on the way back. Kept, they take T x S x A numbers a row: at T = S = 48 a gradient
    # then needs twelve times the memory, and more time.
    return jax.lax.scan(jax.checkpoint(advance, prevent_cse=False), carry, (xs, t, valid))


def check_parts(cell: Any, attention: Any) -> None:
    """A cell and an attention."""
    if not isinstance(cell, Layer):
        fail("cell", "a Cell, such as jaxrnn.gru(128)", cell, kind=TypeError)
    if not isinstance(attention, Attention):
        fail("attention", "an Attention, such as bahdanau(128)", attention, kind=TypeError)


def check_sequence(xs: Any, memory: Any, lengths: Any) -> tuple[Array, Array | None]:
    """xs with zeros at invalid steps, and which are valid."""
    if not isinstance(memory, Memory):
        fail("memory", "a Memory, as `decoder.memory(params, values)` returns", memory, kind=TypeError)
    batch = memory.mask.shape[:-1]
    if not isinstance(xs, (jax.Array, np.ndarray)) or not is_float(xs.dtype):
        fail("xs", "a floating array [T, *B, D]", xs, kind=TypeError)
    if xs.ndim != len(batch) + 2 or xs.shape[1:-1] != batch:
        fail("xs", f"of shape [T, *B, D] with *B = {batch} as the memory has it", xs)
    lengths = check_lengths(lengths, xs.shape[0], batch)
    valid = valid_steps(xs.shape[0], lengths, None)
    return clean(valid, jnp.asarray(xs)), valid


def initial(cell: Layer, batch: tuple[int, ...], params: Params | None, given: Carry | None) -> Carry:
    """The cell's carry before the first step: the given one, or its own."""
    if given is not None:
        return cell.pack(given, "cell")
    return cell.initial_carry(batch, None if params is None else entry(params, "cell"))


def zeros(cell: Carry, batch: tuple[int, ...], size: int) -> Array:
    """An output before the first step, in the carry's dtype."""
    return jnp.zeros((*batch, size), jax.tree.leaves(cell)[0].dtype)


def check_step(x: Any, memory: Any) -> Array:
    """The input of one step, with the memory's batch axes."""
    if not isinstance(memory, Memory):
        fail("memory", "a Memory, as `decoder.memory(params, values)` returns", memory, kind=TypeError)
    batch = memory.mask.shape[:-1]
    if not isinstance(x, (jax.Array, np.ndarray)) or not is_float(x.dtype):
        fail("x", "a floating array [*B, D]", x, kind=TypeError)
    if x.ndim != len(batch) + 1 or x.shape[:-1] != batch:
        fail("x", f"of shape [*B, D] with *B = {batch} as the memory has it", x)
    return jnp.asarray(x)


def check_carry(carry: Any) -> AttendCarry:
    """The carry of a decoder that reads its own output."""
    if not isinstance(carry, AttendCarry):
        fail("carry", "an AttendCarry, as `decoder.initial_carry` returns", carry, kind=TypeError)
    return carry


def joined(a: Array, b: Array) -> Array:
    """Features side by side, in the dtype of the first."""
    return jnp.concatenate([a, b.astype(a.dtype)], -1)
