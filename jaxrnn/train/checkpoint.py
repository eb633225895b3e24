"""Checkpoints that survive a kill, a full disk and a flipped bit.

A checkpoint is a folder named by its step, with the arrays, `progress.json` (what the host knows) and `manifest.json`
(see `jaxrnn.train.manifest`). It is written under a random name, read back, flushed to the disk and renamed as the very
last act, so a folder with a step's name is whole; the manifest tells when it no longer is.
"""

from __future__ import annotations

import json
import re
import shutil
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxrnn.base.checks import check_flag, check_size
from jaxrnn.base.dtypes import is_numeric
from jaxrnn.base.errors import fail
from jaxrnn.base.files import WriteError, appearing, remove, sweep
from jaxrnn.train.first_format import read_orbax
from jaxrnn.train.manifest import FormatError, changed_beside, damage, read_manifest, write_manifest
from jaxrnn.train.options import check_whole
from jaxrnn.train.state_file import StateError, read_state, same, write_state

PROGRESS = "progress.json"
STATE = "state.npz"
STEP = re.compile("[0-9]{9,}")


class CheckpointError(OSError):
    """A checkpoint could not be written or read; the message says which and what remains."""


class Checkpoint(NamedTuple):
    """What was saved at a step."""

    step: int
    state: Any  # pytree of arrays
    progress: dict[str, Any]  # as JSON gives it


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: Where they lie; made when missing. The folder that it is in is the run's, and is vouched for too.
        keep: How many of the newest to keep, beside the best.

    >>> import jax
    >>> from pathlib import Path
    >>> from jaxrnn.train import Checkpoints
    >>> import tempfile
    >>> checkpoints = Checkpoints(Path(tempfile.mkdtemp()) / "run/checkpoints", keep=2)
    >>> for step in (10, 20, 30):
    ...     checkpoints.save(step, {"w": jax.numpy.arange(3)}, {"step": step}, best=10)
    >>> checkpoints.steps()  # the best one, and the newest two
    [10, 20, 30]
    """

    def __init__(self, folder: Path | str, keep: int) -> None:
        if not isinstance(folder, (str, Path)):
            fail("folder", "a path", folder, kind=TypeError)
        self._folder, self._keep = Path(folder).absolute(), check_size(keep, "keep")
        self._run = self._folder.parent

    def path(self, step: int) -> Path:
        """The folder of a step's checkpoint."""
        return self._folder / f"{check_whole(step, 'step', 0):09d}"

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, good or damaged, in ascending order."""
        found = self._folder.iterdir() if self._folder.is_dir() else ()
        return sorted(
            int(path.name)
            for path in found
            if STEP.fullmatch(path.name) and path == self.path(int(path.name)) and path.is_dir()
        )

    def save(self, step: int, state: Any, progress: dict[str, Any], best: int | None) -> None:
        """Write the checkpoint of a step, then delete what is neither among the newest nor the best.

        A step that has a checkpoint already keeps it: equal runs save equal states, and nothing is ever overwritten.

        Raises:
            CheckpointError: If it cannot be written (a full disk, for example). Earlier checkpoints are untouched.
            TypeError, ValueError: If an argument is no step, no arrays of JAX, or nothing that JSON holds.
        """
        step = check_whole(step, "step", 0)
        best = None if best is None else check_whole(best, "best", 0)
        _check_arrays(state, "state", jax.Array)
        _check_json(progress)
        if self.path(step).exists():
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            sweep(self._folder)
            with appearing(self.path(step)) as folder:
                write_state(folder / STATE, state)
                (folder / PROGRESS).write_text(json.dumps(progress), encoding="utf-8")
                write_manifest(folder, step, self._run)
                self._read_back(folder, step, state, progress)
            for old in self.steps()[: -self._keep]:
                if old != best:
                    remove(self.path(old))
        except (OSError, ValueError) as error:
            cause = error.__cause__ if isinstance(error, WriteError) else error  # without its own sentence
            reason = getattr(cause, "strerror", None) or cause
            kept = ", ".join(str(self.path(s)) for s in self.steps()) or "none"
            raise CheckpointError(
                f"could not write the checkpoint of step {step} to {self._folder}: {reason}. "
                f"{self._room()}Earlier checkpoints are untouched: {kept}"
            ) from error

    def newest(self, like: Any, *, set_aside: bool = False) -> Checkpoint | None:
        """The newest undamaged checkpoint, or None where there is no checkpoint at all.

        Args:
            like: The state as `jax.ShapeDtypeStruct`s with shardings.
            set_aside: The run goes on from here: its history counts too, and damaged checkpoints that were passed over
                are renamed, so that they no longer count.

        Raises:
            CheckpointError: If there are some and none is good, or the good one does not fit `like`.
        """
        check_flag(set_aside, "set_aside")
        _check_arrays(like, "like", jax.Array, jax.ShapeDtypeStruct)
        passed: dict[int, str] = {}
        for step in reversed(self.steps()):
            found = self._open(step, like, history=set_aside)
            if isinstance(found, Checkpoint):
                for other, reason in passed.items():
                    warnings.warn(f"checkpoint {self.path(other)} is damaged ({reason}) and not used", stacklevel=2)
                    if set_aside:
                        self._set_aside(other)
                return found
            if self.path(step).exists():  # else it was a running training's, which has deleted it meanwhile
                passed[step] = found
        if not passed:
            return None
        raise CheckpointError(
            f"{self._run} cannot be used: none of its {len(passed)} checkpoints is whole. "
            + "; ".join(f"{self.path(step).name}: {reason}" for step, reason in passed.items())
            + ". Nothing was touched. Put back from a copy what was damaged; or, to start over, delete that folder or "
            "choose another by --run"
        )

    def best(self, like: Any) -> Checkpoint | None:
        """The checkpoint with the best validation, or the newest good one where there is no (undamaged) best."""
        newest = self.newest(like)
        step = newest and newest.progress["best_step"]
        if newest is None or step is None or step == newest.step:
            return newest
        found = self._open(step, like, history=False)
        if isinstance(found, Checkpoint):
            return found
        warnings.warn(f"checkpoint {self.path(step)} is damaged ({found}); using step {newest.step}", stacklevel=2)
        return newest

    def read(self, step: int, like: Any) -> Checkpoint:
        """The checkpoint of a step whose files are known to be good.

        Raises:
            CheckpointError: If it does not fit `like`.
            ValueError: If there is none of that step.
        """
        _check_arrays(like, "like", jax.Array, jax.ShapeDtypeStruct)
        if not self.path(step).is_dir():
            fail("step", f"one that has a checkpoint in {self._folder}", step)
        step = int(step)
        return self._read(self.path(step), step, like)

    def check_beside(self) -> None:
        """See to it that configuration and data record are those of the newest checkpoint.

        Raises:
            CheckpointError: If one is not; the message names it.
        """
        for step in self.steps()[-1:]:
            changed = changed_beside(self.path(step), self._run)
            if changed:
                raise CheckpointError(
                    f"{changed} is not what it was when step {step} was saved. Put it back from a copy"
                )

    def history(self, step: int) -> int | None:
        """How many bytes of metrics.jsonl are of steps up to a good checkpoint's; None where it does not say."""
        return read_manifest(self.path(step)).get("metrics", {}).get("bytes")

    def _open(self, step: int, like: Any, history: bool) -> Checkpoint | str:
        """The checkpoint of a step, or what is wrong with it."""
        folder = self.path(step)
        try:
            reason = damage(folder, step, self._run, history)
            if reason is not None:
                return reason
            found = self._read(folder, step, like)
        except CheckpointError:
            raise
        except FormatError as error:
            raise CheckpointError(str(error)) from None
        except OSError as error:
            return f"it cannot be read ({error.strerror or error})"
        held = int(getattr(found.state, "step", step))  # the first version's manifest has no step
        return found if held == step else f"it is a copy of step {held}'s"

    def _read(self, folder: Path, step: int, like: Any) -> Checkpoint:
        """The checkpoint in a folder whose files are known to be good."""
        files = read_manifest(folder)["files"]
        try:
            state = read_state(folder / STATE, like) if STATE in files else read_orbax(folder, files, like)
        except StateError as error:
            raise CheckpointError(f"checkpoint {folder} does not fit this model: {error}") from None
        return Checkpoint(step, state, json.loads((folder / PROGRESS).read_text(encoding="utf-8")))

    def _read_back(self, folder: Path, step: int, state: Any, progress: dict[str, Any]) -> None:
        """A checkpoint is good when it has been read back: what lies on the disk is what there was in memory."""
        like = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), state)
        reason = damage(folder, step, self._run)
        found = None if reason else self._read(folder, step, like)
        if found is None or found.progress != json.loads(json.dumps(progress)) or not same(found.state, state):
            raise ValueError(f"what was read back is not what was written ({reason or 'other values'})")

    def _set_aside(self, step: int) -> None:
        aside = self._folder / f"damaged-{self.path(step).name}"
        if aside.exists():
            shutil.rmtree(aside)
        self.path(step).rename(aside)

    def _room(self) -> str:
        """A word about the disk where that may be the reason."""
        try:
            free = shutil.disk_usage(self._run).free
        except OSError:
            return ""
        return f"Is the disk full ({free / 2**20:,.0f} MiB are free)? "


def _check_arrays(tree: Any, argument: str, *kinds: Any) -> None:
    """A tree of arrays, or of their forms, one or more."""
    found = jax.tree_util.tree_leaves_with_path(tree)
    if not found:
        fail(argument, "a tree with arrays in it", tree, kind=TypeError)
    for path, leaf in found:
        if not isinstance(leaf, kinds) or not is_numeric(leaf.dtype):
            fail(argument + jax.tree_util.keystr(path), "an array of JAX, of numbers", leaf, kind=TypeError)


def _check_json(progress: Any) -> None:
    expected = "a dict that JSON can hold"
    if not isinstance(progress, dict):
        fail("progress", expected, progress, kind=TypeError)
    try:
        json.dumps(progress)
    except (TypeError, ValueError, RecursionError):
        fail("progress", expected, progress, kind=TypeError)
