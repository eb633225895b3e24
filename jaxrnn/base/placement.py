"""Meshes with explicit axes. There an array's type says over which axes it lies, and every operation must agree.

All public entries compute with the axes automatic, so that the compiler places what is in between (equations of users
too), and say in their results' types where these lie: batch axes as those of the inputs, units as those of the kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.sharding import AbstractMesh, AxisType, NamedSharding, PartitionSpec, reshard, use_abstract_mesh

NOWHERE = AbstractMesh((), ())  # what is traced for one row lies on no mesh, whatever the mesh of the sequence
Place = tuple[Any, ...]  # for each axis of an array the mesh axis, or axes, over which it lies; None for none


def explicit_mesh(tree: Any) -> AbstractMesh | None:
    """The mesh with explicit axes in the types of arrays, else in the context; None where there is none."""
    found = next((m for a in jax.tree.leaves(tree) if (m := explicit_mesh_of(a)) is not None), None)
    return _explicit(jax.sharding.get_abstract_mesh()) if found is None else found


def explicit_mesh_of(array: Any) -> AbstractMesh | None:
    """The mesh with explicit axes in the type of an array, or None."""
    return _explicit(jax.typeof(array).sharding.mesh) if isinstance(array, jax.Array) else None


def _lies_anywhere(tree: Any) -> bool:
    return any(any(place(a)) for a in jax.tree.leaves(tree) if isinstance(a, jax.Array))


def _explicit(mesh: AbstractMesh) -> AbstractMesh | None:
    return mesh if not mesh.empty and AxisType.Explicit in mesh.axis_types else None


def place(array: Any) -> Place:
    """Where an array lies, by its type."""
    if not isinstance(array, jax.Array):
        return (None,) * np.ndim(array)
    spec = tuple(jax.typeof(array).sharding.spec)
    return (*spec, *(None,) * (array.ndim - len(spec)))


def lay(mesh: AbstractMesh | None, array: Any, at: Place) -> Any:
    """An array, lying there on a mesh with explicit axes; without one, as it is."""
    there = mesh is None or (explicit_mesh_of(array) == mesh and place(array) == at)
    return array if there else reshard(array, NamedSharding(mesh, PartitionSpec(*at)))  # type: ignore[arg-type]


def automatic(
    function: Callable[..., Any], arguments: tuple[Any, ...], places: Callable[[AbstractMesh, Any], Any]
) -> Any:
    """`function(*arguments)`. On a mesh with explicit axes `places(mesh, results)` says where each result lies."""
    mesh = explicit_mesh(arguments)
    if mesh is None or (mesh.manual_axes and not _lies_anywhere(arguments)):  # inside `shard_map` over other axes
        return function(*arguments)

    def enter(a: Any) -> Any:
        return reshard(a, PartitionSpec()) if explicit_mesh_of(a) is not None else a

    with use_abstract_mesh(mesh.update_axis_types(dict.fromkeys(mesh.explicit_axes, AxisType.Auto))):
        results = function(*jax.tree.map(enter, arguments))
    return jax.tree.map(partial(lay, mesh), results, places(mesh, results))


def of_results(params: Any, carry: Any, at: Place, batch: Place) -> Callable[[AbstractMesh, Any], Any]:
    """Where a run's `(carry, outputs)` lie, for `automatic`: a carry as the one that was given, if one was.

    Args:
        params: kernels whose units all lie over one mesh axis have results' units lie there too.
        carry: what the run starts from, or None.
        at: where the outputs' axes before the units lie.
        batch: where the batch axes lie.
    """
    kernels = [a for path, a in jax.tree.leaves_with_path(params) if path[-1] == jax.tree_util.DictKey("kernel")]
    units = {place(a)[-1] for a in kernels}
    last = units.pop() if len(units) == 1 else None

    def places(mesh: AbstractMesh, results: Any) -> Any:
        def fresh(a: Any) -> Place:
            return fitting(mesh, batch, last, a.shape[-1])

        def after(a: Any, given: Any) -> Place:
            return fresh(a) if explicit_mesh_of(given) is None else place(given)

        final, ys = results
        final = jax.tree.map(fresh, final) if carry is None else jax.tree.map(after, final, carry)
        return final, jax.tree.map(lambda a: fitting(mesh, at, last, a.shape[-1]), ys)

    return places


def joined(*places: Place) -> Place:
    """Of several arrays with the same axes: over each axis as the first that lies over a mesh axis."""
    return tuple(next((at for at in axes if at is not None), None) for axes in zip(*places, strict=True))


def fitting(mesh: AbstractMesh, at: Place, last: Any, size: int) -> Place:
    """`at`, and a last axis of `size` over the mesh axis `last`, where it fits: divisible, and not in use."""
    names = last if isinstance(last, tuple) else (last,)
    used = {n for a in at for n in (a if isinstance(a, tuple) else (a,))}
    free = last is not None and used.isdisjoint(names)
    return (*at, last if free and size % math.prod(mesh.shape[n] for n in names) == 0 else None)


def spread_over_devices(tree: Any, like: Any) -> Any:
    """Inside `shard_map` an array made here must vary over the mesh axes of the inputs; outside, nothing changes."""

    def spread(a: Any) -> Any:
        missing = tuple(_varying(like) - _varying(a))
        return lax.pcast(a, missing, to="varying") if missing else a

    return jax.tree.map(spread, tree)


def _varying(a: Any) -> frozenset[str]:
    return jax.typeof(a).manual_axis_type.varying
