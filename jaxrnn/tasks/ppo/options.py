"""The options of worlds and of learning, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from jaxrnn.tasks.ppo.worlds import CartPole, Pendulum, TMaze, World
from jaxrnn.train.options import check, check_types


@dataclass(frozen=True)
class WorldOptions:
    """The worlds.

    Args:
        name: t_maze, cart_pole or pendulum.
        corridor: Of a T-maze: steps for which its sign has to be kept in mind.
        masked: Of the other two: velocities are hidden, and have to be found from what was seen before.
        rows: B, the worlds side by side, of each seed.
        length: T, the steps of a rollout: gradients go back this far, memories further.
    """

    name: Literal["t_maze", "cart_pole", "pendulum"] = "t_maze"
    corridor: int = 10
    masked: bool = True
    rows: int = 16
    length: int = 64

    def __post_init__(self) -> None:
        check_types(self, "world")
        names = ("t_maze", "cart_pole", "pendulum")
        check(self.name in names, "world.name", f"one of {', '.join(names)}", self.name)
        check(self.corridor >= 1, "world.corridor", "1 or more steps", self.corridor)
        check(self.rows >= 1, "world.rows", "1 or more", self.rows)
        check(self.length >= 1, "world.length", "1 or more", self.length)

    @cached_property
    def made(self) -> World:
        """The world of these options."""
        if self.name == "t_maze":
            return TMaze(self.corridor)
        return CartPole(self.masked) if self.name == "cart_pole" else Pendulum(self.masked)


@dataclass(frozen=True)
class LearningOptions:
    """How the policy learns.

    Args:
        seeds: Agents that learn side by side, each by itself; a multiple of the devices, which share them.
        epochs: How often a rollout is gone through.
        minibatches: Into how many parts its rows are split each time.
        discount: Of rewards, a step.
        trace: Lambda of the advantages: 0 trusts the values, 1 the rewards.
        clip: How far ratios may go from one before they no longer pay.
        entropy: Weight of the policy's entropy, which keeps it trying.
        value: Weight of the values' error.
        clip_norm: Gradients of a seed are scaled down to this norm (optimizer.clip_norm is that of all together).
    """

    seeds: int = 10
    epochs: int = 4
    minibatches: int = 2
    discount: float = 0.98
    trace: float = 0.95
    clip: float = 0.2
    entropy: float = 0.01
    value: float = 0.5
    clip_norm: float = 0.5

    def __post_init__(self) -> None:
        check_types(self, "ppo")
        for name in ("seeds", "epochs", "minibatches"):
            check(getattr(self, name) >= 1, f"ppo.{name}", "1 or more", getattr(self, name))
        for name in ("discount", "trace"):
            check(0 <= getattr(self, name) <= 1, f"ppo.{name}", "a number in [0, 1]", getattr(self, name))
        for name in ("clip", "clip_norm"):
            check(getattr(self, name) > 0, f"ppo.{name}", "a positive number", getattr(self, name))
        for name in ("entropy", "value"):
            check(0 <= getattr(self, name) < float("inf"), f"ppo.{name}", "0 or more", getattr(self, name))
