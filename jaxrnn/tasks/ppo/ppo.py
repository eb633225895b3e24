"""Proximal policy optimisation with a recurrent layer, several seeds side by side, in worlds that show a part.

    ratio[t] = pi(a[t] | o[..t]) / pi_acted(a[t] | o[..t])
    loss = mean of  -min(ratio A, clip(ratio, 1 - c, 1 + c) A) + v (V - R)^2 / 2 - e entropy of pi,      R = A + V_acted

A rollout is walked by the policy; then each batch of the loop is one minibatch of it: whole rows, from the state with
which they set out, all steps in one call of `ScannedRNN` with resets where episodes start. In the first minibatch
after a rollout every ratio is one: what acted and what learns are one function (`jaxrnn.testing.check_replay`).

Seeds share nothing but the clock: parameters, worlds, chance and the norm to which gradients are clipped are each one's
own. Paper: Schulman et al., Proximal policy optimization algorithms, arXiv:1707.06347.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrnn.base.typing import PRNGKeyArray
from jaxrnn.engine.starts import starts_from
from jaxrnn.tasks.ppo import rollout
from jaxrnn.tasks.ppo.agent import Agent
from jaxrnn.tasks.ppo.clipping import clipped
from jaxrnn.tasks.ppo.exported import export_policy, program_of
from jaxrnn.tasks.ppo.options import LearningOptions as LearningOptions
from jaxrnn.tasks.ppo.options import WorldOptions as WorldOptions
from jaxrnn.tasks.ppo.pictures import film, has_drawing, returns_by_step
from jaxrnn.train.generated import Generated
from jaxrnn.train.group_arrays import fetched
from jaxrnn.train.options import check
from jaxrnn.train.program import Program
from jaxrnn.train.task import Batch, Carry, Params

EPISODES = 32  # of each seed, in an evaluation


class Chance(NamedTuple):
    """A batch: nothing but what chance needs. Seeds first."""

    keys: np.ndarray  # uint32 [S, 2]: a raw PRNG key a seed


class Learning(NamedTuple):
    """The carry between minibatches; arrays [S, ...]."""

    walk: rollout.Walk  # after the rollout
    setting_out: Carry  # memories with which the rollout set out
    first: jax.Array  # bool [B]: its first step was an episode's first
    steps: rollout.Steps  # of which learning needs no `after` and no `memory`: those are empty
    advantage: jax.Array  # [T, B], standardised
    target: jax.Array  # [T, B], for the values
    key: jax.Array  # raw: of the order of rows
    part: jax.Array  # int32: the next minibatch; 0 walks first


@dataclass(frozen=True)
class PPO:
    """The task: as much reward as there is to be had."""

    model: Agent  # the agent
    world: WorldOptions  # what it acts in
    ppo: LearningOptions  # how it learns
    unit = "steps"
    headline = "test return"
    splits = ("validation", "test")

    def __post_init__(self) -> None:
        fits = self.world.rows % self.ppo.minibatches == 0
        check(fits, "ppo.minibatches", f"a divisor of world.rows, {self.world.rows}", self.ppo.minibatches)

    def init(self, key: PRNGKeyArray) -> Params:
        """Parameters of every seed, [S, ...]."""
        return jax.vmap(lambda key: self.model.init(key, self.world.made))(jax.random.split(key, self.ppo.seeds))

    def initial_carry(self, params: Params) -> Learning:
        """Worlds before the first step, and no rollout yet."""

        def one(params: Params, key: PRNGKeyArray) -> Learning:
            memory = self.model.initial_carry(self.world.rows)
            walk = rollout.set_out(self.world.made, memory, key, self.world.rows)
            like = jax.eval_shape(self._walked, params, walk, key)
            return jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), like)._replace(walk=walk)

        return jax.vmap(one)(params, jax.random.split(jax.random.key(0), self.ppo.seeds))

    def batches(self) -> Generated:
        """Random numbers of the training rollouts."""
        return self._chance("training")

    def _chance(self, split: str) -> Generated:
        return Generated(lambda rng: Chance(rng.integers(2**32, size=(self.ppo.seeds, 2), dtype=np.uint32)), split)

    def count(self, batch: Chance) -> int:
        """Steps walked for one minibatch, of all seeds."""
        return self.ppo.seeds * self.world.rows * self.world.length // (self.ppo.epochs * self.ppo.minibatches)

    def starts(self, dones: jax.Array, first: jax.Array) -> jax.Array:
        """Resets of the learner, from what the walker has noted."""
        return starts_from(dones, first)

    def _walked(self, params: Params, start: rollout.Walk, key: PRNGKeyArray) -> Learning:
        """One seed's next rollout, and its advantages."""
        world, options = self.world.made, self.ppo
        act = partial(self.model.act, world, params)
        walk, steps = rollout.rollout(world, act, start, key, self.world.length)
        # The values of what came after each step, from the memory after it, all at once: T times B rows of one step.
        rows = lambda a: a.reshape(-1, *a.shape[2:])  # noqa: E731
        memory, after = jax.tree.map(rows, steps.memory), rows(steps.after)
        _, _, value = act(memory, after[None], jnp.zeros((1, len(after)), bool))
        rates = (options.discount, options.trace)
        reward = steps.reward * world.scale
        value_after = value.reshape(reward.shape)
        advantage = rollout.advantages(reward, steps.value, value_after, steps.terminated, steps.ended, *rates)
        target = advantage + steps.value
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        steps = steps._replace(after=(), memory=())
        order = jax.random.key_data(jax.random.fold_in(key, 1))
        return Learning(walk, start.memory, start.fresh, steps, advantage, target, order, jnp.int32(0))

    def _part(self, carry: Learning) -> tuple[Any, ...]:
        """The rows of one seed's next minibatch: memories and `first` of their start, steps, advantages and targets."""
        epoch, part = carry.part // self.ppo.minibatches, carry.part % self.ppo.minibatches
        order = jax.random.permutation(
            jax.random.fold_in(jax.random.wrap_key_data(carry.key), epoch), jnp.arange(self.world.rows)
        )
        size = self.world.rows // self.ppo.minibatches
        chosen = lax.dynamic_slice_in_dim(order, part * size, size)
        at_start = jax.tree.map(lambda a: a[chosen], (carry.setting_out, carry.first))
        return *at_start, *jax.tree.map(lambda a: a[:, chosen], (carry.steps, carry.advantage, carry.target))

    def _loss(self, params: Params, carry: Learning) -> tuple[jax.Array, dict[str, jax.Array]]:
        """One seed's loss of its next minibatch."""
        options = self.ppo
        memory, first, steps, advantage, target = self._part(carry)
        starts = self.starts(steps.ended, first)
        _, said, value = self.model.act(self.world.made, clipped(params, options.clip_norm), memory, steps.seen, starts)
        log_ratio = said.log_probability(steps.action) - steps.log_probability
        ratio = jnp.exp(log_ratio)
        kept = jnp.clip(ratio, 1 - options.clip, 1 + options.clip)
        gain = jnp.minimum(ratio * advantage, kept * advantage).mean()
        error, entropy = jnp.square(value - target).mean() / 2, said.entropy().mean()
        figures = {
            "off_one": jnp.abs(ratio - 1).max() + 0 * ratio.mean(),  # XLA's max may pass over a NaN
            "kl": (ratio - 1 - log_ratio).mean(),
            "entropy": entropy,
            "value_error": error,
        }
        return options.value * error - gain - options.entropy * entropy, figures

    def loss(
        self, params: Params, carry: Learning, batch: Chance, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Learning, dict[str, jax.Array]]]:
        """Sum of the seeds' losses of a minibatch; figures are means of the seeds, the loss among them.

        `return` is that of the episode that ended last in each world. `off_one` is the largest distance of a ratio from
        one in the first minibatch after a rollout; where this is another minibatch it is 0.
        """
        walked = jax.vmap(self._walked)

        def walk(carry: Learning) -> Learning:
            keys = jax.vmap(jax.random.wrap_key_data)(jnp.asarray(batch.keys))
            return walked(lax.stop_gradient(params), carry.walk, keys)

        carry = lax.cond(carry.part[0] == 0, walk, lambda carry: carry, lax.stop_gradient(carry))
        losses, figures = jax.vmap(self._loss)(params, carry)
        figures = {name: values.mean() for name, values in figures.items()}
        figures["off_one"] = jnp.where(carry.part[0] == 0, figures["off_one"], figures["off_one"] * 0)
        reward = carry.steps.reward.mean()
        figures |= {"loss": losses.mean(), "return": carry.walk.last.mean() + 0 * reward, "reward": reward}
        return losses.sum(), (carry._replace(part=(carry.part + 1) % (self.ppo.epochs * self.ppo.minibatches)), figures)

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Returns of 32 episodes a seed; `loss` is minus their mean, `spread` the seeds' standard deviation.

        Actions are drawn for `return`, `spread` and each seed's own, and the likeliest for `greedy`.
        """
        (batch,) = islice(self._chance(split), 1)
        drawn, greedy = (fetched(self._returns(params, place(batch), greedy)) for greedy in (False, True))
        figures = {
            "loss": -drawn.mean(),
            "return": drawn.mean(),
            "greedy": greedy.mean(),
            "spread": drawn.mean(1).std(),
        }
        figures |= {f"seed {n}": own.mean() for n, own in enumerate(drawn)}
        return {name: float(figure) for name, figure in figures.items()}

    @partial(jax.jit, static_argnums=(0, 3))
    def _returns(self, params: Params, batch: Chance, greedy: bool) -> jax.Array:
        """[S, 32]."""

        def one(params: Params, key: jax.Array) -> jax.Array:
            act, memory = partial(self.model.act, self.world.made, params), self.model.initial_carry(EPISODES)
            key = jax.random.wrap_key_data(key)
            return rollout.episodes(self.world.made, act, memory, key, EPISODES, greedy)[0]

        return jax.vmap(one)(params, jnp.asarray(batch.keys))

    def program(self, params: Params) -> Program:
        """The first seed's policy, a step at a time."""
        return program_of(self.model, self.world.made, jax.tree.map(lambda a: a[0], params))

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Every seed's learning curve, a film of the first one's episode, and its policy for other programs."""
        returns_by_step(folder, self.count(Chance(np.zeros(0))) // self.ppo.seeds, self.ppo.seeds)
        own = jax.tree.map(lambda a: a[0], params)
        world, memory = self.world.made, self.model.initial_carry(1)
        act = partial(self.model.act, world, own)
        played = jax.jit(partial(rollout.episodes, world, act, memory, rows=1, greedy=True))
        total, met = jax.device_get(played(jax.random.key(seed)))
        states, actions, inside = jax.tree.map(lambda a: a[:, 0], met)
        states, actions = jax.tree.map(lambda a: a[inside], (states, actions))
        film(world, states, actions, folder / "episode.gif")
        files = export_policy(self.model, world, own, folder)
        what = "" if has_drawing(world) else f", what was seen: {type(world).__name__} has no drawing"
        return (
            f"an episode of the first seed, the likeliest actions: {inside.sum()} steps, return {total[0]:.2f} "
            f"(episode.gif{what})\nreturns.png: every seed's returns; its policy, a step at a time: {', '.join(files)}"
        )
