"""Orbax checkpoints of Flax models: a folder, read without knowing its tree."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jaxrnn.interop.source import Source, from_mapping


@contextlib.contextmanager
def reader(path: Path, prefix: str) -> Iterator[Source]:
    """The arrays of a checkpoint."""
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as checkpointer:
        yield from_mapping(checkpointer.restore(path.resolve()), path.name)
