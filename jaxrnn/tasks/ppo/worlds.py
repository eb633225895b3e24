"""Worlds of which an agent sees a part: the T-maze, and a cart's pole and a pendulum whose velocities are hidden.

Each is a frozen dataclass of functions of one agent's state, for `jax.vmap`. A world ends an episode (`terminated`);
that a time limit ends one (`limit`) is the walker's business, since then there was more to come.

Papers: Bakker, Reinforcement learning with long short-term memory, NIPS 2001 (the maze); Barto, Sutton & Anderson,
Neuronlike adaptive elements that can solve difficult learning control problems, IEEE Trans. SMC 13, 1983 (the cart).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from jaxrnn.base.typing import PRNGKeyArray
from jaxrnn.tasks.shared import t_maze


class Outcome(NamedTuple):
    """What a step brought."""

    reward: jax.Array
    terminated: jax.Array  # bool: the world has ended the episode


@runtime_checkable
class World(Protocol):
    """What the task asks of a world; arrays are those of one agent."""

    actions: ClassVar[int]  # how many there are to choose from, or how many numbers an action is
    continuous: ClassVar[bool]
    scale: ClassVar[float]  # of rewards, for learning alone

    @property
    def observations(self) -> int:
        """How many numbers are seen."""

    @property
    def limit(self) -> int:
        """Steps of an episode at most."""

    def reset(self, key: PRNGKeyArray) -> Any:
        """A state before the first step."""

    def observe(self, state: Any) -> jax.Array:
        """What is seen, [O]."""

    def step(self, state: Any, action: jax.Array) -> tuple[Any, Outcome]:
        """The state after an action, an int32 or numbers [A]."""


@dataclass(frozen=True)
class TMaze:
    """A sign at the start of a corridor says which way to turn at its end; see `tasks/shared/t_maze.py`."""

    corridor: int
    actions: ClassVar[int] = 4
    continuous: ClassVar[bool] = False
    scale: ClassVar[float] = 1.0
    observations: ClassVar[int] = 3

    @property
    def limit(self) -> int:
        """Time for a walk at random to turn at last."""
        return 50 + 10 * self.corridor

    def reset(self, key: PRNGKeyArray) -> t_maze.Maze:
        """At the start, below a sign that is drawn."""
        return t_maze.enter(jax.random.bernoulli(key))

    def observe(self, state: t_maze.Maze) -> jax.Array:
        """Three bits."""
        return t_maze.observe(state, self.corridor)

    def step(self, state: t_maze.Maze, action: jax.Array) -> tuple[t_maze.Maze, Outcome]:
        """Up, right, down or left."""
        state, outcome = t_maze.move(state, action, self.corridor)
        return state, Outcome(outcome.reward, outcome.ended)


class Cart(NamedTuple):
    """A pole on a cart: metres, radians and their velocities."""

    place: jax.Array
    speed: jax.Array
    angle: jax.Array
    turning: jax.Array


@dataclass(frozen=True)
class CartPole:
    """A pole is kept upright by pushing the cart below it left or right; a reward of one a step.

    The equations and constants are those of Gymnasium's CartPole-v1: Euler's method, steps of 0.02 s.
    """

    masked: bool
    actions: ClassVar[int] = 2
    continuous: ClassVar[bool] = False
    scale: ClassVar[float] = 0.1
    limit: ClassVar[int] = 500
    EDGE: ClassVar[float] = 2.4  # where an episode ends, on either side
    LEANING: ClassVar[float] = math.radians(12)

    @property
    def observations(self) -> int:
        """Place and angle, and the velocities of both unless they are hidden."""
        return 2 if self.masked else 4

    def reset(self, key: PRNGKeyArray) -> Cart:
        """Near the middle, almost at rest."""
        return Cart(*jax.random.uniform(key, (4,), float, -0.05, 0.05))

    def observe(self, state: Cart) -> jax.Array:
        """Place and angle as parts of what they may be."""
        seen = [state.place / self.EDGE, state.angle / self.LEANING]
        return jnp.stack(seen if self.masked else [*seen, state.speed, state.turning])

    def step(self, state: Cart, action: jax.Array) -> tuple[Cart, Outcome]:
        """Push left (0) or right (1)."""
        force = jnp.where(action == 1, 10.0, -10.0)
        sine, cosine = jnp.sin(state.angle), jnp.cos(state.angle)
        push = (force + 0.05 * state.turning**2 * sine) / 1.1
        turn = (9.8 * sine - cosine * push) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
        thrust = push - 0.05 * turn * cosine / 1.1
        after = Cart(
            state.place + 0.02 * state.speed,
            state.speed + 0.02 * thrust,
            state.angle + 0.02 * state.turning,
            state.turning + 0.02 * turn,
        )
        fallen = (jnp.abs(after.place) > self.EDGE) | (jnp.abs(after.angle) > self.LEANING)
        return after, Outcome(jnp.ones_like(after.place), fallen)


class Swing(NamedTuple):
    """A pendulum: radians from upright, and a second."""

    angle: jax.Array
    turning: jax.Array


@dataclass(frozen=True)
class Pendulum:
    """A pendulum is swung up and held there by a torque too weak to lift it at once; it never ends, time does.

    The equations and constants are those of Gymnasium's Pendulum-v1.
    """

    masked: bool
    actions: ClassVar[int] = 1
    continuous: ClassVar[bool] = True
    scale: ClassVar[float] = 0.1
    limit: ClassVar[int] = 200

    @property
    def observations(self) -> int:
        """Cosine and sine of the angle, and its velocity unless that is hidden."""
        return 2 if self.masked else 3

    def reset(self, key: PRNGKeyArray) -> Swing:
        """Anywhere, slowly turning."""
        angle, turning = jax.random.uniform(key, (2,), float, -1.0, 1.0)
        return Swing(angle * jnp.pi, turning)

    def observe(self, state: Swing) -> jax.Array:
        """Numbers from -1 to 1."""
        seen = [jnp.cos(state.angle), jnp.sin(state.angle)]
        return jnp.stack(seen if self.masked else [*seen, state.turning / 8])

    def step(self, state: Swing, action: jax.Array) -> tuple[Swing, Outcome]:
        """Twice the action, within -2 and 2, is the torque."""
        torque = 2 * jnp.clip(action[0], -1, 1)
        angle = (state.angle + jnp.pi) % (2 * jnp.pi) - jnp.pi
        cost = angle**2 + 0.1 * state.turning**2 + 0.001 * torque**2
        turning = jnp.clip(state.turning + 0.05 * (15 * jnp.sin(state.angle) + 3 * torque), -8, 8)
        return Swing(state.angle + 0.05 * turning, turning), Outcome(-cost, jnp.zeros_like(cost, bool))
