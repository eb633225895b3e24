"""The trainer of `jaxrnn train ppo` around other recurrent layers than it ships with, for comparison; a program.

    python -m tests.tasks.their_ppo copied [OPTIONS OF jaxrnn train ppo]    the ScannedRNN that agents' code copies
    python -m tests.tasks.their_ppo early [...]                             resets one step early, by `dones`

Nothing else of the trainer differs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax

from jaxrnn.tasks.ppo.agent import Agent
from jaxrnn.tasks.ppo.ppo import PPO, LearningOptions, WorldOptions
from jaxrnn.train import StopRequest, find_config, read_experiment, run
from tests.copied import Theirs


@dataclass(frozen=True)
class TheirAgent(Agent):
    """The linen agent around it."""

    def scanned(self) -> Any:
        return Theirs


@dataclass(frozen=True)
class Copied(PPO):
    """The trainer around it."""

    model: TheirAgent = field(default_factory=TheirAgent)
    world: WorldOptions = field(default_factory=WorldOptions)
    ppo: LearningOptions = field(default_factory=LearningOptions)


@dataclass(frozen=True)
class Early(PPO):
    """The known mistake: what ended with a step is taken for what starts with it."""

    model: Agent = field(default_factory=Agent)
    world: WorldOptions = field(default_factory=WorldOptions)
    ppo: LearningOptions = field(default_factory=LearningOptions)

    def starts(self, dones: jax.Array, first: jax.Array) -> jax.Array:
        return dones


if __name__ == "__main__":
    which, *options = sys.argv[1:]
    experiment = read_experiment(find_config("ppo"), options, {"ppo": {"copied": Copied, "early": Early}[which]})
    sys.exit(run(experiment, Path("runs") / f"ppo_{which}", False, StopRequest()))
