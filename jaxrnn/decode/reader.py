"""What every cell has that reads a memory while it steps: by attention, or through a window.

Each has `step`, for decoding, and `scan`, for training on given inputs; both give the same numbers.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_batch, check_floats, check_time
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Array, ArrayLike, Axis, Carry, Float, Integer, Params, PRNGKeyArray
from jaxrnn.core.layer import Layer, check_carry, check_declared, entry
from jaxrnn.core.step import guard, select
from jaxrnn.decode.attention import Memory, check_memory
from jaxrnn.engine.check import check_lengths
from jaxrnn.engine.masks import clean, valid_steps


@dataclass(frozen=True)
class Reader(abc.ABC):
    """A cell that reads a memory: static and hashable, without arrays."""

    cell: Layer  # the one inside

    @abc.abstractmethod
    def init(self, key: PRNGKeyArray, *, inputs: int, memory: int) -> dict[str, Any]:
        """Draw all parameters, for D input features and M features of a memory."""

    @abc.abstractmethod
    def declare(self, inputs: int, memory: int) -> dict[str, Any]:
        """The parameters as `init` draws them: name -> `Parameter`, nested."""

    @abc.abstractmethod
    def beside(self, params: Params, memory: Memory) -> tuple[int, int]:
        """Of what the cell reads, the features that are not the input's; and M, as parameters have it."""

    @abc.abstractmethod
    def check_carry(self, carry: Any, memory: Memory) -> Carry:
        """The carry, its arrays of the memory's batch axes."""

    @abc.abstractmethod
    def step(
        self,
        params: Params,
        carry: Any,
        x: Float[ArrayLike, "*B D"],
        memory: Memory,
        *,
        rng: PRNGKeyArray | None = None,
        step: Any = 0,
    ) -> tuple[Any, Any]:
        """One step; `rng` and `step` as for `Cell.step`."""

    def scan(
        self,
        params: Params,
        xs: Float[ArrayLike, "T *B D"],
        carry: Any,
        memory: Memory,
        *,
        lengths: Integer[ArrayLike, "*B"] | None = None,
        rng: PRNGKeyArray | None = None,
        start_step: Any = 0,
    ) -> tuple[Any, Any]:
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
            `(carry, outputs [T, ...])`, outputs as `step` has them.

        Raises:
            TypeError, ValueError: an argument does not fit; the message names it.
        """
        xs, valid = self.check_sequence(params, xs, memory, lengths)
        check_time(start_step, "start_step")
        carry = self.check_carry(carry, memory)

        def advance(carry: Carry, now: tuple[Array, Array, Array | None]) -> tuple[Carry, Any]:
            x, t, valid = now
            new, outputs = self.step(params, guard(valid, carry), x, memory, rng=rng, step=t)
            if valid is None:
                return new, outputs
            return select(valid, new, carry), select(valid, outputs, jax.tree.map(jnp.zeros_like, outputs))

        t = jnp.arange(xs.shape[0], dtype=jnp.int32) + jnp.asarray(start_step, jnp.int32)
        # Scores are computed again on the way back. Kept, they take T x S x A numbers a row: at T = S = 48 a gradient
        # then needs twelve times the memory, and more time.
        return jax.lax.scan(jax.checkpoint(advance, prevent_cse=False), carry, (xs, t, valid))

    def check(self, params: Any, x: Any, memory: Any, argument: str = "x", time: str = "") -> Array:
        """The input of one step, or of all when there is a time axis; parameters and memory fit it and each other."""
        check_memory(memory)
        cell = entry(params, "cell")
        beside, features = self.beside(params, memory)
        inputs = self.cell.input_size(cell) - beside
        if inputs < 1:
            fail(
                "params['cell']",
                f"made for more than the {beside} features beside an input",
                Said(f"for {inputs + beside}"),
            )
        check_declared(self.declare(inputs, features), params)
        check_memory(memory, features)
        batch, axes = memory.mask.shape[:-1], f"[{time}*B, D]"
        check_floats(x, argument, f"a floating array {axes}")
        first = 1 if time else 0
        if x.ndim != len(batch) + 1 + first or x.shape[first:-1] != batch:
            fail(argument, f"of shape {axes} with *B = {batch} as the memory has it", x)
        if x.shape[-1] != inputs:
            fail(argument, f"of shape {axes} with D = {inputs}, as params have it", x)
        return jnp.asarray(x)

    def check_sequence(self, params: Any, xs: Any, memory: Any, lengths: Any) -> tuple[Array, Array | None]:
        """xs `[T, *B, D]` with zeros at invalid steps, and which are valid."""
        xs = self.check(params, xs, memory, "xs", "T, ")
        valid = valid_steps(xs.shape[0], check_lengths(lengths, xs.shape[0], memory.mask.shape[:-1]), None)
        return clean(valid, xs), valid


def check_state(array: Any, shape: tuple[Axis, ...], argument: str) -> Array:
    """What a reader hands from step to step beside its cell's carry."""
    check_floats(array, argument, f"a floating array {shape}")
    if array.shape != shape:
        fail(argument, f"of shape {shape}", array)
    return jnp.asarray(array)


def initial(cell: Layer, batch: tuple[Axis, ...], params: Params | None, given: Carry | None) -> Carry:
    """The cell's carry before the first step: the given one, or its own."""
    check_batch(batch)
    if given is not None:
        return check_carry(cell, given, batch, "cell")
    return cell.initial_carry(batch, None if params is None else entry(params, "cell"))


def joined(a: Array, b: Array) -> Array:
    """Features side by side, in the dtype of the first."""
    return jnp.concatenate([a, b.astype(a.dtype)], -1)
