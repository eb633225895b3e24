"""What is wrong with a task, said before anything is trained or written."""

from __future__ import annotations

import json
from typing import Any

import jax
import numpy as np

from jaxrnn.base.checks import check_size, is_array
from jaxrnn.base.dtypes import is_float
from jaxrnn.base.errors import Said, describe, fail
from jaxrnn.train.options import check_seed
from jaxrnn.train.step import KEPT
from jaxrnn.train.task import Batches, Params, Task

SEE = "help(jaxrnn.train.Task) says what a task must have."


def check_members(task: Any) -> None:
    """See to it that a task has all that the protocol names.

    Raises:
        TypeError: If something is missing; the message names it.
    """
    missing = [name for name in _members() if not hasattr(task, name)]
    if missing:
        said = Said(f"{describe(task)}, which has no {', '.join(missing)}")
        fail("task", f"a Task, an object with {', '.join(_members())}", said, SEE, kind=TypeError)


def check_task(task: Any, seed: int = 0, devices: int = 1) -> None:
    """See to it that a task keeps the protocol: its members, its first batch, and what its loss gives for that.

    Nothing is computed on the devices: the loss is traced for its shapes alone. One batch is drawn, of an iterator of
    its own.

    Args:
        task: The task.
        seed: Of the parameters, whose shapes are looked at.
        devices: How many share the rows of a batch.

    Raises:
        TypeError: If something is missing or is of another kind; the message names it.
        ValueError: If a batch has no rows, or rows that devices cannot share, or `seed` or `devices` is out of range.

    >>> from jaxrnn.tasks import TASKS
    >>> from jaxrnn.train import check_task, find_config, read_experiment
    >>> check_task(read_experiment(find_config("adding"), [], TASKS).task)
    """
    checked_shapes(task, seed, devices)


def checked_shapes(task: Any, seed: int, devices: int) -> Params:
    """The shapes of the parameters of a task that `check_task` passes."""
    check_members(task)
    check_seed(seed, "seed")
    check_size(devices, "devices")
    if not isinstance(task.unit, str) or not isinstance(task.headline, str):
        fail("task.unit", "a text, as task.headline", (task.unit, task.headline), SEE, kind=TypeError)
    if not isinstance(task.splits, tuple) or task.splits[:1] != ("validation",):
        fail("task.splits", "a tuple of names, 'validation' first", task.splits, SEE, kind=TypeError)
    if task.headline.partition(" ")[0] not in task.splits:
        fail("task.headline", f"one of {', '.join(task.splits)} and one of its figures", task.headline, SEE)
    params = jax.eval_shape(task.init, jax.random.key(seed))
    if not jax.tree.leaves(params):
        fail("task.init", "a function of a key that gives parameters", params, SEE, kind=TypeError)
    carry = jax.eval_shape(task.initial_carry, params)
    batch = _first_batch(task, devices)
    said = jax.eval_shape(task.loss, params, carry, _shapes(batch), jax.random.key(0))
    _check_loss(said, carry)
    _check_kept(said[1][1].get(KEPT), params)
    return params


def _members() -> list[str]:
    """All that `Task` has."""
    return [*Task.__annotations__, *(name for name, value in vars(Task).items() if callable(value) and name[0] != "_")]


def _first_batch(task: Any, devices: int) -> Any:
    batches = task.batches()
    if not isinstance(batches, Batches):
        fail("task.batches()", "an iterator with get_state and set_state", batches, SEE, kind=TypeError)
    try:
        json.dumps(batches.get_state())
    except (TypeError, ValueError) as error:
        fail("task.batches().get_state()", "what JSON can hold", Said(str(error)), SEE, kind=TypeError)
    batch = next(batches)
    count = check_rows(batch, "a batch")
    if count % devices:
        fail("a batch", f"of a multiple of the {devices} devices in rows", Said(f"{count} rows"))
    counted = task.count(batch)
    if isinstance(counted, bool) or not isinstance(counted, (int, np.integer)):
        fail("task.count(batch)", "an integer", counted, SEE, kind=TypeError)
    return batch


def check_rows(batch: Any, name: str) -> int:
    """How many rows a batch has, or an error."""
    arrays = jax.tree.leaves(batch)
    if not arrays or not all(is_array(array) and np.dtype(array.dtype).kind not in "OUSM" for array in arrays):
        fail(name, "a tree of arrays of numbers", batch, SEE, kind=TypeError)
    rows = {array.shape[:1] for array in arrays}
    if len(rows) != 1 or rows <= {(), (0,)}:
        fail(name, "a tree of arrays that all have its rows first", batch, SEE)
    return next(iter(rows))[0]


def _shapes(batch: Any) -> Any:
    def shape(array: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(array.shape, jax.dtypes.canonicalize_dtype(array.dtype))

    return jax.tree.map(shape, batch)


def _check_loss(said: Any, carry: Any) -> None:
    expected = "(loss, (carry, figures)): a scalar, the carry as it came, and a dict of scalars"
    try:
        loss, (new, figures) = said
    except (TypeError, ValueError):
        fail("task.loss(...)", expected, said, SEE, kind=TypeError)
    if getattr(loss, "shape", None) != () or not is_float(loss.dtype):
        fail("task.loss(...)", expected, Said(f"a loss {loss}"), SEE, kind=TypeError)
    kinds = [[(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)] for tree in (new, carry)]
    shapes: list[Any] = [jax.tree.structure(tree) for tree in (new, carry)]
    if shapes[0] != shapes[1] or kinds[0] != kinds[1]:
        said = Said(f"the carry {new} where task.initial_carry gives {carry}")
        fail("task.loss(...)", expected, said, SEE, kind=TypeError)
    if not isinstance(figures, dict):
        fail("task.loss(...)", expected, Said(f"figures {figures!r}"), SEE, kind=TypeError)
    scalars = {name: value for name, value in figures.items() if name != KEPT or not isinstance(value, dict)}
    wrong = [name for name, value in scalars.items() if getattr(value, "shape", None) != ()]
    if wrong:
        fail("task.loss(...)", expected, Said(f"figures that are no scalars: {', '.join(wrong)}"), SEE, kind=TypeError)


def _check_kept(kept: Any, params: Any) -> None:
    """What takes the place of parameters is there, of the same shapes and types."""
    if not isinstance(kept, dict):
        return
    there = {jax.tree_util.keystr(p): (a.shape, a.dtype) for p, a in jax.tree_util.tree_leaves_with_path(params)}
    for path, leaf in jax.tree_util.tree_leaves_with_path(kept):
        name = jax.tree_util.keystr(path)
        if there.get(name) != (leaf.shape, leaf.dtype):
            expected = f"figures whose `{KEPT}` are parameters, as they came"
            fail(
                "task.loss(...)", expected, Said(f"{leaf} for {name}, which is {there.get(name)}"), SEE, kind=TypeError
            )
