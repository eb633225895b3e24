"""An application as a case: its configuration's model and optimizer on a batch of symbols drawn at random.

How fast an update is depends neither on the text nor on the rate of learning, which is constant here. The vocabulary's
names are made up too: a task asks for nothing more.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from jaxrnn.bench.cases import Case
from jaxrnn.tasks import TASKS
from jaxrnn.train import find_config, read_experiment
from jaxrnn.train.config import Experiment
from jaxrnn.train.streams import Chunk


@lru_cache(maxsize=1)
def experiment_of(case: Case) -> Experiment:
    """The configuration at the case's sizes, those of the configuration itself unless the case is a quick one."""
    options: dict[str, Any] = {
        "model.hidden": case.H,
        "model.layers": case.layers,
        "data.streams": case.B,
        "data.length": case.T,
    }
    options |= {"data.set": "shakespeare", "optimizer.schedule": "constant", "optimizer.warmup": 0}
    overrides = [f"--{key}={value}" for key, value in options.items()]
    experiment = read_experiment(find_config(case.cell), overrides, TASKS)
    names = [chr(ord("A") + i) for i in range(case.D)]
    learned = json.dumps({"vocabulary": "".join(names) if case.cell == "char_lm" else names})
    task: Any = experiment.task
    return replace(experiment, task=replace(task, learned=learned))


def make_params(case: Case) -> Any:
    """As the run draws them, in float32 whatever this process computes in."""
    with jax.enable_x64(False):
        return jax.tree.map(np.asarray, experiment_of(case).task.init(jax.random.key(0)))


def make_symbols(case: Case) -> tuple[Any, Any]:
    """Inputs and targets, int32 `[B, T]`."""
    symbols = np.random.default_rng(0).integers(case.D, size=(case.B, case.T + 1), dtype=np.int32)
    return symbols[:, :-1], symbols[:, 1:]


def make_batch(case: Case, inputs: Any, targets: Any) -> Chunk:
    """The chunk of a training run: whole, and none of its rows is the first of its text."""
    return Chunk(inputs, targets, np.full(case.B, case.T, np.int32), np.zeros(case.B, bool))


def answer(loss: Any, gradients: Any) -> dict[str, Any]:
    """The loss and its gradients by path."""
    paths, _ = jax.tree.flatten_with_path(gradients)
    return {"loss": np.asarray(loss)} | {"/".join(k.key for k in path): np.asarray(a) for path, a in paths}


def differentiate(case: Case, params: Any, batch: Chunk) -> dict[str, Any]:
    """The task's own loss and gradients, in the dtype of the parameters."""
    task = experiment_of(case).task

    def loss(params: Any) -> Any:
        return task.loss(params, task.initial_carry(params), batch, None)[0]

    return answer(*jax.jit(jax.value_and_grad(loss))(params))
