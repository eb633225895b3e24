"""Arrays of a run of several processes: told by the first, spread over the devices of all, fetched to each.

As in `processes`, each call is made by all processes at the same place, and where there is one it is what it would be
without.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

from jaxrnn.train.processes import alone, first


def tell_arrays(tree: Any, like: Any) -> Any:
    """The arrays of the first process on all, as NumPy's, to the bit.

    Args:
        tree: On the first process a tree of arrays; elsewhere anything.
        like: Everywhere the tree's structure, shapes and dtypes.
    """
    if alone():
        return jax.device_get(tree)
    given = jax.tree.leaves(tree) if first() else [None] * len(jax.tree.leaves(like))

    def told(leaf: Any, shape: Any) -> np.ndarray:
        dtype = np.dtype(shape.dtype)
        size = dtype.itemsize * int(np.prod(shape.shape, dtype=np.int64))
        # As bytes: a sum with zeros would lose the sign of a zero, and what a NaN holds.
        raw = np.zeros(size, np.uint8) if leaf is None else np.frombuffer(np.asarray(leaf).tobytes(), np.uint8)
        found = np.asarray(multihost_utils.broadcast_one_to_all(raw)) if size else raw
        return np.frombuffer(found.tobytes(), dtype).reshape(shape.shape)

    shapes, structure = jax.tree.flatten(like)
    return jax.tree.unflatten(structure, [told(leaf, shape) for leaf, shape in zip(given, shapes, strict=True)])


def spread(tree: Any, shardings: Any) -> Any:
    """Host arrays, equal on all processes, as arrays over the devices of all: each process puts its own part there.

    `shardings` is one for all leaves, or a tree of them.
    """
    if alone():
        return jax.device_put(tree, shardings)

    def put(leaf: Any, sharding: Any) -> jax.Array:
        array = fetched(leaf)
        array = array.astype(jax.dtypes.canonicalize_dtype(array.dtype), copy=False)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    if isinstance(shardings, jax.sharding.Sharding):
        return jax.tree.map(lambda leaf: put(leaf, shardings), tree)
    return jax.tree.map(put, tree, shardings)


def whole(tree: Any) -> Any:
    """Arrays over the devices of all processes as NumPy's on each."""
    return jax.tree.map(fetched, tree)


def fetched(array: Any) -> np.ndarray:
    """One array, whole, on the host; where its rows lie on several processes, every one of these has to ask."""
    if isinstance(array, jax.Array) and not (array.is_fully_addressable or array.is_fully_replicated):
        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
    return np.asarray(array)


def here(like: Any) -> Any:
    """The forms of arrays, to be read by this process alone: into the host's memory, where JAX has a CPU device."""
    try:
        device = jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        device = jax.local_devices()[0]
    lie = SingleDeviceSharding(device)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=lie), like)


def asked_to_stop(mesh: Mesh, signal: int) -> jax.Array:
    """The signal that asked this process to stop, or 0, for the next step to tell all of them."""
    mine = np.full(mesh.devices.shape, signal, np.int32)
    lie = NamedSharding(mesh, PartitionSpec(*mesh.axis_names))
    return jax.make_array_from_callback(mine.shape, lie, lambda index: mine[index])


def strongest(asked: jax.Array) -> jax.Array:
    """The signal that counts, of all that came: SIGTERM before Ctrl-C; 0 where none did."""
    return jnp.max(asked)
