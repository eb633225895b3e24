"""A run's folder, opened: new or to be gone on with, for the options and the data that it began with."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import yaml

from jaxrnn.base.files import write_text
from jaxrnn.train.checkpoint import Checkpoints
from jaxrnn.train.config import Experiment, read_yaml
from jaxrnn.train.lock import HOLDER, LOCK
from jaxrnn.train.run_files import (
    CHECKPOINTS,
    CONFIG,
    RESULT,
    DataRecord,
    RunError,
    other_data,
    read_data,
    record_data,
    since_0_1_0,
    write_data,
)
from jaxrnn.train.start import started_from


def open_folder(folder: Path, experiment: Experiment, resume: bool) -> None:
    """Check that a folder may be used for an experiment: there is nothing in it, or a run of that experiment to resume.

    Raises:
        RunError: If the folder is not empty and `resume` is not asked for, or if its experiment is another one.
        CheckpointError: If a file that its checkpoints vouch for is damaged.
    """
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file: choose another folder by --run")
    if not folder.exists() or not any(path.name not in (LOCK, HOLDER) and _counts(path) for path in folder.iterdir()):
        return
    if not resume:
        raise RunError(
            f"{folder} is not empty: go on with its run by --resume, choose another folder by --run, or delete it"
        )
    path = folder / CONFIG
    if not path.exists():
        if (folder / CHECKPOINTS).exists():
            raise RunError(f"{folder} has checkpoints but no {CONFIG}: put it back from a copy")
        return
    Checkpoints(folder / CHECKPOINTS, 1).check_beside()
    stored, wanted = read_yaml(path), plain(experiment)
    if since_0_1_0(folder):
        stored["data"] |= since_0_1_0(folder)
    for options in (stored, wanted):
        options.pop("mesh", None)  # a run may go on on other devices
    # Where the data lies may change; what it is may not.
    where = wanted["data"]["path"] if "path" in wanted.get("data", {}) else None
    if where is not None and isinstance(stored.get("data"), dict):
        stored["data"]["path"] = where
    changed = sorted(_differences(wanted, _completed(stored, experiment)))
    if changed:
        raise RunError(
            f"{folder} holds a run with other options ({CONFIG}): {'; '.join(changed)}. "
            "A resumed run keeps its options; start a new one with --run FOLDER"
        )


def _counts(path: Path) -> bool:
    """Whether something is more than what file managers and killed processes leave behind."""
    return not path.name.startswith(".")


def plain(experiment: Experiment) -> dict[str, Any]:
    """Its options as they are read again: a tuple is a list then."""
    return yaml.safe_load(yaml.safe_dump(experiment.as_dict(), sort_keys=False))


def _completed(stored: dict[str, Any], experiment: Experiment) -> dict[str, Any]:
    """A stored configuration with the options that there were not yet, when its run began, as they are by default."""
    sections = {name: part for name, part in experiment.sections().items() if isinstance(stored.get(name), dict)}
    with contextlib.suppress(ValueError, TypeError):  # one that is no longer there is a difference
        made = {name: dataclasses.asdict(type(part)(**stored[name])) for name, part in sections.items()}
        return stored | yaml.safe_load(yaml.safe_dump(made))
    return stored


def begin(folder: Path, experiment: Experiment, record: DataRecord | None) -> DataRecord:
    """What the run of a locked folder took from its data, now (`record`) or when it began.

    Raises:
        RunError: If the run began with other data.
        ValueError: If the data cannot be read.
    """
    if not (folder / CONFIG).exists() or since_0_1_0(folder):
        write_text(folder / CONFIG, yaml.safe_dump(experiment.as_dict(), sort_keys=False))
    stored = read_data(folder)
    if stored is None:  # a new run, or one of version 0.1.0
        stored = (record or record_data(experiment.task))._replace(start=started_from(folder))
        write_data(folder, stored)
    elif not (folder / RESULT).exists():  # a finished run needs its data no more
        changed = other_data(experiment.task, stored)
        if changed:
            path = getattr(getattr(experiment.task, "data", None), "path", "") or "the package"
            raise RunError(
                f"{folder} began with other data: what lies in {path} now differs in {', '.join(changed)}. "
                "Give that run its data by --data.path, or start another by --run"
            )
    return stored


def _differences(wanted: dict[str, Any], stored: dict[str, Any], prefix: str = "") -> list[str]:
    """'key: stored ..., wanted ...' for every key in which two configurations differ."""
    found = []
    for key in wanted.keys() | stored.keys():
        a, b = wanted.get(key), stored.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key} was {b!r}, now {a!r}")
    return found
