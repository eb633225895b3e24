"""A run from start to finish in its folder: new or resumed, trained, drawn, sampled, and its result written down."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import yaml
from rich.console import Console

import jaxrnn
from jaxrnn.files import write_text
from jaxrnn.train.averaging import averaged
from jaxrnn.train.checkpoint import Checkpoints
from jaxrnn.train.config import Experiment
from jaxrnn.train.loop import Progress, abstract_state, fit
from jaxrnn.train.metrics import read_metrics
from jaxrnn.train.plots import learning_curve
from jaxrnn.train.signals import StopRequest
from jaxrnn.train.step import make_mesh
from jaxrnn.train.task import Params

CONFIG = "config.yaml"
RESULT = "result.json"


class RunError(ValueError):
    """A run's folder cannot be used as asked; the message says what to do."""


def open_folder(folder: Path, experiment: Experiment, resume: bool) -> None:
    """Make a new run's folder, or check that an old one is of the same experiment.

    Raises:
        RunError: If the folder is not empty and `resume` is not asked for, or if its experiment is another one.
        ValueError: If the data of a new run cannot be read.
    """
    text = yaml.safe_dump(experiment.as_dict(), sort_keys=False)
    wanted = yaml.safe_load(text)  # as it is read again: a tuple is a list then
    path = folder / CONFIG
    if folder.exists() and any(folder.iterdir()):
        if not resume:
            raise RunError(
                f"{folder} is not empty: go on with its run by --resume, choose another folder by --run, or delete it"
            )
        if path.exists():
            stored = yaml.safe_load(path.read_text(encoding="utf-8"))
            stored.get("data", {}).update({"path": wanted["data"]["path"]} if "path" in wanted.get("data", {}) else {})
            changed = sorted(_differences(wanted, stored))  # where the data lies may change, what it is may not
            if changed:
                raise RunError(
                    f"{folder} holds a run with other options: {'; '.join(changed)}. "
                    "A resumed run keeps its options; start a new one with --run FOLDER"
                )
            return
        if (folder / "checkpoints").exists():
            raise RunError(f"{folder} has checkpoints but no {CONFIG}: it cannot be resumed")
    # Before anything is written: a wrong path or size leaves no folder that is in the way next time.
    experiment.task.batches()
    jax.eval_shape(experiment.task.init, jax.random.key(0))
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


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


def run(experiment: Experiment, folder: Path, resume: bool, stop: StopRequest) -> int:
    """Train an experiment in a folder, then draw and sample; the exit code of the command."""
    open_folder(folder, experiment, resume)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    step, progress = fit(experiment, folder, console, stop)
    if progress.finished is None:
        console.print(f"stopped at step {step}, saved in {folder}; go on by the same command with --resume")
        return stop.exit_code
    best = "no finite validation loss"
    if progress.best_loss is not None:
        best = f"best validation loss {progress.best_loss:.4f} at step {progress.best_step}"
    if (folder / RESULT).exists():
        console.print(f"{folder} is finished: {progress.finished} at step {step}, {best}. There is nothing to resume")
        return 0
    console.print(f"finished at step {step} after {progress.seconds:.0f} s: {progress.finished}, {best}")
    finish(experiment, folder, step, progress, console)
    return 0


def finish(experiment: Experiment, folder: Path, step: int, progress: Progress, console: Console) -> None:
    """Write what a finished run leaves beside its checkpoints; result.json is the last, the sign that all is there."""
    lines = read_metrics(folder / "metrics.jsonl")
    learning_curve(lines, folder.name, folder / "learning_curve.png")
    params = best_params(experiment, folder)
    console.print(_shown(experiment, params, folder))
    figures: dict[str, float] = {}
    for split in experiment.task.splits:
        found = experiment.task.evaluate(params, jax.device_put, split)
        console.print(f"{split}: " + "  ".join(f"{name} {value:.4f}" for name, value in found.items()))
        figures |= {f"{split} {name}": value for name, value in found.items()}
    result = {
        "command": shlex.join(["jaxrnn", *sys.argv[1:]]),
        "commit": _commit(),
        "finished": progress.finished,
        "steps": step,
        "best_step": progress.best_step,
        "best_validation_loss": progress.best_loss,
        "headline": experiment.task.headline,
        "figures": figures,
        "curve": [line for line in lines if "validation_loss" in line],
        "published": experiment.published,
        "seconds": round(progress.seconds, 1),
        "cpu_seconds": round(progress.cpu_seconds, 1),
        "seed": experiment.seed,
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}, {os.cpu_count()} CPU cores",
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("jax", "optax", "orbax-checkpoint")},
    }
    write_text(folder / RESULT, json.dumps(result, indent=2) + "\n")
    console.print(f"{folder} holds learning_curve.png, metrics.jsonl, {RESULT}, the checkpoints and the samples")


def _shown(experiment: Experiment, params: Params, folder: Path) -> str:
    """What the task shows of itself; that it cannot must not cost a run its record."""
    try:
        return experiment.task.show(params, folder, experiment.seed)
    except (ValueError, OSError, FloatingPointError) as error:
        return f"no samples: {error}"


def _commit() -> str:
    """The commit that the package is of, or its version where it isn't in a checkout; "+" where there are changes."""
    root = Path(jaxrnn.__file__).parent.parent
    git = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=10"]
    inside = (root / ".git").exists() and shutil.which("git")
    found = subprocess.run(git, capture_output=True, text=True).stdout.strip() if inside else ""
    return found or jaxrnn.__version__


def best_params(experiment: Experiment, folder: Path) -> Params:
    """The parameters (or their mean, where it has begun) of a run's best checkpoint, on the default device.

    Raises:
        RunError: If the run has no undamaged checkpoint.
    """
    like = abstract_state(experiment, make_mesh(jax.devices()[:1]))
    found = Checkpoints(folder / "checkpoints", experiment.loop.keep).best(like)
    if found is None:
        raise RunError(f"{folder} has no undamaged checkpoint yet")
    # Through the host: bound to no mesh, they mix with any other array without another compilation.
    return jax.tree.map(jnp.asarray, jax.device_get(averaged(found.state.opt_state, found.state.params)))
