"""Checkpoints that survive a kill, a full disk and a flipped bit.

A checkpoint is a folder named by its step, with the arrays (written by Orbax, in the foreground), `progress.json` (what
the host knows) and `manifest.json`, the SHA-256 of every other file. It is written under a temporary name, flushed to
the disk and renamed as the very last act, so a folder with a step's name is whole; the manifest tells when it no longer
is.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import orbax.checkpoint as ocp

MANIFEST = "manifest.json"
PROGRESS = "progress.json"
ARRAYS = "arrays"


class CheckpointError(OSError):
    """A checkpoint could not be written or read; the message says which and what remains."""


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder but the manifest, by its relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _flush(*paths: Path) -> None:
    """Have the operating system write files and folders to the disk."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint's files, or None if every byte is as it was written."""
    try:
        expected = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"{MANIFEST} cannot be read ({type(error).__name__})"
    if not isinstance(expected, dict):
        return f"{MANIFEST} is not a table of checksums"
    found = _hashes(folder)
    if expected.keys() != found.keys():
        names = sorted(set(expected) ^ set(found))
        return f"files missing or unknown to {MANIFEST}: {', '.join(names)}"
    changed = [name for name in found if found[name] != expected[name]]
    return f"changed since it was written: {', '.join(changed)}" if changed else None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


class Checkpoint(NamedTuple):
    """What was saved at a step."""

    step: int
    state: Any  # pytree of arrays
    progress: dict[str, Any]  # as JSON gives it


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: Where they lie; made when missing.
        keep: How many of the newest to keep, beside the best.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder, self._keep = folder.absolute(), keep
        self._orbax = ocp.Checkpointer(ocp.StandardCheckpointHandler())

    def path(self, step: int) -> Path:
        """The folder of a step's checkpoint."""
        return self._folder / f"{step:09d}"

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, good or damaged, in ascending order."""
        return sorted(int(path.name) for path in self._folder.glob("[0-9]*") if path.name.isdigit())

    def save(self, step: int, state: Any, progress: dict[str, Any], best: int | None) -> None:
        """Write the checkpoint of a step, then delete what is neither among the newest nor the best.

        A step that has a checkpoint already keeps it: equal runs save equal states, and nothing is ever overwritten.

        Raises:
            CheckpointError: If it cannot be written (a full disk, for example). Earlier checkpoints are untouched.
        """
        if self.path(step).exists():
            return
        temporary = self._folder / f"tmp-{step}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            temporary.mkdir()
            self._orbax.save(temporary / ARRAYS, state)
            (temporary / PROGRESS).write_text(json.dumps(progress), encoding="utf-8")
            (temporary / MANIFEST).write_text(json.dumps(_hashes(temporary), indent=1), encoding="utf-8")
            _flush(*temporary.rglob("*"), temporary)
            temporary.rename(self.path(step))
            _flush(self._folder)
        except Exception as error:  # Orbax and TensorStore raise many kinds; all of them mean the same here
            shutil.rmtree(temporary, ignore_errors=True)
            kept = ", ".join(str(self.path(s)) for s in self.steps()) or "none"
            raise CheckpointError(
                f"could not write the checkpoint of step {step} to {self._folder}: {_first_line(error)}. "
                f"Is the disk full? Earlier checkpoints are untouched: {kept}"
            ) from error
        for old in self.steps()[: -self._keep]:
            if old != best:
                self._remove(old)

    def newest(self, like: Any, *, set_aside: bool = False) -> Checkpoint | None:
        """The newest undamaged checkpoint, or None if there is none.

        Args:
            like: The state as `jax.ShapeDtypeStruct`s with shardings.
            set_aside: Rename the damaged ones that were passed over, so that they no longer count.
        """
        for step in reversed(self.steps()):
            reason = damage(self.path(step))
            if reason is None:
                return self.read(step, like)
            warnings.warn(f"checkpoint {self.path(step)} is damaged ({reason}) and not used", stacklevel=2)
            if set_aside:
                aside = self._folder / f"damaged-{self.path(step).name}"
                shutil.rmtree(aside, ignore_errors=True)
                self.path(step).rename(aside)
        return None

    def best(self, like: Any) -> Checkpoint | None:
        """The checkpoint with the best validation loss, or the newest good one where there is no (undamaged) best."""
        newest = self.newest(like)
        step = newest and newest.progress["best_step"]
        if newest is None or step is None or step == newest.step:
            return newest
        reason = damage(self.path(step))
        if reason is not None:
            warnings.warn(f"checkpoint {self.path(step)} is damaged ({reason}); using step {newest.step}", stacklevel=2)
            return newest
        return self.read(step, like)

    def read(self, step: int, like: Any) -> Checkpoint:
        """The checkpoint of a step whose files are known to be good."""
        try:
            state = self._orbax.restore(self.path(step) / ARRAYS, like)
        except Exception as error:
            raise CheckpointError(
                f"checkpoint {self.path(step)} does not fit this model: {_first_line(error)}"
            ) from error
        return Checkpoint(step, state, json.loads((self.path(step) / PROGRESS).read_text(encoding="utf-8")))

    def _remove(self, step: int) -> None:
        """Delete a checkpoint: first its name, so that no half of it is ever taken for a whole."""
        gone = self._folder / f"tmp-gone-{step}"
        self.path(step).rename(gone)
        shutil.rmtree(gone)

    def _sweep(self) -> None:
        """Delete what killed runs left half-written or half-deleted."""
        for path in self._folder.glob("tmp-*"):
            shutil.rmtree(path)
