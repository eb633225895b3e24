"""Lengths, masks, resets and segments become two boolean arrays, `valid` and `reset`, once, before any backend."""

from __future__ import annotations

from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrnn.base.typing import Array, Axis
from jaxrnn.engine.sequence import Given, Sequence


def settle(given: Given) -> Sequence:
    """What was given, in the form that all backends read."""
    xs, T = jnp.asarray(given.xs), given.xs.shape[0]
    t = lax.iota(np.int32, T) + jnp.asarray(given.start_step, np.int32)
    valid = valid_steps(T, given.lengths, given.mask)
    resets, segments = (None if a is None else jnp.asarray(a) for a in (given.resets, given.segments))
    return Sequence(xs, t, valid, resets, segments, {name: jnp.asarray(a) for name, a in given.per_step.items()})


def valid_steps(T: Axis, lengths: Any, mask: Any) -> Any:
    """`[T, *B]`, true where a step counts; None when all do. Of NumPy arrays a NumPy array."""
    valid = mask
    if lengths is not None:
        if isinstance(lengths, np.ndarray):
            within = np.arange(T, dtype=lengths.dtype).reshape(T, *(1,) * lengths.ndim) < lengths[None]
        else:
            within = lax.broadcasted_iota(lengths.dtype, (T, *lengths.shape), 0) < lengths[None]
        valid = within if valid is None else valid & within
    return valid


def reset_steps(sequence: Sequence, reverse: bool) -> Array | None:
    """`[T, *B]`, true where a valid step starts fresh in this direction.

    A valid step starts fresh when a flagged boundary or a change of segment lies between it and the valid step
    processed before it. Going forward the first valid step has no predecessor in this call, but a flag at or before it
    counts: its predecessor is in the call that handed over the carry. A carry cannot remember a flag: one on padding at
    the very end of a call is lost to the next, and so is a change of segment between two calls. Flag the next call's
    first step instead.
    """
    if not sequence.has_resets:
        return None
    if sequence.valid is None:
        return _cut_before(sequence.resets, sequence.segments, reverse)
    valid = sequence.valid
    before, exists = _previous_valid(valid, reverse)
    reset = jnp.zeros(valid.shape, bool)
    if sequence.resets is not None:
        flags = jnp.cumsum(sequence.resets, axis=0, dtype=np.int32)  # how many up to and at a step
        at_start = jnp.zeros_like(flags) if not reverse else flags
        reset |= flags != jnp.where(exists, jnp.take_along_axis(flags, before, 0), at_start)
    if sequence.segments is not None:
        reset |= exists & (sequence.segments != jnp.take_along_axis(sequence.segments, before, 0))
    return valid & reset


def _cut_before(resets: Any, segments: Any, reverse: bool) -> Array:
    """The same where all steps count, without a look for the one before: agents reset at every step of a rollout."""
    none = jnp.zeros_like((resets if segments is None else segments)[:1], bool)
    marks = ([] if resets is None else [resets[1:]]) + ([] if segments is None else [segments[1:] != segments[:-1]])
    between = reduce(jnp.logical_or, marks)  # a step and the next
    if reverse:
        return jnp.concatenate([between, none])
    return jnp.concatenate([none if resets is None else resets[:1], between])


def _previous_valid(valid: Array, reverse: bool) -> tuple[Array, Array]:
    """For every step the index of the valid step processed before it, and whether there is one."""
    T = valid.shape[0]
    index = lax.broadcasted_iota(jnp.int32, valid.shape, 0)
    none = jnp.full_like(index[:1], T if reverse else -1)
    if reverse:
        nearest = lax.cummin(jnp.where(valid, index, T), axis=0, reverse=True)
        before = jnp.concatenate([nearest, none])[1:]
        exists = before < T
    else:
        nearest = lax.cummax(jnp.where(valid, index, -1), axis=0)
        before = jnp.concatenate([none, nearest])[:-1]
        exists = before >= 0
    return jnp.clip(before, 0, max(T - 1, 0)), exists


def clean(valid: Array | None, xs: Array) -> Array:
    """Inputs with zeros at invalid steps: after the projection it would be too late for NaN in padding."""
    if valid is None:
        return xs
    return jnp.where(lax.broadcast_in_dim(valid, xs.shape, tuple(range(valid.ndim))), xs, jnp.zeros_like(xs))
