"""Right calls of what makes a task of one's own and trains it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxrnn import train
from tests.wrong_calls.calls import Call

X = np.linspace(-1, 1, 8, dtype=np.float32)


def rows(index: Any) -> dict[str, Any]:
    return {"x": X[index]}


def training() -> Any:
    return train.ByLength(np.ones(8), 8, 0, rows)


def loss(params: Any, batch: Any, key: Any) -> Any:
    return jnp.mean((params["w"] * batch["x"] - batch["x"]) ** 2)


class Line(nnx.Module):
    def __init__(self, rngs: Any):
        self.w = nnx.Param(jnp.zeros((), jnp.float32))


FUNCTIONS = dict(
    init=lambda key: {"w": jnp.zeros((), jnp.float32)}, loss=loss, training=training, validation=[rows(np.arange(8))]
)
MODULE = FUNCTIONS | dict(make=Line, loss=lambda module, batch: loss({"w": module.w[...]}, batch, None))
del MODULE["init"]
MAKES = dict.fromkeys(("init", "loss", "make", "training", "validation"), "function")
MAKES |= dict(test="function | None", count="function | None", show="function | None", options="None")
MAKES["predict"] = "function | None"
TASK = train.of_functions(**FUNCTIONS)


def trained(**given: Any) -> Any:
    """What comes of a training, in a folder that is new unless another one is named."""
    if isinstance(given["folder"], str | Path) and str(given["folder"]) == Path(given["folder"]).name:
        shutil.rmtree(given["folder"], ignore_errors=True)
    with jax.numpy_dtype_promotion("standard"):  # optax's schedules count steps in int32
        return train.train_task(**given)


def members(task: Any) -> Any:
    return task.unit, task.splits


CALLS = {
    "check_task": Call(train.check_task, lambda: dict(task=TASK), known_as=dict(devices=("a batch",))),
    "of_functions": Call(
        train.of_functions, lambda: dict(FUNCTIONS), MAKES, made_by=lambda **g: members(train.of_functions(**g))
    ),
    "of_module": Call(train.of_module, lambda: dict(MODULE), MAKES, made_by=lambda **g: members(train.of_module(**g))),
    "train_task": Call(
        train.train_task,
        lambda: dict(task=TASK, folder=Path("run"), loop=train.LoopOptions(steps=1)),
        dict(folder="str", start="dict | None", callbacks="list | tuple"),
        made_by=trained,
    ),
}
CALLS = {f"train.{name}": call for name, call in CALLS.items()}
