"""Attention after the step: Luong's decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_flag, check_key, check_size
from jaxrnn.base.dtypes import default_float
from jaxrnn.base.typing import Array, ArrayLike, Axis, Carry, Float, Integer, Params, PRNGKeyArray
from jaxrnn.core.layer import Layer, check_carry, entry
from jaxrnn.core.parameter import Parameter
from jaxrnn.decode.attend import (
    Attend,
    AttendCarry,
    Attended,
    check_parts,
    zeros,
)
from jaxrnn.decode.attention import Attention, Memory
from jaxrnn.decode.reader import initial, joined
from jaxrnn.engine.masks import clean
from jaxrnn.engine.scan import scan

glorot = jax.nn.initializers.glorot_uniform()


@dataclass(frozen=True)
class AttendAfter(Attend):
    """Made by `attend_after`."""

    units: int  # P, of the output
    input_feeding: bool  # whether a step reads the output before it

    def init(self, key: PRNGKeyArray, *, inputs: int, memory: int) -> dict[str, Any]:
        """Draw all parameters: `{"cell": ..., "attention": ..., "combine_kernel": [M + P, units]}`."""
        check_key(key, "key")
        check_size(inputs, "inputs")
        check_size(memory, "memory")
        cell, attention, combine = jax.random.split(key, 3)
        size = self.cell.output_size
        return {
            "cell": self.cell.init(cell, inputs + self.units * self.input_feeding),
            "attention": self.attention.init(attention, query=size, memory=memory),
            "combine_kernel": glorot(combine, (memory + size, self.units), default_float()),
        }

    def declare(self, inputs: int, memory: int) -> dict[str, Any]:
        size = self.cell.output_size
        return {
            "cell": self.cell.declare(inputs + self.units * self.input_feeding),
            "attention": self.attention.declare(size, memory),
            "combine_kernel": Parameter((memory + size, self.units), glorot, dtype=default_float()),
        }

    def beside(self, params: Params, memory: Memory) -> tuple[int, int]:
        return self.units * self.input_feeding, self.features(params, memory)

    def check_carry(self, carry: Any, memory: Memory) -> Carry:
        if self.input_feeding:
            return self.check_attending(carry, memory, self.units)
        return check_carry(self.cell, carry, memory.mask.shape[:-1])

    def initial_carry(self, batch: tuple[Axis, ...], params: Params | None = None, cell: Carry | None = None) -> Carry:
        """The carry before the first step: the cell's own, and with input feeding an output of zeros beside it."""
        cell = initial(self.cell, batch, params, cell)
        return AttendCarry(cell, zeros(cell, batch, self.units)) if self.input_feeding else cell

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
        """Step, then attend by the output; see `Cell.step`."""
        seen, before = self.check(params, x, memory), self.check_carry(carry, memory)
        if self.input_feeding:
            before, seen = before.cell, joined(seen, before.output)
        cell, y = self.cell.step(entry(params, "cell"), before, seen, rng=rng, step=step)
        attended = self._attend(params, y, memory)
        return AttendCarry(cell, attended.output) if self.input_feeding else cell, attended

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
        """All steps of given inputs; see `Reader.scan`. Without input feeding the cell runs in the engine."""
        if self.input_feeding:
            return super().scan(params, xs, carry, memory, lengths=lengths, rng=rng, start_step=start_step)
        xs, valid = self.check_sequence(params, xs, memory, lengths)
        carry = self.check_carry(carry, memory)
        cell = entry(params, "cell")
        carry, ys = scan(self.cell, cell, xs, carry, lengths=lengths, rng=rng, start_step=start_step)
        attended = self._attend(params, ys, memory)
        return carry, jax.tree.map(lambda a: clean(valid, a), attended)

    def _attend(self, params: Params, y: Array, memory: Memory) -> Attended:
        context, weights = self.attention(entry(params, "attention"), y, memory)
        both = joined(context, y)
        return Attended(jnp.tanh(both @ entry(params, "combine_kernel").astype(both.dtype)), context, weights)


def attend_after(
    cell: Layer, attention: Attention, *, units: int | None = None, input_feeding: bool = False
) -> AttendAfter:
    """Attention after the step: the output looks for what belongs to it,

        y_t = cell(x_t),    c_t = attention(y_t, memory),    h~_t = tanh(W [c_t; y_t])

    With input feeding the step reads [x_t; h~_{t-1}], so it knows where it looked before. Without, no step waits for
    the attention: the cell runs in the engine and all times attend at once.

    Args:
        cell: any Cell, or a stack of them.
        attention: `luong(score)` or `bahdanau(units)`.
        units: features of h~; by default the cell's output size.
        input_feeding: let each step read the h~ before it.

    Returns:
        A decoder with `init`, `initial_carry`, `memory`, `step` and `scan`. Its carry is the cell's; with input feeding
        an `AttendCarry(cell, output)`.

    Raises:
        TypeError, ValueError: an argument is of another kind or out of range.

    Paper: Luong, Pham & Manning, Effective approaches to attention-based neural machine translation, EMNLP 2015.

    >>> import jax, jax.numpy as jnp, jaxrnn
    >>> from jaxrnn.decode import attend_after, luong
    >>> decoder = attend_after(jaxrnn.lstm(8), luong(), input_feeding=True)
    >>> params = decoder.init(jax.random.key(0), inputs=3, memory=6)
    >>> memory = decoder.memory(params, jnp.ones((5, 6)))
    >>> carry, y = decoder.step(params, decoder.initial_carry(()), jnp.ones(3), memory)
    >>> y.output.shape
    (8,)
    """
    check_parts(cell, attention)
    units = check_size(cell.output_size if units is None else units, "units")
    return AttendAfter(cell, attention, units, check_flag(input_feeding, "input_feeding"))
