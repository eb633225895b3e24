"""Truncated backpropagation through time: the values of `scan`, with gradients that reach back k2 steps every k1."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.base.checks import check_size
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.platform import platform
from jaxrnn.base.typing import Array, Axis, Carry, Params
from jaxrnn.core.closures import is_open, methods, still
from jaxrnn.core.layer import Layer
from jaxrnn.core.step import select
from jaxrnn.engine.check import Arguments, check_scan
from jaxrnn.engine.masks import reset_steps
from jaxrnn.engine.plan import Plan
from jaxrnn.engine.run import placed, run
from jaxrnn.engine.sequence import Call, Sequence, Steps


def scan_truncated(
    cell: Layer,
    params: Params,
    xs: Array,
    carry: Carry | None = None,
    *,
    k1: int,
    k2: int | None = None,
    **arguments: Any,
) -> tuple[Carry, Any]:
    """Run a layer as `scan` does, with gradients truncated to windows: TBPTT(k1, k2).

    The outputs of steps b k1 ... (b + 1) k1 - 1 send their gradients back to step (b + 1) k1 - k2 and no further, and
    so does the final carry from the last window. All windows are differentiated in parallel.

    Args:
        cell, params, xs, carry: as for `scan`. A bidirectional layer cannot be truncated.
        k1: steps between two truncation points.
        k2: steps that a gradient reaches back, k1 or more; None for k1.
        **arguments: the keyword arguments of `scan`.

    Returns:
        `(carry, ys)`, equal to those of `scan`.

    Raises:
        ValueError, TypeError: as `scan`; k1 or k2 is out of range.

    Paper: Williams & Peng, An efficient gradient-based algorithm for on-line training of recurrent network
    trajectories, Neural Computation 2(4), 1990.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.lstm(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> xs = jax.numpy.ones((12, 2, 3))
    >>> first = lambda xs: jaxrnn.scan_truncated(cell, params, xs, k1=4)[1][-1].sum()
    >>> [bool(g.any()) for g in jax.grad(first)(xs)[7:9]]
    [False, True]
    """
    check_size(k1, "k1")
    k2 = k1 if k2 is None else k2
    check_size(k2, "k2")
    if k2 < k1:
        fail("k2", f"at least k1 = {k1}, so that every output has a gradient", k2)
    given = Arguments.of(arguments)
    call = check_scan(cell, params, xs, carry, given)
    if _has_both_directions(cell):
        got = "a bidirectional one, whose first output depends on the last input"
        fail("cell", "a layer of one direction", Said(got), kind=TypeError)
    cell, plan = still(cell), Plan(given.reverse, given.chunk, given.backend, given.projected, platform=platform())
    return (_run if is_open(cell) else _run_jitted)(cell, call, plan, k1, k2, methods(cell))


def _has_both_directions(layer: Layer) -> bool:
    return hasattr(layer, "backward") or any(map(_has_both_directions, layer.parts))


def _run(layer: Layer, call: Call, plan: Plan, k1: int, k2: int, read: Hashable) -> tuple[Carry, Any]:
    return placed(lambda call: _windows(layer, call, plan, k1, k2), call, plan.projected)


_run_jitted = jax.jit(_run, static_argnums=(0, 2, 3, 4, 5))


def _windows(layer: Layer, call: Call, plan: Plan, k1: int, k2: int) -> tuple[Carry, Any]:
    sequence, T = call.sequence, call.sequence.t.shape[0]
    if T == 0:
        return run(layer, call, plan)
    steps = _in_order(sequence, plan.reverse)

    def piece(carry: Any, steps: Steps) -> tuple[Carry, Any]:
        x, t, valid, reset, per_step = steps
        part = Sequence(x, t, valid, reset, None, per_step)
        return run(layer, call._replace(sequence=part, carry=carry), plan._replace(reverse=False))

    overlap = k2 - k1
    count = -(-T // k1)
    steps = _pad(steps, sequence.batch_axes(plan.projected), overlap, count * k1 - T)
    carry = call.carry
    if carry is None:  # no steps at all: the layer's own initial carry, in its own dtype
        carry = piece(None, jax.tree.map(lambda a: a[:0], steps))[0]

    # First without gradients: the carry at every place where a window may start.
    unit = math.gcd(k1, k2)
    units = overlap // unit + count * (k1 // unit)
    cut = jax.tree.map(lambda a: a.reshape(units, unit, *a.shape[1:]), lax.stop_gradient(steps))
    _, starts = lax.scan(lambda c, s: (lax.stop_gradient(piece(c, s)[0]), c), lax.stop_gradient(carry), cut)
    # Windows that reach back to the beginning start from the carry that was passed, with its gradient.
    at = jnp.arange(count) * k1
    passed = jax.tree.map(lambda c: jnp.broadcast_to(c[None], (count, *c.shape)), carry)
    starts = select(at <= overlap, passed, jax.tree.map(lambda s: s[at // unit], starts))

    windows = jax.tree.map(lambda a: a[at[:, None] + jnp.arange(k2)[None]], steps)
    finals, ys = jax.vmap(piece)(starts, windows)
    final = jax.tree.map(lambda a: a[-1], finals)
    ys = jax.tree.map(lambda a: a[:, overlap:].reshape(count * k1, *a.shape[2:])[:T], ys)
    return final, jax.tree.map(lambda a: jnp.flip(a, 0), ys) if plan.reverse else ys


def _in_order(sequence: Sequence, reverse: bool) -> Steps:
    """Steps in the order in which they are processed, with their resets settled."""
    steps = Steps(sequence.xs, sequence.t, sequence.valid, reset_steps(sequence, reverse), sequence.per_step)
    return jax.tree.map(lambda a: jnp.flip(a, 0), steps) if reverse else steps


def _pad(steps: Steps, batch: tuple[Axis, ...], front: int, back: Axis) -> Steps:
    """Invalid steps around the sequence, so that all windows are of one length."""
    if front == back == 0:
        return steps
    if steps.valid is None:
        steps = steps._replace(valid=jnp.ones((steps.t.shape[0], *batch), bool))
    return jax.tree.map(lambda a: jnp.pad(a, [(front, back)] + [(0, 0)] * (a.ndim - 1)), steps)
