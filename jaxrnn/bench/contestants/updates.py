"""An update of a training run by the library's own step, as `jaxrnn train` makes it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import numpy as np

from jaxrnn.bench.application import differentiate, experiment_of, make_batch
from jaxrnn.bench.cases import Case
from jaxrnn.bench.contestants.base import Running
from jaxrnn.bench.problem import Problem
from jaxrnn.train.meshes import make_mesh
from jaxrnn.train.optimizer import make_optimizer
from jaxrnn.train.step import init_state, make_step, place, state_shardings


class Update(Running):
    """The configuration's task and optimizer on one batch, its carry handed on."""

    def __init__(self, case: Case, problem: Problem) -> None:
        self.case, self.params = case, problem.params
        self.host_batch = make_batch(case, problem.xs, problem.weights)

    def answer(self) -> dict[str, Any]:
        return differentiate(self.case, self.params, self.host_batch)

    def walk(self) -> Any:
        raise NotImplementedError

    def call(self, kind: str) -> Callable[[], Any]:
        return self._update

    @cached_property
    def _update(self) -> Callable[[], Any]:
        """The run goes on from one measurement to the next."""
        experiment, mesh = experiment_of(self.case), make_mesh(jax.devices()[:1])
        optimizer = make_optimizer(experiment.optimizer, experiment.loop.steps)
        state = init_state(experiment.task, optimizer, experiment.seed)
        state = state._replace(params=jax.tree.map(np.array, self.params))
        step = make_step(experiment.task.loss, optimizer, state_shardings(state, mesh))
        kept = [state]

        def update() -> float:
            kept[0], outcome = step(kept[0], place(self.host_batch, mesh))
            return float(jax.device_get(outcome)["loss"])

        return update
