"""Walking: what an agent meets in many worlds side by side, and how much better each step was than expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.base.typing import PRNGKeyArray
from jaxrnn.tasks.ppo.actions import Choice, Normal
from jaxrnn.tasks.ppo.worlds import Outcome, World
from jaxrnn.train.task import Carry

Act = Callable[[Carry, jax.Array, jax.Array], tuple[Carry, Choice | Normal, jax.Array]]  # of some parameters


class Walk(NamedTuple):
    """Between two steps; arrays [B, ...]."""

    state: Any  # of the worlds
    memory: Carry
    fresh: jax.Array  # bool: the next step is an episode's first
    age: jax.Array  # int32: steps of this episode so far
    total: jax.Array  # rewards of this episode so far
    last: jax.Array  # rewards of the episode before this; 0 where there is none


class Steps(NamedTuple):
    """A rollout; arrays [T, B, ...]."""

    seen: jax.Array
    action: jax.Array
    log_probability: jax.Array
    value: jax.Array
    reward: jax.Array
    terminated: jax.Array  # bool: the world ended the episode with this step
    ended: jax.Array  # bool: it, or the time limit, did
    after: Any  # what is seen after the step, before another episode begins
    memory: Carry  # after the step


def set_out(world: World, memory: Carry, key: PRNGKeyArray, rows: int) -> Walk:
    """Before the first step of all."""
    state = jax.vmap(world.reset)(jax.random.split(key, rows))
    zero = jnp.zeros(rows)
    return Walk(state, memory, jnp.ones(rows, bool), jnp.zeros(rows, jnp.int32), zero, zero)


def step(world: World, walk: Walk, action: jax.Array, reward_of: jax.Array, key: PRNGKeyArray) -> tuple[Walk, Any]:
    """One step of each world, another episode where one has ended, and what the step brought.

    `reward_of` is added to the reward: zero, or NaN where the action was no choice, so that its reward is nobody's.
    """
    rows = walk.fresh.shape[0]
    state, outcome = jax.vmap(world.step)(walk.state, action)
    reward, age = outcome.reward + reward_of, walk.age + 1
    ended = outcome.terminated | (age >= world.limit)
    after = jax.vmap(world.observe)(state)
    other = jax.vmap(world.reset)(jax.random.split(key, rows))

    def pick(new: jax.Array, old: jax.Array) -> jax.Array:
        return jnp.where(ended.reshape(rows, *(1,) * (old.ndim - 1)), new, old)

    total = walk.total + reward
    state = jax.tree.map(pick, other, state)
    walk = Walk(state, walk.memory, ended, jnp.where(ended, 0, age), jnp.where(ended, 0, total), pick(total, walk.last))
    return walk, (Outcome(reward, outcome.terminated), ended, after)


def rollout(world: World, act: Act, walk: Walk, key: PRNGKeyArray, length: int) -> tuple[Walk, Steps]:
    """`length` steps with actions drawn from the policy."""

    def one(walk: Walk, key: PRNGKeyArray) -> tuple[Walk, Steps]:
        drawing, entering = jax.random.split(key)
        seen = jax.vmap(world.observe)(walk.state)
        memory, said, value = act(walk.memory, seen[None], walk.fresh[None])
        said = jax.tree.map(lambda a: a[0], said)
        action = said.draw(drawing)
        log_probability = said.log_probability(action)
        unknown = jnp.where(jnp.isnan(said[0]).any(-1), jnp.nan, 0.0)
        walk, (outcome, ended, after) = step(world, walk._replace(memory=memory), action, unknown, entering)
        met = (outcome.reward, outcome.terminated, ended, after, memory)
        return walk, Steps(seen, action, log_probability, value[0], *met)

    return lax.scan(one, walk, jax.random.split(key, length))


def advantages(
    reward: jax.Array,
    value: jax.Array,
    value_after: jax.Array,
    terminated: jax.Array,
    ended: jax.Array,
    discount: float,
    trace: float,
) -> jax.Array:
    """Generalised advantage estimates [T, B] (Schulman et al. 2016).

        d[t] = r[t] + discount V_after[t] - V[t],     V_after is 0 where the world ended the episode
        A[t] = d[t] + discount trace A[t+1],          A[t+1] is 0 where an episode ended with t

    An episode that the time limit cuts off was worth something still: there V_after counts.
    """
    surprise = reward + discount * jnp.where(terminated, 0, value_after) - value

    def one(ahead: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        surprise, ended = now
        ahead = surprise + discount * trace * jnp.where(ended, 0, ahead)
        return ahead, ahead

    return lax.scan(one, jnp.zeros_like(surprise[0]), (surprise, ended), reverse=True)[1]


def episodes(world: World, act: Act, memory: Carry, key: PRNGKeyArray, rows: int, greedy: bool) -> tuple[Any, Any]:
    """One episode in each of `rows` worlds: its rewards, summed [B], and all that was met.

    The second is states, actions and which steps were of the episode, [limit, B, ...]. Rewards are NaN where what was
    said is none.
    """
    setting_out, key = jax.random.split(key)
    walk = set_out(world, memory, setting_out, rows)
    over = jnp.zeros(rows, bool)

    def one(carry: tuple[Walk, jax.Array], key: PRNGKeyArray) -> tuple[tuple[Walk, jax.Array], Any]:
        walk, over = carry
        drawing, entering = jax.random.split(key)
        seen = jax.vmap(world.observe)(walk.state)
        memory, said, _ = act(walk.memory, seen[None], walk.fresh[None])
        said = jax.tree.map(lambda a: a[0], said)
        action = said.likeliest() if greedy else said.draw(drawing)
        unknown = jnp.where(jnp.isnan(said[0]).any(-1), jnp.nan, 0.0)
        after, (outcome, ended, _) = step(world, walk._replace(memory=memory), action, unknown, entering)
        met = (jnp.where(over, 0, outcome.reward), (walk.state, action, ~over))
        return (after, over | ended), met

    _, (rewards, met) = lax.scan(one, (walk, over), jax.random.split(key, world.limit))
    return rewards.sum(0), met
