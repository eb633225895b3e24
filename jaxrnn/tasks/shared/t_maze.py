"""The T-maze, a small world of which an agent sees little: a sign at its start says which way to turn at its end.

    start  corridor ...  junction      observations: sign "up" 011, sign "down" 110, corridor 101, junction 010
                         | up          actions: up, right, down, left
      S  -  .  -  .  -  -+
                         | down        rewards: 4 for the right turn, -0.1 for the wrong one and for walking into a wall

Paper: Bakker, Reinforcement learning with long short-term memory, NIPS 2001.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

UP, RIGHT, DOWN, LEFT = range(4)
OBSERVATIONS = ((0, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 0))  # sign "up", sign "down", corridor, junction


class Maze(NamedTuple):
    """Where the agents are; arrays [B]."""

    position: jax.Array  # int32: 0 at the start, `length` at the junction
    up: jax.Array  # bool: what the sign says


class Outcome(NamedTuple):
    """What a step brought; arrays [B]."""

    reward: jax.Array
    ended: jax.Array  # bool: the agent has turned, well or not
    right: jax.Array  # bool: the right way


def enter(up: jax.Array) -> Maze:
    """Agents before their first step, in mazes whose signs are given."""
    return Maze(jnp.zeros(up.shape, jnp.int32), up)


def observe(maze: Maze, length: int) -> jax.Array:
    """What the agents see, [B, 3]."""
    sign = jnp.where(maze.up, 0, 1)
    kind = jnp.where(maze.position == 0, sign, jnp.where(maze.position == length, 3, 2))
    return jnp.asarray(OBSERVATIONS, float)[kind]


def move(maze: Maze, action: jax.Array, length: int) -> tuple[Maze, Outcome]:
    """One step of each agent. One that has turned stays where it is, until it enters another maze."""
    turn = (action == UP) | (action == DOWN)
    ended = turn & (maze.position == length)
    right = ended & ((action == UP) == maze.up)
    sideways = jnp.where(action == RIGHT, 1, jnp.where(action == LEFT, -1, 0)).astype(jnp.int32)
    position = jnp.clip(maze.position + sideways, 0, length)
    reward = jnp.where(right, 4.0, jnp.where(position == maze.position, -0.1, 0.0))
    return Maze(position, maze.up), Outcome(reward, ended, right)
