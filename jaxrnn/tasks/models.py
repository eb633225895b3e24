"""Trained models by name or folder: the runs on this disk and the small models that ship with the package.

A shipped model is a folder `pretrained/NAME` with the run's config.yaml, what it took from its data (data.json, where
that would take long to find again) and its parameters as params.npz (float16, names as paths; the zip's CRC finds a
flipped bit).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.errors import fail
from jaxrnn.base.files import replacing
from jaxrnn.tasks import TASKS
from jaxrnn.tasks.shared.own_splits import OwnData
from jaxrnn.tasks.shared.shipped import PRETRAINED
from jaxrnn.train.config import Experiment, read_experiment
from jaxrnn.train.run import best_params
from jaxrnn.train.run_files import CONFIG, DataRecord, RunError, config_overrides, digest, read_data, with_record
from jaxrnn.train.task import Params

PARAMS = "params.npz"


class Model(NamedTuple):
    """A trained model and the experiment that it came from."""

    experiment: Experiment
    params: Params
    data: DataRecord | None = None  # what its run took from its data, where that is known


def shipped() -> dict[str, Path]:
    """Folders of the models in the package, by name."""
    return {path.parent.name: path.parent for path in sorted(PRETRAINED.glob(f"*/{PARAMS}"))}


def names_of(kind: type) -> list[str]:
    """The tasks that have all that a protocol asks for beside what every task has."""
    members = [name for name in vars(kind) if not name.startswith("_")]
    return [name for name, task in TASKS.items() if all(hasattr(task, member) for member in members)]


def load_model(run: str) -> Model:
    """The best parameters of a run's folder, or a model of the package by its name.

    Raises:
        RunError: If there is neither, naming what there is.
    """
    folder = Path(run)
    if (folder / CONFIG).exists():
        record = read_data(folder)
        experiment = with_record(read_experiment(folder / CONFIG, config_overrides(folder), TASKS), record)
        return Model(experiment, best_params(experiment, folder), record)
    if run in shipped():
        record = read_data(shipped()[run])
        experiment = with_record(read_experiment(shipped()[run] / CONFIG, [], TASKS), record)
        return Model(experiment, read_params(shipped()[run] / PARAMS, experiment), record)
    runs = [str(path.parent) for path in sorted(Path("runs").glob(f"*/{CONFIG}"))]
    raise RunError(
        f"no run {run!r}: expected a folder that `jaxrnn train` wrote (here: {', '.join(runs) or 'none in runs/'}) "
        f"or a model of the package ({', '.join(shipped())})"
    )


def scored_on(task: Any, path: str) -> tuple[Any, tuple[str, ...]]:
    """A trained model's task with a user's file or folder held out, and the splits that are in it.

    Raises:
        ValueError: If the file cannot be read, or the model's data are made and not read.
    """
    data = getattr(task, "data", None)
    if not isinstance(data, OwnData) or not hasattr(data, "path"):
        fail("data.path", "empty for a model whose data are made, not read", path)
    own: dict[str, Any] = {"set": data.ships[0], "path": path, "held_out": 1.0}  # which a path beside it makes own
    if getattr(data, "set", "") == "ptb":
        own["spaces"] = True  # its words are what stands between spaces
    as_it_was = [{"path": path}] if getattr(data, "set", "") in data.full else []
    for options in (*as_it_was, own):
        of_path = dataclasses.replace(task, data=dataclasses.replace(data, **options))
        try:
            parts = [digest(of_path.contents(split)) for split in of_path.splits]
        except ValueError:
            if options is own:
                raise
        else:
            break
    return of_path, of_path.splits if len({*parts}) == len(parts) else of_path.splits[-1:]


def write_params(path: Path, params: Params) -> None:
    """Store parameters as float16 in a compressed npz file."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    arrays: dict[str, Any] = {_name(key): np.asarray(leaf, np.float16) for key, leaf in leaves}
    with replacing(path) as beside:
        np.savez_compressed(beside, **arrays)


def read_params(path: Path, experiment: Experiment) -> Params:
    """The parameters of an npz file, as float32, in the tree of an experiment's model.

    Raises:
        RunError: If the file is damaged or of another model.
    """
    like = jax.eval_shape(experiment.task.init, jax.random.key(0))

    def read(key, leaf):
        array = arrays[_name(key)]
        if array.shape != leaf.shape:
            raise RunError(f"{path}: {_name(key)} has shape {array.shape}, expected {leaf.shape}")
        return jnp.asarray(array, leaf.dtype)

    try:
        with np.load(path, allow_pickle=False) as arrays:
            return jax.tree_util.tree_map_with_path(read, like)
    except Exception as error:  # a flipped bit shows as one of many kinds, from zip, zlib or NumPy
        raise RunError(f"{path} cannot be read: {error}. Install the package again") from error


def _name(path: tuple) -> str:
    """A leaf's path as "rnn/layer_0/kernel"."""
    return jax.tree_util.keystr(path, simple=True, separator="/")
