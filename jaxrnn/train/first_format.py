"""States as version 0.1.0 wrote them: a folder of Orbax's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax

from jaxrnn.train.state_file import check_leaf, check_names, leaves

ARRAYS = "arrays"


def read_orbax(folder: Path, names: Iterable[str], like: Any) -> Any:
    """The tree in a checkpoint's folder `arrays`, made of those files alone that the manifest names.

    Args:
        folder: The checkpoint.
        names: Its files, relative to it.
        like: The tree as `jax.ShapeDtypeStruct`s with shardings.

    Raises:
        StateError: If the file's arrays are not those of `like`.
    """
    import orbax.checkpoint as ocp

    # Orbax finds its parts by glob: under a name without brackets, and with no stranger's files beside them, it can.
    with tempfile.TemporaryDirectory(prefix="jaxrnn-") as safe:
        for name in names:
            link = Path(safe, name)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((folder / name).resolve())
        arrays, orbax = Path(safe, ARRAYS), ocp.Checkpointer(ocp.StandardCheckpointHandler())
        # What doesn't fit is said here: Orbax's own refusal leaves tracebacks of its threads behind.
        stored, wanted = leaves(orbax.metadata(arrays).item_metadata.tree), leaves(like)
        check_names(stored, wanted)
        for name, leaf in wanted.items():
            check_leaf(name, stored[name].shape, stored[name].dtype, leaf.shape, leaf.dtype)
        return jax.block_until_ready(orbax.restore(arrays, like))
