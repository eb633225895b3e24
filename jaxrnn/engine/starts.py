"""From the ends of episodes to their starts."""

from __future__ import annotations

import jax.numpy as jnp

from jaxrnn.base.checks import check_marks
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, ArrayLike


def starts_from(dones: ArrayLike, first: ArrayLike | bool = True) -> Array:
    """Where episodes start, from where they end: the `resets` of `jaxrnn.scan` for a rollout.

        starts[0] = first,    starts[t] = dones[t - 1]

    An environment says `dones[t]` after step t: the observation at t + 1 is the first of a new episode, so the state is
    reset **before step t + 1**. Taken as they are, `dones` reset one step early, before an episode's last step.
    The last one, `dones[-1]`, belongs to the rollout that follows: it is that one's `first`.

    Args:
        dones: `[T, *B]`, bools or zeros and ones: the episode ended with step t.
        first: `[*B]` or one bool: whether step 0 is the first of an episode. True where the carry of step 0 is a fresh
            one anyway.

    Returns:
        bools `[T, *B]`.

    Raises:
        TypeError, ValueError: the arguments do not fit each other, or hold other numbers than zeros and ones.

    >>> import jax.numpy as jnp
    >>> from jaxrnn import starts_from
    >>> starts_from(jnp.array([False, True, False, False]), first=False)
    Array([False, False,  True, False], dtype=bool)
    """
    ends, begins = jnp.asarray(check_marks(dones, "dones")), jnp.asarray(check_marks(first, "first"))
    if ends.ndim < 1:
        fail("dones", "of shape [T, *B]", dones)
    if begins.shape not in ((), ends.shape[1:]):
        fail("first", f"one bool, or of shape [*B] = {ends.shape[1:]}", first)
    if not ends.shape[0]:
        return ends
    return jnp.concatenate([jnp.broadcast_to(begins, (1, *ends.shape[1:])), ends[:-1]])
