"""The replay law: what a policy said while it acted, it says again when its rollout is replayed for training.

Where it does not, importance ratios of the first epoch are not one, and nothing fails: the agent merely learns worse.
Most often resets are one step off. So a replay that differs is compared with rollouts that make the known mistakes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.checks import check_array, check_function, check_key, check_number, check_rate, check_size
from jaxrnn.base.dtypes import is_numeric
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import PRNGKeyArray
from jaxrnn.engine.starts import starts_from

Step = Callable[[Any, Any, Any], tuple[Any, Any]]
Replay = Callable[[Any, Any, Any, Any], tuple[Any, Any]]
BOUND = "a number, zero or more"


def check_replay(
    step: Step,
    replay: Replay,
    carry: Any,
    xs: Any,
    key: PRNGKeyArray,
    *,
    done_rate: float = 0.2,
    rollouts: int = 3,
    rtol: float = 1e-4,
    atol: float = 1e-5,
) -> None:
    """Assert that replays of a rollout give what its steps gave.

    A rollout calls `step` T times. Episodes end at random after a step, so that the next step is a first one, and the
    first step is one or not, at random. Then `replay` is given what a trainer has of it: the carry from which it
    started, inputs, `dones` (true where an episode ended with step t) and `first`. Outputs of all steps and the last
    carry must agree; a second rollout goes on where the first one stopped, and so forth.

    Args:
        step: `(carry, x, start) -> (carry, outputs)`, as the agent acts: x `[*B, ...]`, start `[*B]` true before the
            first step of an episode.
        replay: `(carry, xs, dones, first) -> (carry, outputs)`, as the learner sees it: xs `[T, *B, ...]`, dones
            `[T, *B]`, first `[*B]`, outputs `[T, *B, ...]` of the same form.
        carry: from which the first rollout starts. Better not zeros: a replay that forgets it is then found out.
        xs: inputs `[T, *B, ...]`, or a pytree of them; rollouts after the first get them in another order of steps.
        key: draws where episodes end.
        done_rate: the probability that an episode ends with a step.
        rollouts: how many, one after the other.
        rtol, atol: what outputs may differ by, relatively and absolutely.

    Raises:
        AssertionError: outputs differ; it names the first step and row and, where the replay is one that is made by a
            known mistake, that mistake. TypeError, ValueError: an argument is of the wrong type or out of range.

    >>> import jax, jax.numpy as jnp, jaxrnn
    >>> cell = jaxrnn.gru(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> def step(carry, x, start):
    ...     fresh = cell.initial_carry((2,), params)
    ...     carry = jax.tree.map(lambda new, old: jnp.where(start[:, None], new, old), fresh, carry)
    ...     return cell.step(params, carry, x)
    >>> def replay(carry, xs, dones, first):
    ...     return jaxrnn.scan(cell, params, xs, carry, resets=jaxrnn.starts_from(dones, first))
    >>> xs, carry = jax.random.normal(jax.random.key(1), (20, 2, 3)), cell.initial_carry((2,), params)
    >>> jaxrnn.testing.check_replay(step, replay, carry, xs, jax.random.key(2))
    >>> def early(carry, xs, dones, first):
    ...     return jaxrnn.scan(cell, params, xs, carry, resets=dones)
    >>> jaxrnn.testing.check_replay(step, early, carry, xs, jax.random.key(2))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: the replay differs from the rollout from step ... It takes `dones` for starts...
    """
    check_function(step, "step", "a function of a carry, inputs and starts")
    check_function(replay, "replay", "a function of a carry, inputs, dones and first")
    check_key(key, "key")
    done_rate = check_rate(done_rate, "done_rate")
    rollouts = check_size(rollouts, "rollouts")  # none would assert nothing
    rtol, atol = _bound(rtol, "rtol"), _bound(atol, "atol")
    T, batch = _axes(xs)
    for i, draw in enumerate(jax.random.split(key, rollouts)):
        one, two, three = jax.random.split(draw, 3)
        dones = jax.random.bernoulli(one, done_rate, (T, *batch))
        first = jax.random.bernoulli(two, 0.5, batch)
        given = jax.tree.map(lambda a: a[jax.random.permutation(three, T)], xs) if i else xs  # noqa: B023
        acted = _act(step, carry, given, starts_from(dones, first))
        replayed = replay(carry, given, dones, first)
        _check_form(acted, replayed)
        where = _first_difference(acted, replayed, rtol, atol)
        if where is not None:
            mistakes = _mistakes(carry, acted[0], dones, first)
            known = (
                text
                for text, start, starts in mistakes
                if _first_difference(_act(step, start, given, starts), replayed, rtol, atol) is None
            )
            raise AssertionError(f"the replay differs from the rollout {where}. {next(known, '')}".strip())
        carry = acted[0]


def _bound(value: Any, argument: str) -> float:
    if (bound := check_number(value, argument, BOUND)) < 0:
        fail(argument, BOUND, value)
    return bound


def _mistakes(carry: Any, last: Any, dones: Any, first: Any) -> Iterator[tuple[str, Any, Any]]:
    """What is done wrong, with the carry and the starts of rollouts that do it."""
    starts = starts_from(dones, first)
    never, zeros = jnp.zeros_like(starts), jax.tree.map(jnp.zeros_like, carry)
    early = "It takes `dones` for starts: the state is reset before an episode's last step."
    fresh = "It starts from the initial state, whatever carry and `first` say."
    yield f"{early} `jaxrnn.starts_from` shifts them.", carry, dones
    yield "It resets the state one step late.", carry, starts_from(starts, False)
    yield "It never resets the state.", carry, never
    yield "It ignores `first`: the first step of a rollout may be an episode's.", carry, starts.at[0].set(False)
    yield fresh, carry, starts.at[0].set(True)
    yield "It starts from zeros, not from the carry that the rollout started with.", zeros, starts
    yield "It starts from the carry that the rollout ended with.", last, starts
    yield "It takes `dones` for starts, and starts from zeros.", zeros, dones


def _act(step: Step, carry: Any, xs: Any, starts: Any) -> tuple[Any, Any]:
    """A rollout step by step, as an agent acts."""
    outputs = []
    for t in range(starts.shape[0]):
        carry, out = step(carry, jax.tree.map(lambda a: a[t], xs), starts[t])  # noqa: B023
        outputs.append(out)
    return carry, jax.tree.map(lambda *a: jnp.stack(a), *outputs)


def _axes(xs: Any) -> tuple[int, tuple[int, ...]]:
    """T and the batch axes of inputs `[T, *B, features]`: one batch axis, where they have one."""
    leaves, expected = jax.tree.leaves(xs), "arrays of shape [T, B, ...] with T of 1 or more"
    for leaf in leaves:
        check_array(leaf, "xs", expected)
        if not is_numeric(leaf.dtype) and not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            fail("xs", expected, leaf, kind=TypeError)
    if not leaves or min(a.ndim for a in leaves) < 2 or not leaves[0].shape[0]:
        fail("xs", expected, xs)
    shape = leaves[0].shape[:2]
    for leaf in leaves:
        if leaf.shape[:2] != shape:
            fail("xs", f"arrays of one T and B, {shape}", leaf)
    return shape[0], shape[1:]


def _check_form(acted: Any, replayed: Any) -> None:
    for name, one, two in (("carry", acted[0], replayed[0]), ("outputs", acted[1], replayed[1])):
        forms: list[Any] = [jax.tree.structure(tree) for tree in (one, two)]
        if forms[0] != forms[1]:
            expected = f"a function that returns {name} of the form that `step` gives, {forms[0]}"
            fail("replay", expected, Said(f"{forms[1]}"))
        shapes = [[jnp.shape(leaf) for leaf in jax.tree.leaves(tree)] for tree in (one, two)]
        if shapes[0] != shapes[1]:
            fail("replay", f"a function that returns {name} of shapes {shapes[0]}", Said(f"{shapes[1]}"))


def _first_difference(acted: Any, replayed: Any, rtol: float, atol: float) -> str | None:
    """Where outputs or last carries differ first, and by how much; None where they agree."""
    found = []
    for a, b in zip(jax.tree.leaves(acted[1]), jax.tree.leaves(replayed[1]), strict=True):
        far, apart = _apart(a, b, rtol, atol)
        for place in np.argwhere(far)[:1].tolist():
            found.append((place[0], place[1:2], float(apart[tuple(place)])))
    if found:
        t, row, size = min(found)
        where = f", first in row {row[0]}," if row else ""  # without one, it is a number a step
        return f"from step {t} on{where} by {size:.2g}"
    leaves = zip(jax.tree.leaves(acted[0]), jax.tree.leaves(replayed[0]), strict=True)
    return "in the last carry" if any(_apart(a, b, rtol, atol)[0].any() for a, b in leaves) else None


def _apart(a: Any, b: Any, rtol: float, atol: float) -> tuple[np.ndarray, np.ndarray]:
    """Where two arrays differ, and by how much; bools and half precision, which NumPy does not subtract, too."""
    one, two = (np.asarray(v).astype(np.complex128) for v in (a, b))
    with np.errstate(invalid="ignore"):  # of infinities
        return ~np.isclose(one, two, rtol, atol, equal_nan=True), np.abs(one - two)
