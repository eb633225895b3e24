"""Attention before the step: Bahdanau's decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax

from jaxrnn.base.checks import check_key, check_size
from jaxrnn.base.typing import Array, ArrayLike, Axis, Carry, Float, Params, PRNGKeyArray
from jaxrnn.core.layer import Layer, entry
from jaxrnn.decode.attend import (
    Attend,
    AttendCarry,
    Attended,
    check_parts,
    zeros,
)
from jaxrnn.decode.attention import Attention, Memory
from jaxrnn.decode.reader import check_state, initial, joined


@dataclass(frozen=True)
class AttendBefore(Attend):
    """Made by `attend_before`."""

    def init(self, key: PRNGKeyArray, *, inputs: int, memory: int) -> dict[str, Any]:
        """Draw all parameters: `{"cell": ..., "attention": ...}`, the cell's for D + M inputs."""
        check_key(key, "key")
        check_size(inputs, "inputs")
        check_size(memory, "memory")
        cell, attention = jax.random.split(key)
        return {
            "cell": self.cell.init(cell, inputs + memory),
            "attention": self.attention.init(attention, query=self.cell.output_size, memory=memory),
        }

    def declare(self, inputs: int, memory: int) -> dict[str, Any]:
        return {
            "cell": self.cell.declare(inputs + memory),
            "attention": self.attention.declare(self.cell.output_size, memory),
        }

    def beside(self, params: Params, memory: Memory) -> tuple[int, int]:
        features = self.features(params, memory)
        return features, features

    def check_carry(self, carry: Any, memory: Memory) -> AttendCarry:
        return self.check_attending(carry, memory, self.cell.output_size)

    def initial_carry(
        self,
        batch: tuple[Axis, ...],
        params: Params | None = None,
        cell: Carry | None = None,
        output: Array | None = None,
    ) -> AttendCarry:
        """The carry before the first step; `output`, by default zeros, is the first query."""
        cell, size = initial(self.cell, batch, params, cell), self.cell.output_size
        return AttendCarry(
            cell, zeros(cell, batch, size) if output is None else check_state(output, (*batch, size), "output")
        )

    def step(
        self,
        params: Params,
        carry: Carry,
        x: Float[ArrayLike, "*B D"],
        memory: Memory,
        *,
        rng: PRNGKeyArray | None = None,
        step: Any = 0,
    ) -> tuple[AttendCarry, Attended]:
        """Attend by the previous output, then step on the input and the context; see `Cell.step`."""
        x, carry = self.check(params, x, memory), self.check_carry(carry, memory)
        context, weights = self.attention(entry(params, "attention"), carry.output, memory)
        seen = joined(x, context)
        cell, y = self.cell.step(entry(params, "cell"), carry.cell, seen, rng=rng, step=step)
        return AttendCarry(cell, y), Attended(y, context, weights)


def attend_before(cell: Layer, attention: Attention) -> AttendBefore:
    """Attention before the step: what the previous output looks for is read together with the input,

        c_t = attention(y_{t-1}, memory),    y_t = cell([x_t; c_t])

    Args:
        cell: any Cell, or a stack of them.
        attention: `bahdanau(units)` or `luong(score)`.

    Returns:
        A decoder with `init`, `initial_carry`, `memory`, `step` and `scan`, and an `AttendCarry(cell, output)`.

    Raises:
        TypeError: an argument is of another kind.

    Paper: Bahdanau, Cho & Bengio, Neural machine translation by jointly learning to align and translate, ICLR 2015.

    >>> import jax, jax.numpy as jnp, jaxrnn
    >>> from jaxrnn.decode import attend_before, bahdanau
    >>> decoder = attend_before(jaxrnn.gru(8), bahdanau(8))
    >>> params = decoder.init(jax.random.key(0), inputs=3, memory=6)
    >>> memory = decoder.memory(params, jnp.ones((2, 5, 6)), lengths=jnp.array([5, 3]))
    >>> carry, ys = decoder.scan(params, jnp.ones((7, 2, 3)), decoder.initial_carry((2,)), memory)
    >>> ys.output.shape, ys.context.shape, ys.weights.shape
    ((7, 2, 8), (7, 2, 6), (7, 2, 5))
    """
    check_parts(cell, attention)
    return AttendBefore(cell, attention)
