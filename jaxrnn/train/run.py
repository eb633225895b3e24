"""A run from start to finish in its folder: new or resumed, trained, drawn, sampled, and its result written down."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from jaxrnn.base.checks import check_flag
from jaxrnn.base.errors import fail
from jaxrnn.base.files import WriteError, sweep
from jaxrnn.base.package import VERSION
from jaxrnn.train.check_task import checked_shapes
from jaxrnn.train.config import Experiment
from jaxrnn.train.ending import finish
from jaxrnn.train.joining import hearing_of_the_dead
from jaxrnn.train.judging import chosen_by, told_best
from jaxrnn.train.lock import locked
from jaxrnn.train.loop import fit
from jaxrnn.train.meshes import lie, make_mesh
from jaxrnn.train.metrics import Callback
from jaxrnn.train.open_run import begin, open_folder, plain
from jaxrnn.train.processes import agree, alone, first, gather, on_first, tell, together
from jaxrnn.train.run_files import CHECKPOINTS, CONFIG, RESULT, DataRecord, RunError, digest, record_data, with_record
from jaxrnn.train.start import Start, started_from, write_start
from jaxrnn.train.stop import StopRequest


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

    >>> import contextlib, io, tempfile
    >>> from pathlib import Path
    >>> import jax
    >>> from jaxrnn.tasks import TASKS
    >>> from jaxrnn.train import StopRequest, find_config, read_experiment
    >>> from jaxrnn.train.run import run
    >>> experiment = read_experiment(find_config("reber"), ["--loop.steps=2", "--model.hidden=4"], TASKS)
    >>> folder, said = Path(tempfile.mkdtemp()) / "reber", io.StringIO()
    >>> with contextlib.redirect_stdout(said), jax.numpy_dtype_promotion("standard"):
    ...     code = run(experiment, folder, False, StopRequest())
    >>> code, (folder / "result.json").exists(), "step" in said.getvalue()
    (0, True, True)
    """
    if not isinstance(experiment, Experiment):
        fail("experiment", "an Experiment", experiment, kind=TypeError)
    if not isinstance(folder, (str, Path)):
        fail("folder", "a path", folder, kind=TypeError)
    check_flag(resume, "resume")
    check_flag(watch, "watch")
    if watch and not alone():
        fail("watch", "False where several processes train", watch, "Train by one process with --watch.")
    if not isinstance(stop, StopRequest):
        fail("stop", "a StopRequest", stop, kind=TypeError)
    folder = Path(folder)
    console = Console(markup=False, highlight=False, soft_wrap=True, quiet=not first())
    asked = [signal for signal in gather(stop.signal) if signal]
    if asked:
        stop.signal = max(asked)
        console.print("stopped before the first step; nothing was touched")
        return stop.exit_code
    _check_equal(experiment, start)
    on_first(lambda: _check_folder(folder, experiment, resume, start))
    # Before anything is written: a wrong path or size leaves no folder that is in the way next time.
    record = None
    new, finished = tell(on_first(lambda: [not (folder / CONFIG).exists(), (folder / RESULT).exists()]))  # type: ignore[misc]
    if new or not (alone() or finished):
        record = together(lambda: record_data(experiment.task))
        agree(data=record.digests, learned=digest(record.learned))
        together(lambda: _check_mesh(experiment))
    on_first(lambda: _make(folder))

    def begun() -> list[Any]:
        open_folder(folder, experiment, resume)  # again: another process may have been here meanwhile
        for place in filter(Path.is_dir, (folder, folder / CHECKPOINTS)):
            sweep(place)
        if start is not None and not (folder / CONFIG).exists():
            write_start(folder, start)
        return [*begin(folder, experiment, record)]

    with hearing_of_the_dead(), ExitStack() as held:
        on_first(lambda: held.enter_context(locked(folder)))
        stored = DataRecord(*tell(on_first(begun)))  # type: ignore[misc]
        return _run(with_record(experiment, stored), folder, console, stop, callbacks, watch)


def _check_equal(experiment: Experiment, start: Start | None) -> None:
    """See to it that all processes run the same program with the same options, wherever their data lie.

    Raises:
        GroupError: If they do not.
    """
    options = plain(experiment)
    if isinstance(options.get("data"), dict):
        options["data"].pop("path", None)
    agree(jaxrnn=VERSION, jax=jax.__version__, start=start and start.name, **options)


def _check_mesh(experiment: Experiment) -> None:
    """See to it that the devices there are fit the mesh, and the mesh the model and its batches."""
    mesh = make_mesh(options=experiment.mesh)
    lie(checked_shapes(experiment.task, experiment.seed, mesh.shape["data"]), mesh, experiment.mesh)


def _check_folder(folder: Path, experiment: Experiment, resume: bool, start: Start | None) -> None:
    open_folder(folder, experiment, resume)
    if start is not None and not (folder / CONFIG).exists():
        return  # it is written anew, whatever a killed process left of it
    began = started_from(folder) if folder.is_dir() else None
    if start is not None and began != start.name:
        raise RunError(f"{folder} holds a run that began with {began or 'fresh parameters'}, not with {start.name}")


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
    told = told_best(progress, chosen_by(experiment))
    best = f"best {told} at step {progress.best_step}" if told else "no finite validation loss"
    if tell(on_first((folder / RESULT).exists)):
        console.print(f"{folder} is finished: {progress.finished} at step {step}, {best}. There is nothing to resume")
        return 0
    console.print(f"finished at step {step} after {progress.seconds:.0f} s: {progress.finished}, {best}")
    if not finish(experiment, folder, step, progress, console, stop):
        console.print(f"stopped before {RESULT} was written; it is made by the same command with --resume")
        return stop.exit_code
    return 0
