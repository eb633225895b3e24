"""Axes of parameters that go by columns of data, as those of a layer that reads them: a column goes on by its name.

A task has them that has a method `named_axes`; a vocabulary needs none, `learn` tells it.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrnn.core.layer import Layer
from jaxrnn.train.run_files import RunError
from jaxrnn.train.state_file import leaves


class Place(NamedTuple):
    """What stands at one place of such an axis."""

    role: str  # such as a column itself, or its logarithm
    name: str = ""  # of what is there in some data and not in others; "": in all
    kind: str = ""  # "column" or "target": those of one kind may take each other's place


Named = dict[str, dict[int, list[Place]]]  # by the path of an array, such as "rnn/layer_0/kernel", and by axis
Names = dict[tuple[str, str], str | None]  # what a model's (kind, name) is called in another; None: that has it not


def along_inputs(layer: Layer, places: list[Place], path: str) -> Named:
    """Of a layer at a path the axes that are as long as it has inputs.

    A cell that was made for so many has each of them in a unit of its own, which nothing here rearranges: that is said
    of the path itself.
    """
    sizes = (len(places), len(places) + 1)
    try:
        trees = [leaves(jax.eval_shape(partial(layer.init, inputs=size), jax.random.key(0))) for size in sizes]
    except ValueError:
        return {path: {0: places}}
    found: Named = {}
    for name, leaf in trees[0].items():
        longer = {axis: places for axis, size in enumerate(leaf.shape) if trees[1][name].shape[axis] != size}
        if longer:
            found[f"{path}/{name.partition('/')[2]}"] = longer
    return found


def named_axes(task: Any) -> Named:
    """Those that a task has."""
    found = getattr(task, "named_axes", None)
    return {} if found is None else found()


def names_in(new: Named, old: Named) -> tuple[Names, list[str]]:
    """What each name of a model is in another, and what is to be said of that.

    Names that both know are the same. Where as many columns are left on both sides they are taken in their order.
    """
    ours, theirs = _every(new), _every(old)
    found: Names = {one: one[1] if one in theirs else None for one in ours}
    said = []
    for kind in dict.fromkeys(kind for kind, _ in (*ours, *theirs)):
        more = [name for of, name in ours if of == kind and (of, name) not in theirs]
        less = [name for of, name in theirs if of == kind and (of, name) not in ours]
        if kind and len(more) == len(less):
            found |= {(kind, name): before for name, before in zip(more, less, strict=True)}
            said += [f"{name} goes on from {before}" for name, before in zip(more, less, strict=True)]
        else:
            said += [f"{name} begins anew" for name in more] + [f"{name} is left out" for name in less]
    return found, said


def check_fixed(new: Named, old: Named, arrays: Collection[str], name: str) -> None:
    """See to it that what nothing rearranges has the same names in the same order.

    Raises:
        RunError: If it has others; the message has both.
    """
    for path, axes in new.items():
        if path not in arrays and axes != old.get(path, axes):
            ours, theirs = (", ".join(dict.fromkeys(p.name for p in of[path][0] if p.kind)) for of in (new, old))
            raise RunError(
                f"--from {name}: its columns are {theirs}, here they are {ours}; a cell that reads one in each "
                "unit takes them in that order alone. Give them so"
            )


def _every(named: Named) -> list[tuple[str, str]]:
    places = [place for axes in named.values() for along in axes.values() for place in along]
    return [*dict.fromkeys((place.kind, place.name) for place in places)]


def shared(new: list[Place], old: list[Place], names: Names) -> tuple[np.ndarray, np.ndarray] | None:
    """Places along an axis that go on, in the new array and in the old; None where columns differ in their roles."""
    numbers = {place: n for n, place in enumerate(old)}
    known = [(n, place, names[place.kind, place.name]) for n, place in enumerate(new)]
    pairs = {n: numbers.get(place._replace(name=before)) for n, place, before in known if before is not None}
    go_on = {(kind, before) for (kind, _), before in names.items()}
    if {*pairs.values()} != {n for n, place in enumerate(old) if (place.kind, place.name) in go_on}:
        return None
    return np.array([*pairs], int), np.array([*pairs.values()], int)
