"""Sequences cut out of what agents met, anywhere: the state to begin with, and which of their steps count.

    states_before   the state before each step, to be stored beside it, or stored anew with later parameters (refreshed)
    cut             sequences out of a store, with the state that is stored where each begins (kept)
    burn_in         the state after some steps that are only run through, with the parameters of now
    counts_from     which steps of a sequence count

A state of zeros is `layer.initial_carry`. Paper: Kapturowski et al., Recurrent experience replay in distributed
reinforcement learning, ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.checks import (
    check_array,
    check_flag,
    check_function,
    check_least,
    check_marks,
    check_real,
    check_size,
    is_traced,
)
from jaxrnn.base.dtypes import is_integer
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Array, ArrayLike


def states_before(carry: Any, carries: Any) -> Any:
    """The state before every step, from the states after them: what a store holds beside each step.

        before[0] = carry,    before[t] = carries[t - 1]

    A reset at a step applies to the state before it, so a sequence that is cut there begins with that state and that
    reset, as the step did.

    Args:
        carry: before step 0, arrays `[*B, H]`.
        carries: after every step, arrays `[T, *B, H]`, as `jaxrnn.scan_carries` gives them; of a whole store with
            later parameters, they refresh its states.

    Returns:
        Arrays `[T, *B, H]`.

    Raises:
        TypeError, ValueError: the two do not fit each other.

    >>> import jax.numpy as jnp
    >>> from jaxrnn import states_before
    >>> states_before(jnp.zeros(1), jnp.array([[1.0], [2.0], [3.0]])).ravel().tolist()
    [0.0, 1.0, 2.0]
    """
    leaves, after = jax.tree.leaves(carry), jax.tree.leaves(carries)
    form: Any = jax.tree.structure(carry)
    if not leaves:
        fail("carry", "a state, arrays [*B, H]", carry, kind=TypeError)
    for leaf in leaves:
        check_array(leaf, "carry", "a state, arrays [*B, H]")
    if form != jax.tree.structure(carries):
        fail("carries", f"of the structure of `carry`, {form}", carries, kind=TypeError)
    for one, all_of_them in zip(leaves, after, strict=True):
        check_array(all_of_them, "carries", "states, arrays [T, *B, H]")
        if all_of_them.shape[1:] != one.shape or not all_of_them.ndim:
            fail("carries", f"of shape [T, {', '.join(map(str, one.shape))}], as `carry` has it", all_of_them)
    shifted = [jnp.concatenate([o[None].astype(a.dtype), a])[:-1] for o, a in zip(leaves, after, strict=True)]
    return jax.tree.unflatten(form, shifted)


def cut(store: Any, times: ArrayLike, rows: ArrayLike, length: int) -> Any:
    """Sequences of some steps out of a store, each from any step of any row.

        sequence[s, n] = store[times[n] + s, rows[n]]

    Args:
        store: a tree of arrays `[T, B, ...]`: observations, actions, starts, states before the steps.
        times: int `[N]`, where each begins, from 0 to T - length.
        rows: int `[N]`, of which row it is, from 0 to B - 1.
        length: L, steps of each.

    Returns:
        The tree with arrays `[L, N, ...]`. Of states it is step 0 that a sequence begins with.

    Raises:
        TypeError, ValueError: arguments do not fit each other; a sequence would leave the store. Traced ones are
            taken at their word.

    >>> import jax.numpy as jnp
    >>> from jaxrnn import cut
    >>> cut(jnp.arange(12).reshape(6, 2), jnp.array([0, 3]), jnp.array([1, 0]), 3).T.tolist()
    [[1, 3, 5], [6, 8, 10]]
    """
    steps, leaves = check_size(length, "length"), jax.tree.leaves(store)
    if not leaves:
        fail("store", "arrays [T, B, ...]", store, kind=TypeError)
    for leaf in leaves:
        check_real(leaf, "store")
        if leaf.ndim < 2 or leaf.shape[:2] != leaves[0].shape[:2]:
            fail("store", f"arrays [T, B, ...] of one T and B, {leaves[0].shape[:2]}", leaf)
    T, B = leaves[0].shape[:2]
    if steps > T:
        fail("length", f"{T}, the steps of the store, or less", length)
    begin = _places(times, "times", T - steps, "T - length")
    row = _places(rows, "rows", B - 1, "B - 1")
    if begin.shape != row.shape:
        fail("rows", f"of the shape of `times`, {begin.shape}", rows)
    at = begin[None] + jnp.arange(steps, dtype=begin.dtype)[:, None]
    return jax.tree.map(lambda a: jnp.asarray(a)[at, row[None]], store)


def burn_in(run: Callable[[Any, Any], tuple[Any, Any]], carry: Any, x: Any, steps: int) -> tuple[Any, Any]:
    """Run through the first steps of sequences for the sake of the state alone; no gradient goes back into them.

    Args:
        run: `(carry, x) -> (carry, ys)`, such as a `ScannedRNN`.
        carry: with which the sequences begin.
        x: a tree of arrays `[T, *B, ...]`: what `run` takes, and whatever else goes with each step.
        steps: how many to run through, from 0 to T.

    Returns:
        `(carry, rest)`: the state after them, and x from there on.

    Raises:
        TypeError, ValueError: an argument is of the wrong type or out of range.

    >>> import jax, jax.numpy as jnp, jaxrnn
    >>> cell = jaxrnn.gru(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> run = lambda carry, x: jaxrnn.scan(cell, params, x[0], carry, resets=x[1])
    >>> x = jnp.ones((10, 2, 3)), jnp.zeros((10, 2), bool)
    >>> carry, (xs, starts) = jaxrnn.burn_in(run, cell.initial_carry((2,)), x, 4)
    >>> carry.h.shape, xs.shape, starts.shape
    ((2, 4), (6, 2, 3), (6, 2))
    """
    check_function(run, "run", "a function of a state and inputs")
    count, leaves = check_least(steps, "steps"), jax.tree.leaves(x)
    if not leaves:
        fail("x", "arrays [T, *B, ...]", x, kind=TypeError)
    for leaf in leaves:
        check_real(leaf, "x")
        if not leaf.ndim or leaf.shape[0] != leaves[0].shape[0]:
            fail("x", f"arrays [T, *B, ...] of one T, {leaves[0].shape[:1]}", leaf)
    if count > leaves[0].shape[0]:
        fail("steps", f"{leaves[0].shape[0]}, those that there are, or less", steps)
    if count:
        carry, _ = run(carry, jax.tree.map(lambda a: a[:count], x))
    return jax.lax.stop_gradient(carry), jax.tree.map(lambda a: a[count:], x)


def counts_from(starts: ArrayLike, burn_in: int = 0, ahead: int = 0, zeroed: bool = False) -> Array:
    """Which steps of sequences that were cut anywhere count for a loss.

    A step counts after the burn-in; where its target is within the sequence, or its episode ends before that; and, of a
    sequence that began with zeros in place of its state, once an episode has started, since what came before was never
    seen.

    Args:
        starts: `[T, *B]`, bools or zeros and ones: an episode starts with step t (the resets of the sequence).
        burn_in: steps that are run through for the sake of the state alone.
        ahead: how many steps later a target looks: n of n-step returns. 0 where it looks at the step alone.
        zeroed: whether the sequences began with zeros.

    Returns:
        bools `[T, *B]`.

    Raises:
        TypeError, ValueError: an argument is of the wrong type or out of range.

    >>> import jax.numpy as jnp
    >>> from jaxrnn import counts_from
    >>> starts = jnp.array([[0, 0], [0, 0], [0, 0], [0, 1], [0, 0], [0, 0]])
    >>> counts_from(starts, burn_in=1, ahead=2).T.astype(int).tolist()
    [[0, 1, 1, 1, 0, 0], [0, 1, 1, 1, 0, 0]]
    >>> counts_from(starts, burn_in=1, zeroed=True).T.astype(int).tolist()
    [[0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1]]
    """
    begun = jnp.asarray(check_marks(starts, "starts"))
    if begun.ndim < 1:
        fail("starts", "of shape [T, *B]", starts)
    burnt, beyond = check_least(burn_in, "burn_in"), check_least(ahead, "ahead")
    zeroed = check_flag(zeroed, "zeroed")
    T = begun.shape[0]
    if burnt > T:
        fail("burn_in", f"{T}, the steps of a sequence, or less", burn_in)
    time = jnp.arange(T, dtype=jnp.int32).reshape(T, *(1,) * (begun.ndim - 1))
    # An episode that ends after step t shows by another that starts later.
    later = jnp.flip(jnp.cumsum(jnp.flip(begun, 0).astype(jnp.int32), 0), 0) - begun.astype(jnp.int32) > 0
    counts = (time >= burnt) & ((time < T - beyond) | later)
    return counts & (jnp.cumsum(begun.astype(jnp.int32), 0) > 0) if zeroed else counts


def _places(value: Any, argument: str, last: int, of: str) -> Array:
    """Integers `[N]` from 0 to `last`."""
    array = check_array(value, argument, "integers [N]")
    if array.ndim != 1 or not is_integer(array.dtype):
        fail(argument, "integers [N]", value, kind=TypeError)
    if not is_traced(array) and array.size:
        low, high = int(np.min(array)), int(np.max(array))
        if low < 0 or high > last:
            fail(argument, f"from 0 to {of} = {last}", Said(f"{low if low < 0 else high} among them"))
    return jnp.asarray(array).astype(jnp.int32)
