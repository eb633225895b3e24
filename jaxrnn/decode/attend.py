"""What all decoders that attend have: any cell, with attention before or after its step."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, ArrayLike, Axis, Bool, Carry, Float, Integer, Params
from jaxrnn.core.layer import Layer, check_carry, entry
from jaxrnn.decode.attention import Attention, Memory
from jaxrnn.decode.reader import Reader, check_state
from jaxrnn.programs.serialized import serialized


@serialized
class AttendCarry(NamedTuple):
    """Between two steps of what `attend_before` or `attend_after` make."""

    cell: Carry  # the cell's own
    output: Array  # [*B, P] the output of the step before, which the next step reads


@serialized
class Attended(NamedTuple):
    """What a decoder of `attend_before` or `attend_after` puts out at a step; with a leading T for a sequence."""

    output: Array  # [*B, P]
    context: Array  # [*B, M]
    weights: Array  # [*B, S], where it looked


@dataclass(frozen=True)
class Attend(Reader):
    """A cell with attention, by `attend_before` or `attend_after`."""

    attention: Attention  # scores memories by the state

    @abc.abstractmethod
    def initial_carry(self, batch: tuple[Axis, ...], params: Params | None = None, cell: Carry | None = None) -> Carry:
        """The carry before the first step; `cell` is the cell's, by default its initial one."""

    def memory(
        self,
        params: Params,
        values: Float[ArrayLike, "*B S M"],
        *,
        lengths: Integer[ArrayLike, "*B"] | None = None,
        mask: Bool[ArrayLike, "*B S"] | None = None,
    ) -> Memory:
        """Prepare what is attended to; see `Attention.memory`."""
        attention = entry(params, "attention")
        self.attention.check(attention, "params['attention']")
        return self.attention.memory(attention, values, lengths=lengths, mask=mask)

    def features(self, params: Params, memory: Memory) -> int:
        """M, as the attention's parameters have it, or the memory, where any will do."""
        sizes = self.attention.sizes(entry(params, "attention"), "params['attention']")
        return memory.values.shape[-1] if sizes is None else sizes[1]

    def check_attending(self, carry: Any, memory: Memory, size: int) -> AttendCarry:
        """The carry of a decoder that reads its own output `[*B, size]`."""
        if not isinstance(carry, AttendCarry):
            fail("carry", "an AttendCarry, as `decoder.initial_carry` returns", carry, kind=TypeError)
        batch = memory.mask.shape[:-1]
        cell = check_carry(self.cell, carry.cell, batch, "carry.cell")
        return AttendCarry(cell, check_state(carry.output, (*batch, size), "carry.output"))


def check_parts(cell: Any, attention: Any) -> None:
    """A cell and an attention."""
    if not isinstance(cell, Layer):
        fail("cell", "a Cell, such as jaxrnn.gru(128)", cell, kind=TypeError)
    if not isinstance(attention, Attention):
        fail("attention", "an Attention, such as bahdanau(128)", attention, kind=TypeError)


def zeros(cell: Carry, batch: tuple[Axis, ...], size: int) -> Array:
    """An output before the first step, in the carry's dtype."""
    return jnp.zeros((*batch, size), jax.tree.leaves(cell)[0].dtype)
