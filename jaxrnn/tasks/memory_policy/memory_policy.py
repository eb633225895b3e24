"""A policy with memory: advantage actor-critic in many T-mazes at once, episodes packed into rows one after the other.

    h[t] = cell(o[t], h[t-1]),  from the initial carry where an episode begins
    pi(a | t), V[t] = h[t] W + b,        R[t] = r[t] + gamma R[t+1] (none beyond an episode's end; at the last, V)
    loss = mean of  -log pi(a[t]) (R[t] - V[t]) + (R[t] - V[t])^2 / 2 - entropy of pi,  weighted

The same parameters first walk (a step at a time, since what is seen depends on what was done) and then learn from what
they saw, all steps in one `jaxrnn.scan` with `resets`. Mazes and carries go on from batch to batch.

Papers: Bakker, Reinforcement learning with long short-term memory, NIPS 2001 (the maze); Mnih et al., Asynchronous
methods for deep reinforcement learning, ICML 2016 (the loss).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrnn.base.files import write_text
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.shared import t_maze
from jaxrnn.tasks.shared.dense import dense
from jaxrnn.tasks.shared.figures import share
from jaxrnn.tasks.shared.network import Network
from jaxrnn.train.generated import Generated
from jaxrnn.train.group_arrays import fetched
from jaxrnn.train.options import check
from jaxrnn.train.task import Batch, Carry, Params

TEST_ROLLOUTS = 10


@dataclass(frozen=True)
class DataOptions:
    """The mazes.

    Args:
        corridor: Steps from the start to the junction.
        rows: B, the mazes walked side by side.
        length: T, the steps of a rollout: gradients go back this far, carries further.
    """

    corridor: int = 10
    rows: int = 32
    length: int = 64

    def __post_init__(self) -> None:
        check(self.corridor >= 1, "data.corridor", "1 or more steps", self.corridor)
        check(self.rows >= 1, "data.rows", "1 or more", self.rows)
        check(self.length >= 1, "data.length", "1 or more", self.length)


@dataclass(frozen=True)
class PolicyOptions:
    """How the policy learns.

    Args:
        memory: Off, the carry is reset at every step: the policy knows what it sees, and nothing else.
        discount: Of rewards, a step.
        entropy: Weight of the policy's entropy, which keeps it trying.
    """

    memory: bool = True
    discount: float = 0.98
    entropy: float = 0.02

    def __post_init__(self) -> None:
        check(0 <= self.discount <= 1, "policy.discount", "a number in [0, 1]", self.discount)
        check(0 <= self.entropy < float("inf"), "policy.entropy", "0 or more", self.entropy)


class Chance(NamedTuple):
    """A batch: nothing but what chance needs. Rows first."""

    keys: np.ndarray  # uint32 [B, 2]: a raw PRNG key a row


class Walk(NamedTuple):
    """The carry between rollouts; arrays [B, ...]."""

    maze: t_maze.Maze
    fresh: jax.Array  # bool: the next step is an episode's first
    memory: Carry


class Steps(NamedTuple):
    """A rollout; arrays [T, B, ...]."""

    observations: jax.Array
    resets: jax.Array  # bool: an episode's first step
    actions: jax.Array
    outcome: t_maze.Outcome


@dataclass(frozen=True)
class MemoryPolicy:
    """The task: turn at the end of a corridor as a sign at its start said."""

    model: Network  # the network and its readout
    data: DataOptions  # what it learns from, in which batches
    policy: PolicyOptions  # how the gradient of the reward is estimated
    unit = "steps"
    headline = "test success"
    splits = ("validation", "test")

    def init(self, key: jax.Array) -> Params:
        """Parameters of the network: three bits are seen, four actions and a value are told."""
        return self.model.init(key, inputs=3, outputs=5)

    def initial_carry(self, params: Params) -> Walk:
        """Mazes that are entered at the first step."""
        rows = self.data.rows
        memory = self.model.layer.initial_carry((rows,), params["rnn"])
        return Walk(t_maze.enter(jnp.arange(rows, dtype=jnp.int32) % 2 == 0), jnp.ones(rows, bool), memory)

    def batches(self) -> Generated:
        """Random numbers of the training rollouts."""
        return self._chance("training")

    def _chance(self, split: str) -> Generated:
        return Generated(lambda rng: Chance(rng.integers(2**32, size=(self.data.rows, 2), dtype=np.uint32)), split)

    def count(self, batch: Chance) -> int:
        """Steps walked."""
        return self.data.rows * self.data.length

    def act(
        self, params: Params, memory: Carry, observations: jax.Array, resets: jax.Array
    ) -> tuple[Carry, jax.Array, jax.Array]:
        """Carry after a packed sequence [T, B, ...], and at each step log pi [T, B, 4] and the value [T, B]."""
        resets = resets if self.policy.memory else jnp.ones_like(resets)
        memory, ys = scan(self.model.layer, params["rnn"], observations, memory, resets=resets)
        outputs = dense(params["readout"], ys)
        return memory, jax.nn.log_softmax(outputs[..., :4]), outputs[..., 4]

    def rollout(self, params: Params, walk: Walk, batch: Chance) -> tuple[Walk, Steps]:
        """Walk T steps, drawing actions from the policy; an agent that has turned enters another maze."""
        keys = jax.random.wrap_key_data(jnp.asarray(batch.keys))

        def step(walk: Walk, time: jax.Array) -> tuple[Walk, Steps]:
            action_keys, sign_keys = jax.vmap(lambda key: jax.random.split(jax.random.fold_in(key, time)), out_axes=1)(
                keys
            )
            seen = t_maze.observe(walk.maze, self.data.corridor)
            memory, logits, _ = self.act(params, walk.memory, seen[None], walk.fresh[None])
            actions = jax.vmap(jax.random.categorical)(action_keys, logits[0]).astype(jnp.int32)
            maze, outcome = t_maze.move(walk.maze, actions, self.data.corridor)
            chosen = ~jnp.isnan(logits[0]).any(-1)  # else the draw says nothing, and its reward is nobody's
            outcome = outcome._replace(reward=jnp.where(chosen, outcome.reward, jnp.nan))
            entered = t_maze.enter(jax.vmap(jax.random.bernoulli)(sign_keys))
            maze = jax.tree.map(lambda new, old: jnp.where(outcome.ended, new, old), entered, maze)
            return Walk(maze, outcome.ended, memory), Steps(seen, walk.fresh, actions, outcome)

        return lax.scan(step, walk, jnp.arange(self.data.length, dtype=jnp.int32))

    def loss(
        self, params: Params, carry: Walk, batch: Chance, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Walk, dict[str, jax.Array]]]:
        """Actor-critic loss of a rollout, mean of its steps; figures `reward` (a step) and `success`."""
        after, steps = lax.stop_gradient(self.rollout(params, carry, batch))
        _, log_pi, values = self.act(params, carry.memory, steps.observations, steps.resets)
        ahead = t_maze.observe(after.maze, self.data.corridor)
        _, _, bootstrap = lax.stop_gradient(self.act(params, after.memory, ahead[None], after.fresh[None]))
        returns = discounted(steps.outcome.reward, steps.outcome.ended, bootstrap[0], self.policy.discount)
        advantages = returns - values
        chosen = jnp.take_along_axis(log_pi, steps.actions[..., None], axis=-1)[..., 0]
        actor = -chosen * lax.stop_gradient(advantages)
        entropy = -(jnp.exp(log_pi) * log_pi).sum(-1)
        loss = (actor + jnp.square(advantages) / 2 - self.policy.entropy * entropy).mean()
        return loss, (after, _figures(steps.outcome))

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Figures of ten rollouts; `loss` is minus the reward of a step, `success` the share of right turns."""
        walk, found = place(self.initial_carry(params)), []
        for batch in islice(self._chance(split), TEST_ROLLOUTS):
            walk, outcome = self._walk(params, walk, place(batch))
            found.append(jax.tree.map(fetched, outcome))
        figures = _figures(jax.tree.map(lambda *parts: jnp.concatenate(parts), *found))
        return {"loss": -figures["reward"].item()} | {name: figure.item() for name, figure in figures.items()}

    @partial(jax.jit, static_argnums=0)
    def _walk(self, params: Params, walk: Walk, batch: Chance) -> tuple[Walk, t_maze.Outcome]:
        walk, steps = self.rollout(params, walk, batch)
        return walk, steps.outcome

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """The steps of one row, an episode a line, in sample.txt."""
        keys = np.random.default_rng(seed).integers(2**32, size=(self.data.rows, 2), dtype=np.uint32)
        _, steps = jax.jit(self.rollout)(params, self.initial_carry(params), Chance(keys))
        steps, text = jax.tree.map(lambda leaf: np.asarray(leaf)[:, 0], steps), ""
        for seen, action, ended, right in zip(
            steps.observations, steps.actions, steps.outcome.ended, steps.outcome.right, strict=True
        ):
            sign = {(0, 1, 1): "(sign: up) ", (1, 1, 0): "(sign: down) "}.get(tuple(seen.astype(int)), "")
            text += sign + "↑→↓←"[action] + (" right\n" if right else " wrong\n" if ended else "")
        write_text(folder / "sample.txt", text + "\n")
        return text


def discounted(rewards: jax.Array, ended: jax.Array, bootstrap: jax.Array, discount: float) -> jax.Array:
    """Returns [T, B]: rewards to come, up to an episode's end; what follows the last step is worth `bootstrap` [B]."""

    def step(ahead: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        reward, ended = now
        ahead = reward.astype(ahead.dtype) + discount * jnp.where(ended, 0, ahead)
        return ahead, ahead

    return lax.scan(step, bootstrap, (rewards, ended), reverse=True)[1]


def _figures(outcome: t_maze.Outcome) -> dict[str, jax.Array]:
    """Reward of a step, and right turns of all turns (0 where there was none); NaN where an action was no choice."""
    dtype = outcome.reward.dtype
    turns, right = outcome.ended.sum(dtype=dtype), outcome.right.sum(dtype=dtype)
    success = right / jnp.maximum(turns, 1)
    return {"reward": outcome.reward.mean(), "success": share(success[None], outcome.reward)}
