"""What a run keeps beside its checkpoints: its configuration, and what it took from its data.

data.json holds a digest of each part of the data, by which other data are told, and what the model learned from the
training data before the first step (vocabularies, means), so that a trained model needs them no more. It names the
model whose parameters the run began with, if there is one: these lie in files of their own, which may get lost.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxrnn.base.files import write_text
from jaxrnn.train.config import ConfigError, Experiment, read_yaml
from jaxrnn.train.task import DataTask, Task

CONFIG = "config.yaml"
DATA = "data.json"
CHECKPOINTS = "checkpoints"
RESULT = "result.json"


class RunError(ValueError):
    """A run's folder cannot be used as asked; the message says what to do."""


class DataRecord(NamedTuple):
    """What a run took from its data."""

    digests: dict[str, str]  # SHA-256 of "training" and of the held-out splits; none where data are drawn, not read
    learned: dict[str, Any]  # as JSON holds it
    start: str | None = None  # whose parameters the run began with; None: fresh ones, or an earlier version wrote it


def record_data(task: Task) -> DataRecord:
    """Read a task's data for their record.

    Raises:
        ValueError: If they cannot be read.
    """
    if not isinstance(task, DataTask):
        task.batches()
        return DataRecord({}, {})
    digests = {split: digest(task.contents(split)) for split in ("training", *task.splits)}
    task.batches()
    return DataRecord(digests, task.learn())


def write_data(folder: Path, record: DataRecord) -> None:
    """Keep a record in a run's folder."""
    content = {name: value for name, value in record._asdict().items() if value is not None}
    write_text(folder / DATA, json.dumps(content) + "\n")


def read_data(folder: Path) -> DataRecord | None:
    """The record in a run's folder; None where there is none, as in runs of version 0.1.0.

    Raises:
        RunError: If it cannot be read.
    """
    path = folder / DATA
    if not path.exists():
        return None
    try:
        record = DataRecord(**json.loads(path.read_text(encoding="utf-8")))
        if not (isinstance(record.digests, dict) and isinstance(record.learned, dict)):
            raise TypeError("not two tables")
        if not (record.start is None or isinstance(record.start, str)):
            raise TypeError("no name of a run")
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{path} cannot be read ({error}): put it back from a copy") from error
    return record


def since_0_1_0(folder: Path) -> dict[str, str]:
    """Options below `data` of a run of version 0.1.0 that have other names today: another text ships by that one."""
    if (folder / DATA).exists() or not (folder / CHECKPOINTS).is_dir():
        return {}
    data = read_yaml(folder / CONFIG).get("data")
    return {"set": "tinyshakespeare"} if isinstance(data, dict) and data.get("set") == "shakespeare" else {}


def config_overrides(folder: Path) -> list[str]:
    """Overrides with which a run's configuration is read."""
    return [f"--data.{name}={value}" for name, value in since_0_1_0(folder).items()]


def with_record(experiment: Experiment, record: DataRecord | None) -> Experiment:
    """An experiment whose model is made by what a run took from its data, and not by what lies there now."""
    if record is None or not record.learned:
        return experiment
    task: Any = experiment.task
    return dataclasses.replace(experiment, task=dataclasses.replace(task, learned=json.dumps(record.learned)))


def other_data(task: Task, record: DataRecord | None, splits: tuple[str, ...] | None = None) -> list[str]:
    """The splits ("training", and what is held out) whose data are not those that a run began with."""
    if record is None or not isinstance(task, DataTask):
        return []
    return [split for split in splits or record.digests if digest(task.contents(split)) != record.digests.get(split)]


def digest(content: Any) -> str:
    """SHA-256 of strings, numbers and arrays in lists, tuples and dicts, however deep.

    >>> digest(["a", np.arange(3)]) == digest(("a", np.arange(3))), digest(["a", "b"]) == digest(["ab"])
    (True, False)
    """
    found = hashlib.sha256()
    _feed(found, content)
    return found.hexdigest()


def _feed(found: Any, content: Any) -> None:
    """Each part with its kind and size, so that no two contents give the same bytes."""
    if isinstance(content, np.ndarray):
        found.update(f"array {content.dtype.str} {content.shape};".encode())
        found.update(np.ascontiguousarray(content).data if content.size else b"")
    elif isinstance(content, np.generic):
        _feed(found, content.item())
    elif isinstance(content, dict):
        found.update(b"dict")
        _feed(found, [part for pair in content.items() for part in pair])
    else:
        try:
            text = json.dumps(content).encode()
            found.update(b"text %d;" % len(text) + text)
        except TypeError:  # arrays in it
            found.update(b"list %d;" % len(content))
            for part in content:
                _feed(found, part)


def checksum(content: dict[str, Any]) -> str:
    """SHA-256 of what a JSON file of ours holds beside it, under "checksum"."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def config_digest(path: Path) -> str | None:
    """Of a run's configuration, wherever its data lie now; None where it cannot be read."""
    try:
        content = read_yaml(path)
    except ConfigError:
        return None
    if isinstance(content.get("data"), dict):
        content["data"].pop("path", None)
    return digest(json.dumps(content, sort_keys=True))
