"""manifest.json: of which step and version a checkpoint is, and the checksums of all that a resumed run trusts.

Those are the checkpoint's own files; beside them the run's configuration and what it took from its data, as they are;
and metrics.jsonl as far as it went. A file that the manifest does not name is nobody's business.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Any

from jaxrnn.base.package import VERSION
from jaxrnn.train.metrics import METRICS, unreadable_line
from jaxrnn.train.run_files import CONFIG, DATA, checksum, config_digest

MANIFEST = "manifest.json"
FORMAT = 2  # that of version 0.1.0, the first, was a table of files and their checksums


class FormatError(ValueError):
    """A checkpoint of a version that is to come."""


def write_manifest(folder: Path, step: int, run: Path) -> None:
    """Seal a checkpoint.

    Args:
        folder: Where its files are.
        step: Its step.
        run: The run's folder.
    """
    content: dict[str, Any] = {
        "format": FORMAT,
        "jaxrnn": VERSION,
        "step": step,
        "files": {path.name: _sha256(path) for path in sorted(folder.iterdir())},
        "run": {name: found for name, digest in WHOLE.items() if (found := digest(run / name)) is not None},
    }
    if (run / METRICS).exists():
        written = (run / METRICS).read_bytes()
        content["metrics"] = {"bytes": len(written), "lines": written.count(b"\n"), "sha256": _of(written)}
    text = json.dumps(content | {"checksum": checksum(content)}, indent=1)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a checkpoint, checked against its own checksum; that of version 0.1.0 in today's form.

    Raises:
        FormatError: If it is of a later version.
        ValueError: If it is no manifest; the message says why.
    """
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{MANIFEST} cannot be read ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{MANIFEST} is not a table of checksums")
    if "format" not in content:
        if not all(isinstance(checksum, str) for checksum in content.values()):
            raise ValueError(f"{MANIFEST} is not a table of checksums")
        return {"files": content, "run": {}}
    if isinstance(content["format"], int) and content["format"] > FORMAT:
        raise FormatError(
            f"{folder} was written by jaxrnn {content.get('jaxrnn')}, whose checkpoints have format "
            f"{content['format']}; this version ({VERSION}) reads up to {FORMAT}"
        )
    if content.pop("checksum", None) != checksum(content):
        raise ValueError(f"{MANIFEST} was changed since it was written")
    return content


def changed_beside(folder: Path, run: Path) -> Path | None:
    """Which of a run's configuration and data record is there, but is not what a checkpoint vouches for."""
    try:
        vouched = read_manifest(folder)["run"]
    except (FormatError, ValueError):
        return None  # for whoever reads the checkpoint
    there = {name: found for name, found in vouched.items() if name in WHOLE and (run / name).exists()}
    return next((run / name for name, found in there.items() if WHOLE[name](run / name) != found), None)


def damage(folder: Path, step: int, run: Path | None = None, history: bool = True) -> str | None:
    """What is wrong with a checkpoint, or None if all that it says is so, to the last bit.

    Args:
        folder: Where it is.
        step: That of its name.
        run: The run's folder; None to look at the checkpoint alone.
        history: Whether metrics.jsonl counts too.
    """
    try:
        content = read_manifest(folder)
    except FormatError:
        raise
    except ValueError as error:
        return str(error)
    if content.get("step", step) != step:
        return f"it is a copy of step {content['step']}'s"
    missing, changed = _compare(folder, content["files"])
    if missing:
        return f"files are missing: {', '.join(missing)}"
    if changed:
        return f"changed since it was written: {', '.join(changed)}"
    if run is None:
        return None
    for name, expected in content["run"].items():
        if name in WHOLE and WHOLE[name](run / name) != expected:
            return f"{run / name} is not what it was then"
    return history_damage(run / METRICS, content["metrics"]) if history and "metrics" in content else None


def history_damage(path: Path, expected: dict[str, Any]) -> str | None:
    """What is wrong with the lines of metrics.jsonl that there were at a step."""
    try:
        found = path.read_bytes()[: expected["bytes"]]
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    if _of(found) == expected["sha256"]:
        return None
    line, lines, there = unreadable_line(found), expected["lines"], found.count(b"\n")
    if line is not None:
        return f"{path}: line {line} of {lines} is damaged"
    if there < lines:
        return f"{path} has {there} lines of {lines}"
    return f"{path}: one of the first {lines} lines is not what it was then"


def _compare(folder: Path, files: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Of the named files those that are missing, and those whose content is another."""
    missing, changed = [], []
    for name, expected in files.items():
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or not (folder / inside).is_file():
            missing.append(name)
        elif _sha256(folder / inside) != expected:
            changed.append(name)
    return missing, changed


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _whole(path: Path) -> str | None:
    return _sha256(path) if path.is_file() else None


WHOLE = {CONFIG: config_digest, DATA: _whole}
