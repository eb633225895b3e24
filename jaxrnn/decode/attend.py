"""Decoders that attend: any cell, with attention before or after its step.

Each has `step`, for decoding, and `scan`, for training on given inputs; both give the same numbers.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.checks import check_flag, check_key, check_size
from jaxrnn.decode.attention import Attention, Memory
from jaxrnn.dtypes import default_float, is_float
from jaxrnn.engine.check import check_lengths
from jaxrnn.engine.masks import clean, valid_steps
from jaxrnn.engine.scan import scan
from jaxrnn.errors import fail
from jaxrnn.layer import Layer, entry
from jaxrnn.step import guard, select
from jaxrnn.typing import Array, ArrayLike, Bool, Carry, Float, Integer, Params, PRNGKeyArray

glorot = jax.nn.initializers.glorot_uniform()


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
        xs, valid = _check_sequence(xs, memory, lengths)

        def step(carry: Carry, now: tuple[Array, Array, Array | None]) -> tuple[Carry, Attended]:
            x, t, valid = now
            new, attended = self.step(params, guard(valid, carry), x, memory, rng=rng, step=t)
            if valid is None:
                return new, attended
            return select(valid, new, carry), select(valid, attended, jax.tree.map(jnp.zeros_like, attended))

        t = jnp.arange(xs.shape[0], dtype=jnp.int32) + jnp.asarray(start_step, jnp.int32)
        # Scores are computed again on the way back: kept, they would take T x S x A numbers a row.
        return jax.lax.scan(jax.checkpoint(step, prevent_cse=False), carry, (xs, t, valid))


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

    def initial_carry(
        self,
        batch: tuple[int, ...],
        params: Params | None = None,
        cell: Carry | None = None,
        output: Array | None = None,
    ) -> AttendCarry:
        """The carry before the first step; `output`, by default zeros, is the first query."""
        cell = _initial(self.cell, batch, params, cell)
        return AttendCarry(cell, _zeros(cell, batch, self.cell.output_size) if output is None else output)

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
        context, weights = self.attention(entry(params, "attention"), carry.output, memory)
        seen = _joined(x, context)
        cell, y = self.cell.step(entry(params, "cell"), carry.cell, seen, rng=rng, step=step)
        return AttendCarry(cell, y), Attended(y, context, weights)


@dataclass(frozen=True)
class AttendAfter(Attend):
    """Made by `attend_after`."""

    units: int
    input_feeding: bool

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

    def initial_carry(self, batch: tuple[int, ...], params: Params | None = None, cell: Carry | None = None) -> Carry:
        """The carry before the first step: the cell's own, and with input feeding an output of zeros beside it."""
        cell = _initial(self.cell, batch, params, cell)
        return AttendCarry(cell, _zeros(cell, batch, self.units)) if self.input_feeding else cell

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
        before, seen = (carry.cell, _joined(x, carry.output)) if self.input_feeding else (carry, jnp.asarray(x))
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
        """All steps of given inputs; see `Attend.scan`. Without input feeding the cell runs in the engine."""
        if self.input_feeding:
            return super().scan(params, xs, carry, memory, lengths=lengths, rng=rng, start_step=start_step)
        xs, valid = _check_sequence(xs, memory, lengths)
        cell = entry(params, "cell")
        carry, ys = scan(self.cell, cell, xs, carry, lengths=lengths, rng=rng, start_step=start_step)
        attended = self._attend(params, ys, memory)
        return carry, jax.tree.map(lambda a: clean(valid, a), attended)

    def _attend(self, params: Params, y: Array, memory: Memory) -> Attended:
        context, weights = self.attention(entry(params, "attention"), y, memory)
        joined = _joined(context, y)
        return Attended(jnp.tanh(joined @ entry(params, "combine_kernel").astype(joined.dtype)), context, weights)


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
    _check_parts(cell, attention)
    return AttendBefore(cell, attention)


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
    _check_parts(cell, attention)
    check_size(cell.output_size if units is None else units, "units")
    check_flag(input_feeding, "input_feeding")
    return AttendAfter(cell, attention, int(cell.output_size if units is None else units), bool(input_feeding))


def _check_parts(cell: Any, attention: Any) -> None:
    if not isinstance(cell, Layer):
        fail("cell", "a Cell, such as jaxrnn.gru(128)", cell, kind=TypeError)
    if not isinstance(attention, Attention):
        fail("attention", "an Attention, such as bahdanau(128)", attention, kind=TypeError)


def _check_sequence(xs: Any, memory: Any, lengths: Any) -> tuple[Array, Array | None]:
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


def _initial(cell: Layer, batch: tuple[int, ...], params: Params | None, given: Carry | None) -> Carry:
    if given is not None:
        return cell.pack(given, "cell")
    return cell.initial_carry(batch, None if params is None else entry(params, "cell"))


def _zeros(cell: Carry, batch: tuple[int, ...], size: int) -> Array:
    return jnp.zeros((*batch, size), jax.tree.leaves(cell)[0].dtype)


def _joined(a: ArrayLike, b: Array) -> Array:
    return jnp.concatenate([jnp.asarray(a), b.astype(a.dtype)], -1)
