"""A run from start to finish in its folder: new or resumed, trained, drawn, sampled, and its result written down."""

from __future__ import annotations

import json
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
from rich.console import Console

import jaxrnn
from jaxrnn.base.checks import check_flag
from jaxrnn.base.errors import fail
from jaxrnn.base.files import WriteError, sweep, write_text
from jaxrnn.train.averaging import averaged
from jaxrnn.train.check_task import check_task
from jaxrnn.train.checkpoint import Checkpoints
from jaxrnn.train.config import Experiment
from jaxrnn.train.lock import locked
from jaxrnn.train.loop import CHECKPOINTS, Progress, abstract_state, fit, recorded
from jaxrnn.train.machine import cores
from jaxrnn.train.meshes import make_mesh
from jaxrnn.train.metrics import METRICS, Callback, read_metrics
from jaxrnn.train.open_run import begin, open_folder
from jaxrnn.train.plots import learning_curve
from jaxrnn.train.published import data_digest, of_these_data
from jaxrnn.train.run_files import (
    CONFIG,
    RESULT,
    RunError,
    checksum,
    read_data,
    record_data,
)
from jaxrnn.train.start import Start, started_from, write_start
from jaxrnn.train.stop import StopRequest
from jaxrnn.train.task import Params


def run(
    experiment: Experiment,
    folder: Path | str,
    resume: bool,
    stop: StopRequest,
    *,
    start: Start | None = None,
    callbacks: Sequence[Callback] = (),
    watch: bool = False,
) -> int:
    """Train an experiment in a folder, then draw and sample.

    Args:
        experiment: As `read_experiment` gives it.
        folder: Where all of the run lies; made if it isn't there.
        resume: Go on where an earlier run in that folder stopped.
        stop: Asked for, the run stops after the step that it is in, with a checkpoint.
        start: The parameters that a new run begins with, as `carried_over` gives them; None: fresh ones.
        callbacks: Each is called with every line of metrics.jsonl, a dict, as it is written: for any other logger.
        watch: Look inside at each validation: figures in metrics.jsonl, and watch.png; see `jaxrnn.train.watch`.

    Returns:
        The exit code of the command: 0, or 128 plus the signal that stopped it.

    Raises:
        LockError: If another process works in that folder.
        RunError: If the folder cannot be used as asked.
        ValueError: If the data cannot be read; then there is no new folder either.
    """
    if not isinstance(experiment, Experiment):
        fail("experiment", "an Experiment", experiment, kind=TypeError)
    if not isinstance(folder, (str, Path)):
        fail("folder", "a path", folder, kind=TypeError)
    check_flag(resume, "resume")
    check_flag(watch, "watch")
    if not isinstance(stop, StopRequest):
        fail("stop", "a StopRequest", stop, kind=TypeError)
    folder = Path(folder)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    if stop.signal is not None:
        console.print("stopped before the first step; nothing was touched")
        return stop.exit_code
    open_folder(folder, experiment, resume)
    if start is not None and (folder / CONFIG).exists() and started_from(folder) != start.name:
        raise RunError(
            f"{folder} holds a run that began with {started_from(folder) or 'fresh parameters'}, not with {start.name}"
        )
    # Before anything is written: a wrong path or size leaves no folder that is in the way next time.
    record = None
    if not (folder / CONFIG).exists():
        record = record_data(experiment.task)
        check_task(experiment.task, experiment.seed, jax.device_count())
    _make(folder)
    with locked(folder):
        open_folder(folder, experiment, resume)  # again: another process may have been here meanwhile
        sweep(folder)
        if start is not None and not (folder / CONFIG).exists():
            write_start(folder, start)
        return _run(begin(folder, experiment, record), folder, console, stop, callbacks, watch)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"could not make the folder {folder}: {error.strerror}") from error


def _run(
    experiment: Experiment,
    folder: Path,
    console: Console,
    stop: StopRequest,
    callbacks: Sequence[Callback],
    watch: bool,
) -> int:
    """`run` in a folder that is ours."""
    step, progress = fit(experiment, folder, console, stop, callbacks, watch)
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
    lines = read_metrics(folder / METRICS)
    learning_curve(lines, folder.name, folder / "learning_curve.png")
    params = best_params(experiment, folder)
    if shown := _shown(experiment, params, folder):
        console.print(shown)
    figures: dict[str, float | None] = {}
    for split in experiment.task.splits:
        found = experiment.task.evaluate(params, jax.device_put, split)
        console.print(f"{split}: " + "  ".join(f"{name} {value:.4f}" for name, value in found.items()))
        figures |= {f"{split} {name}": value for name, value in recorded(found).items()}
    digests = record.digests if (record := read_data(folder)) else {}
    published = experiment.published
    if published and not of_these_data(experiment, digests):
        these = f"these data are others (published_for: {data_digest(digests)})"
        console.print(f"left out is what others report ({published}): {these}")
        published = ""
    result = {
        "command": shlex.join(["jaxrnn", *sys.argv[1:]]),
        "commit": _commit(),
        "from": started_from(folder),
        "finished": progress.finished,
        "steps": step,
        "best_step": progress.best_step,
        "best_validation_loss": progress.best_loss,
        "headline": experiment.task.headline,
        "figures": figures,
        "curve": [line for line in lines if "validation_loss" in line],
        "published": published,
        "seconds": round(progress.seconds, 1),
        "cpu_seconds": round(progress.cpu_seconds, 1),
        "seed": experiment.seed,
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}, {cores()} CPU cores",
        "data": digests,
        "versions": {"python": platform.python_version()} | {package: version(package) for package in ("jax", "optax")},
    }
    sealed = result | {"checksum": checksum(result)}
    write_text(folder / RESULT, json.dumps(sealed, indent=2, allow_nan=False) + "\n")
    console.print(f"{folder} holds learning_curve.png, metrics.jsonl, {RESULT}, the checkpoints and the samples")


def _shown(experiment: Experiment, params: Params, folder: Path) -> str:
    """What the task shows of itself; that it cannot must not cost a run its record."""
    try:
        return experiment.task.show(params, folder, experiment.seed)
    except Exception as error:
        return f"no samples: {error or type(error).__name__}"


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
        RunError: If the run has no checkpoint.
        CheckpointError: If it has no undamaged one.
    """
    like = abstract_state(experiment, make_mesh(jax.devices()[:1]))
    found = Checkpoints(folder / CHECKPOINTS, experiment.loop.keep).best(like)
    if found is None:
        raise RunError(f"{folder} has no checkpoint yet")
    # Through the host: bound to no mesh, they mix with any other array without another compilation.
    return jax.tree.map(jnp.asarray, jax.device_get(averaged(found.state.opt_state, found.state.params)))
