"""The engine's public entries: `scan`, `scan_carries`, `scan_truncated`, `explain`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax

from jaxrnn.base.errors import fail
from jaxrnn.base.hints import spelled
from jaxrnn.base.platform import platform
from jaxrnn.base.typing import ArrayLike, Bool, Carry, Integer, Params, PRNGKeyArray, Shaped
from jaxrnn.core.cell import Cell
from jaxrnn.core.closures import is_open, methods, still
from jaxrnn.core.layer import Layer
from jaxrnn.engine.check import Arguments, check_scan
from jaxrnn.engine.plan import Plan
from jaxrnn.engine.run import placed, run
from jaxrnn.engine.sequence import Call


@spelled()
def scan(
    cell: Layer,
    params: Params,
    xs: Shaped[ArrayLike, "T ..."],
    carry: Carry | None = None,
    *,
    lengths: Integer[ArrayLike, "*B"] | None = None,
    mask: Bool[ArrayLike, " T *B"] | None = None,
    resets: Bool[ArrayLike, " T *B"] | None = None,
    segments: Integer[ArrayLike, " T *B"] | None = None,
    reset_carry: Carry | None = None,
    reverse: bool = False,
    chunk: int | str | None = None,
    rng: PRNGKeyArray | None = None,
    start_step: Any = 0,
    per_step: Mapping[str, ArrayLike] | None = None,
    projected: bool = False,
    backend: str = "auto",
) -> tuple[Carry, Any]:
    """Run a layer over a sequence, time-major.

    An invalid step (false in `mask`, or at or beyond a row's length) holds the carry and puts out zero; nothing in it,
    NaN included, reaches any result or gradient.

    Args:
        cell: a Cell, or a Layer composed of cells.
        params: its parameters, as `cell.init` returns them.
        xs: inputs `[T, *B, D]`; or integers `[T, *B]`, which pick rows of the kernel and so equal one-hot inputs.
        carry: the carry before the first step, arrays `[*B, H]`; None for the initial carry.
        lengths: integers `[*B]`: only the first so many steps of a row count.
        mask: bool `[T, *B]`, true where a step counts.
        resets: bool `[T, *B]`, true where a new sequence starts: the step starts from `reset_carry`. A flag on an
            invalid step waits for the next valid one of this call.
        segments: integers `[T, *B]`: a valid step whose id differs from that of the valid step before it starts fresh.
        reset_carry: what resets lead to; None for the cell's initial carry.
        reverse: process from each row's last valid step to its first; outputs stay in the order of xs.
        chunk: steps a block of the scheduled backend. None picks by rule; "sqrt" trades one more forward pass for
            memory that grows as the square root of T; T or more saves everything, as a symbolic T does.
        rng: a PRNG key for dropout and zoneout; None runs without noise.
        start_step: the absolute time of xs[0], so that a stream in pieces draws the noise of the whole.
        per_step: arrays `[T, *B, ...]` that the equations ask for by name.
        projected: xs is `cell.project(params, xs)`, `[T, *B, G, H]`, already.
        backend: "auto", or one of those that `explain` lists.

    Returns:
        `(carry, ys)`: the carry after each row's last valid step, and the outputs `[T, *B, output_size]`.

    Raises:
        ValueError, TypeError: an argument does not fit; the message names it, what was expected and what came. Lengths
            and symbols out of range raise where they are concrete; traced, they are clipped, and `jaxrnn.checkify`
            reports them.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.lstm(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> xs = jax.numpy.ones((6, 2, 3))
    >>> carry, ys = jaxrnn.scan(cell, params, xs, lengths=jax.numpy.array([6, 2]))
    >>> ys.shape, bool((ys[2:, 1] == 0).all())
    ((6, 2, 4), True)
    """
    given = Arguments(
        lengths, mask, resets, segments, reset_carry, reverse, chunk, rng, start_step, per_step, projected, backend
    )
    return _scan(cell, params, xs, carry, given, carries=False)


def scan_carries(
    cell: Layer, params: Params, xs: Shaped[ArrayLike, "T ..."], carry: Carry | None = None, **arguments: Any
) -> tuple[Carry, Any]:
    """As `scan`, but returns the carry after every step in place of the last one.

    Args:
        cell, params, xs, carry: as for `scan`; `cell` must be a Cell.
        **arguments: the keyword arguments of `scan`.

    Returns:
        `(carries, ys)`, arrays `[T, *B, H]` in each. An invalid step shows the carry that it holds.

    Raises:
        ValueError, TypeError: as `scan`.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.gru(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> carries, ys = jaxrnn.scan_carries(cell, params, jax.numpy.ones((6, 2, 3)))
    >>> bool((carries.h == ys).all())
    True
    """
    if not isinstance(cell, Cell):
        fail("cell", "a single Cell, whose carry is its own", cell, kind=TypeError)
    return _scan(cell, params, xs, carry, Arguments.of(arguments), carries=True)[1][::-1]


_HEARD: ContextVar[tuple[Callable[..., None], ...]] = ContextVar("heard", default=())


@contextmanager
def hearing(hear: Callable[..., None]) -> Iterator[None]:
    """Inside, `hear(layer, params, xs, carry, arguments)` is told of every call of the engine, once it is checked."""
    token = _HEARD.set((*_HEARD.get(), hear))
    try:
        yield
    finally:
        _HEARD.reset(token)


_INSTEAD: ContextVar[Callable[..., tuple[Carry, Any]] | None] = ContextVar("instead", default=None)


@contextmanager
def instead(run: Callable[..., tuple[Carry, Any]] | None) -> Iterator[None]:
    """Inside, `run(layer, params, xs, carry, arguments, carries)` answers every call of the engine, once checked."""
    token = _INSTEAD.set(run)
    try:
        yield
    finally:
        _INSTEAD.reset(token)


def _scan(
    cell: Layer, params: Params, xs: ArrayLike, carry: Any, given: Arguments, *, carries: bool
) -> tuple[Carry, Any]:
    call = check_scan(cell, params, xs, carry, given)
    for hear in _HEARD.get():
        hear(cell, params, xs, carry, given)
    if (other := _INSTEAD.get()) is not None:
        return other(cell, params, xs, carry, given, carries)
    layer, plan = still(cell), Plan(given.reverse, given.chunk, given.backend, given.projected, carries, platform())
    # What belongs to an open trace must not outlive it in a compiled program.
    return (_run if is_open(layer) else _run_jitted)(layer, call, plan, methods(layer))


def _run(layer: Layer, call: Call, plan: Plan, read: Hashable) -> tuple[Carry, Any]:
    return placed(lambda call: run(layer, call, plan), call, plan.projected)


# Compiled once a layer, plan and what methods read, so that a call outside `jit` does not compile again either.
_run_jitted = jax.jit(_run, static_argnums=(0, 2, 3))
