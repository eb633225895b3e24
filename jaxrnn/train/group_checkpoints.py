"""The checkpoints of a run of several processes: the first reads and writes them, all have what they hold.

A file system that all of them see is not needed, and a run may go on with another number of processes: a checkpoint
knows nothing of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax

from jaxrnn.train.checkpoint import Checkpoint, Checkpoints
from jaxrnn.train.group_arrays import here, spread, tell_arrays, whole
from jaxrnn.train.processes import alone, on_first, tell


class GroupCheckpoints(Checkpoints):
    """`Checkpoints` that every process of a run calls at the same place. See there."""

    def save(self, step: int, state: Any, progress: dict[str, Any], best: int | None) -> None:
        """Gather a state from all, and write it; whatever goes wrong there is raised everywhere."""
        found = whole(state)  # by all, whose parts they are
        save = super().save
        on_first(lambda: save(step, jax.tree.map(_there, found, here(state)), progress, best))

    def newest(self, like: Any, *, set_aside: bool = False) -> Checkpoint | None:
        """The newest undamaged checkpoint, its arrays over the devices of all."""
        newest = super().newest
        return self._told(on_first(lambda: newest(here(like), set_aside=set_aside)), like)

    def history(self, step: int) -> int | None:
        """See there."""
        history = super().history
        return tell(on_first(lambda: history(step)))

    def _told(self, found: Checkpoint | None, like: Any) -> Checkpoint | None:
        about: Any = tell(None if found is None else [found.step, found.progress])
        if about is None:
            return None
        state = tell_arrays(found.state if found else None, like)
        return Checkpoint(about[0], spread(state, jax.tree.map(lambda leaf: leaf.sharding, like)), about[1])


def _there(array: Any, like: Any) -> jax.Array:
    return jax.device_put(array, like.sharding)


def open_checkpoints(folder: Path, keep: int) -> Checkpoints:
    """The checkpoints of a run, of one process or of several."""
    return Checkpoints(folder, keep) if alone() else GroupCheckpoints(folder, keep)
