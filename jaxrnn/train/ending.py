"""The end of a run: its figures on all held-out data, its curve, its samples, and its result, the last of all."""

from __future__ import annotations

import json
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from rich.console import Console

from jaxrnn.base.files import write_text
from jaxrnn.base.package import FOLDER, VERSION
from jaxrnn.train.averaging import averaged
from jaxrnn.train.checkpoint import Checkpoints
from jaxrnn.train.config import Experiment
from jaxrnn.train.group_arrays import spread, tell_arrays
from jaxrnn.train.judging import Progress, chosen_by
from jaxrnn.train.loop import abstract_state, recorded
from jaxrnn.train.machine import cores
from jaxrnn.train.meshes import lie, make_mesh
from jaxrnn.train.metrics import METRICS, read_metrics
from jaxrnn.train.plots import learning_curve
from jaxrnn.train.processes import alone, gather, on_first, tell
from jaxrnn.train.published import data_digest, of_these_data
from jaxrnn.train.run_files import CHECKPOINTS, RESULT, RunError, checksum, read_data
from jaxrnn.train.start import started_from
from jaxrnn.train.step import place
from jaxrnn.train.stop import StopRequest
from jaxrnn.train.task import Params


class _StoppedError(Exception):
    """A stop was asked for; nothing is lost, since all of this can be made again."""


def finish(
    experiment: Experiment, folder: Path, step: int, progress: Progress, console: Console, stop: StopRequest
) -> bool:
    """Write what a finished run leaves beside its checkpoints; result.json is the last, the sign that all is there.

    Returns:
        False where a stop was asked for meanwhile. That is looked for at each batch of held-out data; by several
        processes, which have to leave together, before each split.
    """
    params = told_params(experiment, folder)
    try:
        found = dict(_evaluated(experiment, params, stop))
        _check_asked(stop)
    except _StoppedError:
        return False
    on_first(lambda: _write_down(experiment, folder, step, progress, console, params, found))
    return True


def _check_asked(stop: StopRequest) -> None:
    """Raise on all processes where a stop was asked for on one."""
    if asked := max(gather(stop.asked)):
        stop.signal = asked
        raise _StoppedError


def _evaluated(experiment: Experiment, params: Params, stop: StopRequest) -> Iterator[tuple[str, dict[str, float]]]:
    """The figures of all held-out data; processes share the rows, as in a validation."""

    def where(batch: Any) -> Any:
        if stop.requested:
            raise _StoppedError
        return jax.device_put(batch)

    if not alone():
        mesh = make_mesh(options=experiment.mesh)
        params, where = spread(params, lie(params, mesh, experiment.mesh, stored=False)), partial(place, mesh=mesh)
    for split in experiment.task.splits:
        _check_asked(stop)
        yield split, tell(experiment.task.evaluate(params, where, split))


def _write_down(
    experiment: Experiment,
    folder: Path,
    step: int,
    progress: Progress,
    console: Console,
    params: Params,
    found: dict[str, dict[str, float]],
) -> None:
    lines = read_metrics(folder / METRICS)
    curve = partial(learning_curve, lines, folder.name, folder / "learning_curve.png", progress.best_step)
    for shown in (_tried(curve, "learning curve"), _tried(partial(_show, experiment, params, folder), "samples")):
        if shown:
            console.print(shown)
    figures: dict[str, float | None] = {}
    for split, of_split in found.items():
        console.print(f"{split}: " + "  ".join(f"{name} {value:.4f}" for name, value in of_split.items()))
        figures |= {f"{split} {name}": value for name, value in recorded(of_split).items()}
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
        "chosen_by": chosen_by(experiment),
        "best_step": progress.best_step,
        "best_validation_loss": progress.best_loss,
        "headline": experiment.task.headline,
        "figures": figures,
        "curve": [line for line in lines if "validation_loss" in line],
        "published": published,
        "seconds": round(progress.seconds, 1),
        "cpu_seconds": round(progress.cpu_seconds, 1),
        "seed": experiment.seed,
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}, {cores()} CPU cores"
        + ("" if alone() else f", {jax.process_count()} processes"),
        "data": digests,
        "versions": {"python": platform.python_version()} | {package: version(package) for package in ("jax", "optax")},
    }
    sealed = result | {"checksum": checksum(result)}
    write_text(folder / RESULT, json.dumps(sealed, indent=2, allow_nan=False) + "\n")
    console.print(f"{folder} holds learning_curve.png, metrics.jsonl, {RESULT}, the checkpoints and the samples")


def _show(experiment: Experiment, params: Params, folder: Path) -> str:
    return experiment.task.show(params, folder, experiment.seed)


def _tried(shown: Callable[[], str | None], what: str) -> str:
    """What is said of what is drawn or sampled; that it cannot be must not cost a run its record."""
    try:
        return shown() or ""
    except Exception as error:
        return f"no {what}: {error or type(error).__name__}"


def _commit() -> str:
    """The commit that the package is of, or its version where it isn't in a checkout; "+" where there are changes."""
    git = ["git", "-C", str(FOLDER.parent), "describe", "--always", "--dirty=+", "--abbrev=10"]
    inside = (FOLDER.parent / ".git").exists() and shutil.which("git")
    found = subprocess.run(git, capture_output=True, text=True).stdout.strip() if inside else ""
    return found or VERSION


def best_params(experiment: Experiment, folder: Path) -> Params:
    """The parameters (or their mean, where it has begun) of a run's best checkpoint, on the default device.

    Raises:
        RunError: If the run has no checkpoint.
        CheckpointError: If it has no undamaged one.
    """
    like = abstract_state(experiment, make_mesh(jax.local_devices()[:1]))
    found = Checkpoints(folder / CHECKPOINTS, experiment.loop.keep).best(like)
    if found is None:
        raise RunError(f"{folder} has no checkpoint yet")
    # Through the host: bound to no mesh, they mix with any other array without another compilation.
    return jax.tree.map(jnp.asarray, jax.device_get(averaged(found.state.opt_state, found.state.params)))


def told_params(experiment: Experiment, folder: Path) -> Params:
    """`best_params` on each process of a run, of which the first alone need see the folder."""
    found = on_first(lambda: best_params(experiment, folder))
    if alone():
        return found
    like = abstract_state(experiment, make_mesh(jax.local_devices()[:1]))
    return jax.tree.map(jnp.asarray, tell_arrays(found, like.params))
