"""A linear recurrence whose time lies over devices: each runs its part, and one exchange tells where it starts from.

A part is an affine function of the state before it, `h = zero + whole s`: `zero` is what comes of a start of zeros, and
`whole` what a start alone becomes. Each device finds both for its own steps, tells the others the last of each, works
out from these where all parts start, and corrects its states. Resets that are only seen between two parts (a flag in
the padding of one, an id that differs from one to the next) are told in the same exchange.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.base.placement import spread_over_devices
from jaxrnn.base.typing import Array, Carry
from jaxrnn.core.linear import BLOCK, COMPLEX, STATES, Leaves, forgetting, times
from jaxrnn.core.step import select
from jaxrnn.engine.recurrence.algorithms import added
from jaxrnn.engine.recurrence.primitives import Recurrence
from jaxrnn.engine.recurrence.run import at_once
from jaxrnn.engine.sequence import Job

PIECE = 16  # bits of an id that are told as one number, which is exact in every dtype of a state


class Marks(NamedTuple):
    """What others must know of a part's lengths, mask, resets and segments. A row each, bools; ids are integers."""

    any: Array  # whether a step counts
    early: Array  # a flag before the first such step that no step of the part can tell by itself
    late: Array  # a flag that waits for the first such step of the next part
    first: Array | None  # the id of the first such step, in the order of processing
    last: Array | None


def marks(flagged: Array | None, segments: Array | None, valid: Array | None, reverse: bool) -> Marks | None:
    """The marks of a part, `[T, *B]` each; None where nothing is reset.

    Forward a flag belongs to the step that it stands at, backward to the step that is processed after it.
    """
    given = flagged if flagged is not None else segments
    if given is None:
        return None
    order = slice(None, None, -1) if reverse else slice(None)
    counts = jnp.ones(given.shape, bool) if valid is None else valid[order]
    flags = jnp.zeros(counts.shape, bool) if flagged is None else flagged[order]
    first, last = jnp.argmax(counts, 0), counts.shape[0] - 1 - jnp.argmax(counts[::-1], 0)
    at, some = lax.broadcasted_iota(first.dtype, counts.shape, 0), counts.any(0)
    after = at >= last[None] if reverse else at > last[None]
    early = flags & (at < first[None]) if reverse else jnp.zeros_like(flags)
    late = jnp.where(some, (flags & after).any(0), flags.any(0))
    ids: list[Array | None] = [None, None]
    if segments is not None:
        ids = [jnp.take_along_axis(segments[order], k[None], 0)[0] for k in (first, last)]
    return Marks(some, early.any(0), late, *ids)


def run(recurrence: Recurrence, job: Job, mine: Marks | None, axis: str) -> tuple[Carry, Any]:
    """A device's part of a sequence. The carry, and its type, are the same on all of them."""
    return at_once(partial(_solve, recurrence, job, mine, axis), job, job.carry, job.steps)


def _solve(
    recurrence: Recurrence, job: Job, mine: Marks | None, axis: str, a: Leaves, b: Leaves, start: Leaves, reverse: bool
) -> tuple[Leaves, Leaves]:
    entries, last = len(a), 0 if reverse else -1
    one, none = jnp.ones_like(b[0][0]), jnp.zeros_like(b[0][0])
    zero = recurrence(a, b, (none,) * STATES[entries], reverse)
    nothing = tuple(jnp.full_like(x, -0.0) for x in b)
    alone = lambda start: recurrence(a, nothing, start, reverse)  # noqa: E731
    whole = alone((one,) if entries < COMPLEX else (one, none))
    if entries == BLOCK:
        other = alone((none, one))
        whole = whole[0], other[0], whole[1], other[1]
    told = jax.tree.map(lambda x: x[last], (whole, zero))
    all_told, all_marks = _exchange((told, mine), axis)
    starts, final = _starts(all_told, all_marks, start, job, reverse)
    here = lax.axis_index(axis)
    own = tuple(lax.dynamic_index_in_dim(s, here, 0, keepdims=False)[None] for s in starts)
    return added(zero, times(whole, own, forgetting)), final


def _exchange(tree: Any, axis: str) -> Any:
    """What every device has, `[devices, ...]` on all of them: a sum of arrays that are zero but for one's own place."""
    leaves, structure = jax.tree.flatten(tree)
    dtype = leaves[0].dtype
    columns = [_as_numbers(x, dtype) for x in leaves]
    mine = jnp.concatenate(columns, -1)
    places = lax.broadcasted_iota(jnp.int32, (lax.axis_size(axis), *mine.shape), 0)
    all_of = lax.psum(jnp.where(places == lax.axis_index(axis), mine[None], jnp.zeros_like(mine)[None]), axis)
    found, at = [], 0
    for x, column in zip(leaves, columns, strict=True):
        found.append(_from_numbers(all_of[..., at : at + column.shape[-1]], x))
        at += column.shape[-1]
    return jax.tree.unflatten(structure, found)


def _as_numbers(x: Array, dtype: Any) -> Array:
    """Bools and ids `[*B]` as columns of numbers; states as they are."""
    if jnp.issubdtype(x.dtype, jnp.floating):
        return x
    if x.dtype == bool:
        return x[..., None].astype(dtype)
    pieces = [(x >> k) & (2**PIECE - 1) for k in _shifts(x)]
    return jnp.stack(pieces, -1).astype(dtype)


def _from_numbers(columns: Array, like: Array) -> Array:
    if jnp.issubdtype(like.dtype, jnp.floating):
        return columns
    if like.dtype == bool:
        return columns[..., 0] != 0
    pieces = [columns[..., i].astype(like.dtype) << k for i, k in enumerate(_shifts(like))]
    return sum(pieces[1:], pieces[0])


def _shifts(x: Array) -> range:
    return range(0, 8 * x.dtype.itemsize, PIECE)


def _starts(
    told: tuple[Leaves, Leaves], all_marks: Marks | None, start: Leaves, job: Job, reverse: bool
) -> tuple[Leaves, Leaves]:
    """What each part starts from, `[devices, *B, H]`, and the state after the last one."""
    nowhere = None
    if all_marks is not None:
        like = jax.tree.map(lambda x: x[0], all_marks)
        nowhere = like._replace(any=jnp.zeros_like(like.any), late=jnp.zeros_like(like.any))

    def body(before: Any, at: Any) -> Any:
        state, seen = before
        (whole, zero), marked = at
        if marked is not None:
            # A flag in parts before the first step that counts waits for it going forward, and is no boundary backward.
            waits = seen.late | marked.early
            fresh = waits & seen.any if reverse else waits
            if marked.first is not None:
                fresh |= seen.any & (marked.first != seen.last)
            state = select(fresh & marked.any, tuple(job.rows.start), state)  # type: ignore[arg-type]
            seen = Marks(
                seen.any | marked.any,
                marked.early,
                jnp.where(marked.any, marked.late, seen.late | marked.late),
                marked.first,
                None if marked.last is None else jnp.where(marked.any, marked.last, seen.last),
            )
        return (added(times(whole, state, forgetting), zero), seen), state

    start = spread_over_devices(start, told[0][0])
    (final, _), starts = lax.scan(body, (start, nowhere), (told, all_marks), reverse=reverse)
    return starts, final
