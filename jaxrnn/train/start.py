"""Where training starts from weights that there are: of a model that was trained before, on the same data or others.

What a vocabulary counts (rows of an embedding, columns of a readout) goes by token: one that both models know keeps its
numbers, one that is new begins as in a fresh model. Which axes those are is told by the model: they grow with the
vocabulary. Columns of data go by their names (`named_axes`).
"""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.files import replacing, write_text
from jaxrnn.train.named_axes import check_fixed, named_axes, names_in, shared
from jaxrnn.train.run_files import RunError, read_data
from jaxrnn.train.state_file import StateError, leaves, read_state, write_state
from jaxrnn.train.task import DataTask, Params, Task

START = "start.npz"  # in a run's folder: what it began with
FROM = "start.json"
LISTS = "vocabularies"  # what is learned by this name is several


class Start(NamedTuple):
    """Parameters to begin with, and what they are called."""

    name: str  # for the run's record, such as the folder of another run
    params: Params  # of the task, by `carried_over`


def carried_over(task: Task, seed: int, trained: Task, params: Params, name: str) -> Start:
    """The parameters of a trained model as those that a task begins with.

    Args:
        task: What is to be trained.
        seed: Of what has no counterpart.
        trained: What the model was trained on.
        params: Its parameters.
        name: What it is called.

    Returns:
        The parameters, for `run`, and where they come from.

    Raises:
        RunError: If the models differ in more than their vocabularies; the message names the first array that does.

    >>> from jaxrnn.train import carried_over
    >>> import jax
    >>> from jaxrnn.tasks import TASKS
    >>> from jaxrnn.train import find_config, read_experiment
    >>> task = read_experiment(find_config("adding"), ["--model.hidden=4"], TASKS).task
    >>> carried_over(task, 0, task, task.init(jax.random.key(1)), "a model of mine").name
    'a model of mine'
    """
    fresh = task.init(jax.random.split(jax.random.key(seed))[0])
    grown, new, old = _grown_axes(task, fresh), vocabularies(task), vocabularies(trained)
    theirs, ours = leaves(params), leaves(fresh)
    axes, old_axes = named_axes(task), named_axes(trained)
    names, said = names_in(axes, old_axes) if old_axes else ({}, [])
    check_fixed(axes, old_axes, {path.partition("/")[2] for path in ours}, name)
    found = []
    for path, leaf in ours.items():
        given = theirs.get(path)
        label = path.partition("/")[2]
        if given is None:
            raise RunError(f"--from {name}: its model has no {label}. Give this one the options of that model")
        target, value = np.array(leaf), np.asarray(given)
        wanted, had = [np.arange(size) for size in target.shape], [np.arange(size) for size in value.shape]
        if target.ndim == value.ndim:
            for axis, key in grown.get(path, {}).items():
                if key in old:
                    wanted[axis], had[axis] = _shared(new[key], old[key], target.shape[axis], value.shape[axis])
            for axis, along in axes.get(label, {}).items():
                if before := old_axes.get(label, {}).get(axis):
                    wanted[axis], had[axis] = shared(along, before, names) or (wanted[axis], had[axis])
        if [len(one) for one in wanted] != [len(one) for one in had]:
            raise RunError(
                f"--from {name}: its {label} is {list(value.shape)}, here it is {list(target.shape)}. Give this model "
                "the options of that one"
            )
        target[np.ix_(*wanted)] = value[np.ix_(*had)]
        found.append(jnp.asarray(target, leaf.dtype))
    if said:
        warnings.warn(f"--from {name}, by the names of columns: {', '.join(said)}", stacklevel=2)
    return Start(name, jax.tree.unflatten(jax.tree.structure(fresh), found))


def vocabularies(task: Task) -> dict[str, list[str]]:
    """The tokens of each vocabulary that a model has, by name."""
    return _lists(_learned(task))


def _learned(task: Task) -> dict[str, Any]:
    if not isinstance(task, DataTask):
        return {}
    known = getattr(task, "learned", "")
    return json.loads(known or json.dumps(task.learn()))


def _lists(learned: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in learned.items():
        parts = {f"{name}[{n}]": part for n, part in enumerate(value)} if name == LISTS else {name: value}
        texts = {k: [*v] for k, v in parts.items() if isinstance(v, (str, list, tuple))}
        found |= {k: tokens for k, tokens in texts.items() if tokens and all(isinstance(t, str) for t in tokens)}
    return found


def _grown_axes(task: Task, fresh: Params) -> dict[str, dict[int, str]]:
    """For each array the axes that are longer where a vocabulary has a token more, and which one that is."""
    learned = _learned(task)
    sizes = {path: leaf.shape for path, leaf in leaves(fresh).items()}
    found: dict[str, dict[int, str]] = {}
    for name in _lists(learned):
        own: Any = task
        more = dataclasses.replace(own, learned=json.dumps(_with_one_more(learned, name)))
        shapes = leaves(jax.eval_shape(more.init, jax.random.key(0)))
        for path, shape in sizes.items():
            axes = [axis for axis, size in enumerate(shape) if shapes[path].shape[axis] != size]
            found.setdefault(path, {}).update(dict.fromkeys(axes, name))
    return found


def _with_one_more(learned: dict[str, Any], name: str) -> dict[str, Any]:
    token = "\U0010ffff"  # no text has it
    plain = name.partition("[")[0]
    value = learned[plain]
    if plain != name:
        number = int(name.removesuffix("]").partition("[")[2])
        return learned | {plain: [[*part, token] if n == number else part for n, part in enumerate(value)]}
    return learned | {plain: value + token if isinstance(value, str) else [*value, token]}


def _shared(new: list[str], old: list[str], size: int, old_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Places along an axis that go on, in the new array and in the old: first those that count no tokens."""
    before, old_before = size - len(new), old_size - len(old)
    numbers = {token: n for n, token in enumerate(old)}
    both = [(n, numbers[token]) for n, token in enumerate(new) if token in numbers]
    ours, theirs = (np.array(side, int) for side in zip(*both, strict=True)) if both else (np.zeros(0, int),) * 2
    return np.concatenate([np.arange(before), before + ours]), np.concatenate(
        [np.arange(old_before), old_before + theirs]
    )


def write_start(folder: Path, start: Start) -> None:
    """Keep in a run's folder what it begins with: it may be killed before its first checkpoint."""
    with replacing(folder / START) as beside:
        write_state(beside, start.params)
    write_text(folder / FROM, json.dumps({"from": start.name}) + "\n")


def started_from(folder: Path) -> str | None:
    """What a run began with; None where it began anew.

    Raises:
        RunError: If that cannot be read, or is gone.
    """
    path = folder / FROM
    if not path.exists():
        if (folder / START).exists():
            raise RunError(
                f"{folder} has {START}, the parameters that its run began with, but no {FROM}, which says whose they "
                f"are: put it back from a copy, or delete {folder} and start again with --from"
            )
        record = read_data(folder)
        if record is not None and record.start is not None:
            raise RunError(
                f"{folder} holds a run that began with {record.start}, but {START} and {FROM} are gone: "
                f"put them back from a copy, or delete {folder} and start again with --from"
            )
        return None
    try:
        name = json.loads(path.read_text(encoding="utf-8"))["from"]
        if not isinstance(name, str):
            raise TypeError("no name of a run")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read ({error!r}): put it back from a copy") from error
    return name


def read_start(folder: Path, like: Params) -> Params | None:
    """The parameters that a run begins with, where it does not begin anew.

    Raises:
        RunError: If they cannot be read.
    """
    if started_from(folder) is None:
        return None
    try:
        return read_state(folder / START, like)
    except (OSError, ValueError, StateError) as error:
        raise RunError(
            f"{folder / START} cannot be read ({error}): put it back from a copy, or delete {folder}"
        ) from error
