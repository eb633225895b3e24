"""A state on the disk: one uncompressed .npz, an array a leaf, named by its path."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

ROOT = "state/"  # before each name: NumPy's savez has argument names of its own
# What NumPy and zipfile raise for a damaged file, beside OSError and ValueError.
DAMAGES = (zipfile.BadZipFile, EOFError, KeyError, RuntimeError, NotImplementedError, OverflowError, struct.error)


class StateError(ValueError):
    """A stored state is damaged, or not of the wanted shapes; the message says where it differs first."""


def leaves(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by names such as "state/params/rnn/kernel".

    Raises:
        StateError: If two have one name.
    """
    found: dict[str, Any] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = ROOT + jax.tree_util.keystr(path, simple=True, separator="/")
        if name in found:
            raise StateError(f"two arrays are called {name.removeprefix(ROOT)}: a key has a slash in it")
        found[name] = leaf
    return found


def write_state(path: Path, state: Any) -> None:
    """Write the arrays of a tree."""
    arrays = {name: np.asarray(leaf) for name, leaf in leaves(jax.device_get(state)).items()}
    with path.open("wb") as file:
        # NumPy knows no bfloat16 and its like: their bits are kept, and `read_state` is told what they are.
        stored: dict[str, Any] = {name: bits(array) for name, array in arrays.items()}
        np.savez(file, **stored)


def read_state(path: Path, like: Any) -> Any:
    """The tree of a file, its arrays on the devices.

    Args:
        path: The file.
        like: The tree as `jax.ShapeDtypeStruct`s with shardings.

    Raises:
        StateError: If the file's arrays are not those of `like`, or it is damaged.
    """
    wanted, found = leaves(like), []
    for (name, leaf), array in zip(wanted.items(), _arrays(path, wanted), strict=True):
        check_leaf(name, array.shape, array.dtype, leaf.shape, bits_of(np.dtype(leaf.dtype)))
        found.append(jax.device_put(array.view(leaf.dtype), leaf.sharding))
    return jax.tree.unflatten(jax.tree.structure(like), found)


def _arrays(path: Path, names: Iterable[str]) -> Iterator[np.ndarray]:
    """The arrays of a file that has these and no others, one after the other: never are all of them in memory twice."""
    try:
        # Opened here: NumPy leaves open what it refuses.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            check_names(file.files, names)
            for name in names:
                yield file[name]
    except DAMAGES as error:
        raise StateError(f"it is damaged: {error}") from error


def same(a: Any, b: Any) -> bool:
    """Whether two trees hold the same bits."""
    pairs = zip(jax.tree.leaves(jax.device_get(a)), jax.tree.leaves(jax.device_get(b)), strict=True)
    return all(np.asarray(one).tobytes() == np.asarray(other).tobytes() for one, other in pairs)


def check_names(stored: Iterable[str], wanted: Iterable[str]) -> None:
    """Refuse other arrays than are wanted."""
    for names, text in ((set(wanted) - set(stored), "lacks"), (set(stored) - set(wanted), "has")):
        if names:
            more = f" and {len(names) - 1} more" if names - {min(names)} else ""
            raise StateError(f"it {text} {min(names).removeprefix(ROOT)}{more}")


def check_leaf(name: str, shape: Any, dtype: Any, wanted_shape: Any, wanted_dtype: Any) -> None:
    """Refuse an array of another shape or type than is wanted."""
    if (tuple(shape), np.dtype(dtype)) != (tuple(wanted_shape), np.dtype(wanted_dtype)):
        raise StateError(
            f"{name.removeprefix(ROOT)} is {np.dtype(dtype)}{list(shape)}, wanted is "
            f"{np.dtype(wanted_dtype)}{list(wanted_shape)}"
        )


def bits_of(dtype: np.dtype) -> np.dtype:
    """The dtype that NumPy's files hold in place of one that is not its own."""
    return dtype if dtype.isbuiltin == 1 else np.dtype(f"u{dtype.itemsize}")


def bits(array: np.ndarray) -> np.ndarray:
    """An array as files hold it."""
    return array.view(bits_of(array.dtype))
