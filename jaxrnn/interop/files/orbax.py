"""Orbax checkpoints of Flax models: a folder, read without knowing its tree. What its record declares is checked before
any array is read; Orbax's own store compares checksums of its index, not of the numbers."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from jaxrnn.interop.files.rules import check_together, json_of
from jaxrnn.interop.source import Entry, Source, from_mapping


@contextlib.contextmanager
def reader(path: Path) -> Iterator[Source]:
    """The arrays of a checkpoint."""
    import orbax.checkpoint as ocp

    for name in ("_METADATA", "_CHECKPOINT_METADATA", "_sharding"):
        if (path / name).is_file():
            json_of((path / name).read_bytes(), name)
    with ocp.StandardCheckpointer() as checkpointer:
        item = checkpointer.metadata(path.resolve()).item_metadata
        declared = [leaf for leaf in jax.tree.leaves(item.tree) if hasattr(leaf, "shape")]
        check_together((Entry("", tuple(d.shape), np.dtype(d.dtype), lambda: None) for d in declared), path)
        yield _variables(from_mapping(checkpointer.restore(path.resolve()), path.name))


def _variables(source: Source) -> Source:
    """The variables of an `nnx.state`, whose arrays stand by themselves below `value`."""
    below = Counter(entry.name.rpartition("/")[0] for entry in source.entries)
    heads = {head for entry in source.entries if (head := entry.name.removesuffix("/value")) != entry.name}
    alone = {head for head in heads if below[head] == 1}
    entries = (e._replace(name=h) if (h := e.name.removesuffix("/value")) in alone else e for e in source.entries)
    return source._replace(entries=tuple(entries))
