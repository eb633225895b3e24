"""Where parameters lie on a mesh: units over one axis, and stored in parts over another."""

from __future__ import annotations

from math import prod
from typing import Any

import jax
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec

from jaxrnn.base.errors import Said, fail
from jaxrnn.core.layer import Layer, check_params
from jaxrnn.core.parameter import Held, Parameter
from jaxrnn.functions.by_name import path_of


def shardings(
    params: Any,
    mesh: Mesh | AbstractMesh,
    layer: Layer | None = None,
    *,
    units: str | None = None,
    fsdp: str | None = None,
) -> Any:
    """Where each parameter lies on a mesh, as `jax.device_put` and `jax.jit` take it.

    Units of all layers are split over the mesh axis `units`, gates never: of an array `[D, G, H]` the axis H, of a
    kernel in heads the axis of heads. Then a step of a dense layer gathers h once, and sums once on its way back; of a
    layer in heads it does neither. What does not divide lies whole on each device.

    With `fsdp` each array is stored in parts over that axis too (Rajbhandari et al., ZeRO, SC 2020), along the longest
    of its axes that divides. It has to be gathered before time begins, else every step gathers it:

        whole = jaxrnn.shardings(params, mesh, layer, units="model")
        loss(jax.lax.with_sharding_constraint(params, whole))

    Args:
        params: arrays by name, or their shapes: of jaxrnn's layers, of whole Flax models around them; without `layer`
            of an optimizer, too.
        mesh: with the axes that are named.
        layer: the layer that `params` are of. Without it each array is split along its last axis, but for kernels in
            heads and of low rank, which are known by what lies beside them.
        units: the mesh axis that units, or heads, are split over; None: they are whole.
        fsdp: the mesh axis over which parameters are stored in parts; None: they are whole there.

    Returns:
        The tree with a `NamedSharding` in place of each array.

    Raises:
        TypeError, ValueError: the mesh has no such axis, or `params` do not fit `layer`.

    >>> import jax, jaxrnn
    >>> mesh = jax.make_mesh((2, 4), ("data", "model"))
    >>> layer = jaxrnn.lstm(8, recurrent=jaxrnn.heads(4))
    >>> params = jax.eval_shape(lambda: layer.init(jax.random.key(0), inputs=6))
    >>> {name: s.spec for name, s in jaxrnn.shardings(params, mesh, layer, units="model", fsdp="data").items()}
    {'bias': P('data', 'model'), 'kernel': P('data', None, 'model'), 'recurrent_kernel': P('model', None, 'data', None)}
    """
    if not isinstance(mesh, (Mesh, AbstractMesh)):
        fail("mesh", "a mesh of devices, as `jax.make_mesh` makes it", mesh, kind=TypeError)
    for name, axis in (("units", units), ("fsdp", fsdp)):
        if axis is not None and not (isinstance(axis, str) and axis in mesh.axis_names):
            fail(name, f"one of the mesh's axes {mesh.axis_names}, or None", axis)
    if units is not None and units == fsdp:
        fail("fsdp", "another axis than `units`", fsdp)
    if layer is None:
        where = _known_by_shape(params)
    else:
        if not isinstance(layer, Layer):
            fail("layer", "a jaxrnn Layer, or None", layer, kind=TypeError)
        where = jax.tree_util.tree_map_with_path(_as_declared, _declared(layer, params))

    def lay(keys: Any, array: Any, axis: int) -> NamedSharding:
        if not hasattr(array, "shape"):
            fail(f"params{jax.tree_util.keystr(keys)}", "an array, or its shape", array, kind=TypeError)
        at: list[tuple[str, ...]] = [()] * len(array.shape)
        _split(mesh, at, array.shape, units, [axis] if at and axis is not WHOLE else [])
        longest_first = sorted(
            range(len(at)), key=lambda i: (len(at[i]), -array.shape[i])
        )  # those that are whole first
        _split(mesh, at, array.shape, fsdp, longest_first)
        return NamedSharding(mesh, PartitionSpec(*(names or None for names in at)))

    return jax.tree_util.tree_map_with_path(lay, params, where)


def _declared(layer: Layer, params: Any) -> Any:
    """What the layer declares, if `params` are arrays of these shapes, or nothing but the shapes."""
    concrete = not any(isinstance(a, jax.ShapeDtypeStruct) for a in jax.tree.leaves(params))
    if concrete:
        check_params(layer, params)
    declared = layer.declare(layer.input_size(params))
    wanted, got = (jax.tree.map(lambda a: tuple(a.shape), tree) for tree in (declared, params))
    if wanted != got:
        fail("params", f"the shapes {wanted} of {layer!r}", Said(str(got)))
    return declared


WHOLE = 2**31  # no axis: None would be no leaf


def _split(mesh: Any, at: list[tuple[str, ...]], shape: tuple[int, ...], name: str | None, axes: list[int]) -> None:
    """Lay the first of the axes that divides over the mesh axis of that name, beside those over which it lies."""
    for axis in axes:
        names = (*at[axis], *(() if name is None else (name,)))
        if shape[axis] % prod(mesh.shape[n] for n in names) == 0:
            at[axis] = names
            return


def _known_by_shape(params: Any) -> Any:
    """The axis of units of arrays whose layer is not given: the last, but for what shapes and names side by side tell.

    A kernel in heads, `[N, R/N, G, H/N]`, has N times its columns in bias or other kernel; what leads down to a low
    rank, `[R, K]`, has no units.
    """
    leaves, tree = jax.tree_util.tree_flatten_with_path(params)
    paths = [tuple(map(str, path_of(keys))) for keys, _ in leaves]
    beside: dict[tuple[str, ...], dict[str, tuple[int, ...]]] = {}
    for path, (_, array) in zip(paths, leaves, strict=True):
        beside.setdefault(path[:-1], {})["".join(path[-1:])] = tuple(getattr(array, "shape", ()))

    def axis(path: tuple[str, ...]) -> int:
        shapes, name = beside[path[:-1]], "".join(path[-1:])
        shape = shapes[name]
        if "_down" in name and name.replace("_down", "_up") in shapes:
            return WHOLE
        if "kernel" in name and len(shape) >= 4 and shape[-4] > 1:
            units = shape[-4] * shape[-1]
            if any(other[-1] == units for n, other in shapes.items() if other and n.endswith(("kernel", "bias"))):
                return len(shape) - 4  # axes before these are of what is stacked, such as seeds
        return -1

    return jax.tree.unflatten(tree, map(axis, paths))


def _as_declared(keys: Any, declared: Parameter) -> int:
    if not isinstance(declared, Held) or declared.held is None:
        return -1
    index = declared.held.names.index(str(path_of(keys)[-1]).removeprefix(declared.kernel))
    axis = declared.held.units_axis(index)
    return WHOLE if axis is None else axis
