"""The training loop: any Task from its first step, or from its last good checkpoint, to the end.

A run is a folder: config.yaml, data.json, metrics.jsonl, checkpoints/, and when it has ended learning_curve.png, the
task's samples and result.json. Everything that decides what comes next is in each checkpoint, so a run that was killed
and resumed writes the same parameters and the same metrics.jsonl, bit by bit, as one that was not: on the same number
of cores, by which sums over rows are grouped.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from jaxrnn.train.averaging import averaged, begin_average
from jaxrnn.train.checkpoint import CheckpointError, Checkpoints
from jaxrnn.train.config import Experiment
from jaxrnn.train.group_arrays import asked_to_stop, here, tell_arrays
from jaxrnn.train.group_checkpoints import open_checkpoints
from jaxrnn.train.judging import Progress, chosen_by, told_best
from jaxrnn.train.machine import changes, machine
from jaxrnn.train.meshes import lie, make_mesh
from jaxrnn.train.metrics import METRICS, Callback, MetricsFile, NoMetrics, read_metrics
from jaxrnn.train.optimizer import learning_rate, make_optimizer
from jaxrnn.train.processes import alone, first, gather, on_first, tell
from jaxrnn.train.progress import Display
from jaxrnn.train.run_files import CHECKPOINTS
from jaxrnn.train.start import read_start
from jaxrnn.train.step import TrainState, init_state, make_step, place, state_shardings
from jaxrnn.train.stop import StopRequest
from jaxrnn.train.task import Task

MAX_SKIPPED_IN_A_ROW = 10


class NonFiniteError(FloatingPointError):
    """A loss or gradient was not finite and the options say not to go on."""


def abstract_state(experiment: Experiment, mesh: jax.sharding.Mesh) -> TrainState:
    """Shapes, dtypes and shardings of an experiment's state, without computing it."""
    optimizer = make_optimizer(experiment.optimizer, experiment.loop.steps)
    shapes = jax.eval_shape(lambda: init_state(experiment.task, optimizer, experiment.seed))
    return jax.tree.map(
        lambda shape, sharding: jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding),
        shapes,
        state_shardings(shapes, mesh, experiment.mesh),
    )


def used_shardings(experiment: Experiment, like: TrainState, mesh: jax.sharding.Mesh) -> Any:
    """Where the parameters of a state lie while they are used; None where that is as they are stored."""
    return lie(like.params, mesh, experiment.mesh, stored=False) if experiment.mesh.fsdp else None


def fit(
    experiment: Experiment,
    folder: Path,
    console: Console,
    stop: StopRequest,
    callbacks: Sequence[Callback] = (),
    watch: bool = False,
) -> tuple[int, Progress]:
    """Train in a run's folder until the end, or until a stop is requested, and save; look inside, if asked to.

    Returns:
        The last step and the progress there; `progress.finished` is None where the run was stopped early.

    Raises:
        NonFiniteError: At a non-finite step if `loop.nonfinite` is "raise", or at the tenth in a row.
        CheckpointError: If a checkpoint cannot be written, or none of those that there are can be used.
    """
    on_first(lambda: folder.mkdir(parents=True, exist_ok=True))
    task, options, by = experiment.task, experiment.loop, chosen_by(experiment)
    mesh = make_mesh(options=experiment.mesh)
    optimizer = make_optimizer(experiment.optimizer, options.steps)
    schedule = learning_rate(experiment.optimizer, options.steps)
    checkpoints = open_checkpoints(folder / CHECKPOINTS, options.keep)
    like = abstract_state(experiment, mesh)
    shardings = jax.tree.map(lambda leaf: leaf.sharding, like)

    found, known = checkpoints.newest(like, set_aside=True), None
    if found is None:
        on_first(lambda: _check_unbegun(folder, options.checkpoint_every))
        batches = task.batches()
        number, progress = 0, Progress(batches.get_state())
        given = _begun_with(folder, like.params)
        state = jax.jit(partial(init_state, task, optimizer, experiment.seed), out_shardings=shardings)(given)
    else:
        number, state, stored = found
        progress = Progress(**stored)
        if progress.finished is not None:
            return number, progress
        known = checkpoints.history(number)
        batches = task.batches()
        batches.set_state(progress.data)
        for change in changes(progress.machine, machine()) if first() else ():
            warnings.warn(
                f"{folder}: before, this run had {change}; its last bits may differ from here on", stacklevel=2
            )
    if (folder / METRICS).exists():
        console.print(f"resuming after step {number}" if number else "no checkpoint to go on from: starting anew")
    progress.machine = machine()
    watching = _watching(task, folder) if watch else None

    step = make_step(task.loss, optimizer, shardings, used_shardings(experiment, like, mesh))
    earlier, start = (progress.seconds, progress.cpu_seconds), (time.monotonic(), time.process_time())

    def save(metrics: MetricsFile | NoMetrics) -> None:
        progress.data = batches.get_state()
        progress.seconds = earlier[0] + time.monotonic() - start[0]
        progress.cpu_seconds = earlier[1] + time.process_time() - start[1]
        metrics.sync()  # before the checkpoint: no line up to its step may be missing beside it
        checkpoints.save(number, state, asdict(progress), progress.best_step)

    opened = on_first(lambda: MetricsFile(folder / METRICS, number, known, callbacks))
    with (
        opened or NoMetrics() as metrics,
        Display(options.steps, number, task.unit, console) as display,
    ):
        asked = max(gather(stop.asked))
        while not asked and progress.finished is None:
            batch = next(batches)
            state, outcome = step(state, place(batch, mesh), None if alone() else asked_to_stop(mesh, stop.asked))
            outcome = {name: value.item() for name, value in jax.device_get(outcome).items()}
            stopped = outcome.pop("stop", 0)
            number += 1
            display.advance(task.count(batch))
            finite, skipped, in_a_row = (outcome.pop(key) for key in ("finite", "skipped", "skipped_in_a_row"))
            if finite:
                progress.window.append(outcome)
            else:
                others = {k: v for k, v in outcome.items() if k not in ("loss", "grad_norm") and not math.isfinite(v)}
                what = f"step {number}: loss {outcome['loss']:.6g}, gradient norm {outcome['grad_norm']:.6g}"
                what += "".join(f", {name} {value:.6g}" for name, value in others.items())
                if options.nonfinite == "raise":
                    raise NonFiniteError(f"{what}; loop.nonfinite is 'raise'. {_last_good(checkpoints)}")
                if in_a_row == MAX_SKIPPED_IN_A_ROW:
                    raise NonFiniteError(f"{what}; the {in_a_row}th step in a row, stopping. {_last_good(checkpoints)}")
                display.line(f"{what}: skipped ({skipped} so far)")
            last = number == options.steps
            if last or number % options.log_every == 0:
                line = _means(progress.window)
                rate = float(schedule(number - skipped))
                metrics.write({"step": number, **line, "learning_rate": rate, "skipped": skipped})
                display.figures(number, line.get("loss"), told_best(progress, by))
                progress.window = []
            improved = False
            if last or number % options.validate_every == 0:
                figures = tell(task.evaluate(averaged(state.opt_state, state.params), partial(place, mesh=mesh)))
                metrics.write({"step": number} | {f"validation_{k}": v for k, v in recorded(figures).items()})
                improved = progress.judge(number, figures, by)
                text = f"step {number}: validation " + "  ".join(f"{k} {v:.4f}" for k, v in figures.items())
                display.line(text)
                if watching is not None:
                    display.line(watching(averaged(state.opt_state, state.params), number, metrics))
                if not math.isfinite(figures["loss"]):
                    if options.nonfinite == "raise":
                        raise NonFiniteError(f"{text}; loop.nonfinite is 'raise'. {_last_good(checkpoints)}")
                    display.line(f"step {number}: that loss is no number, so none of these figures counts")
                if 0 < experiment.optimizer.averaging <= progress.waited:
                    state = state._replace(opt_state=begin_average(state.opt_state))
                if last:
                    progress.finished = "all steps done"
                elif progress.waited >= options.patience:
                    progress.finished = f"no better validation {by} in {options.patience} validations"
            if improved or progress.finished is not None or number % options.checkpoint_every == 0:
                save(metrics)
            asked = stop.asked if alone() else int(stopped)
        if progress.finished is None:
            save(metrics)
    if asked and not alone():
        stop.signal = asked  # one exit code for all
    return number, progress


def _watching(task: Task, folder: Path) -> Callable[..., str]:
    """`jaxrnn.dynamics` is imported where it is asked for."""
    from jaxrnn.train.watch import Watch

    return Watch(task, folder)


def _begun_with(folder: Path, like: Any) -> Any:
    """The parameters that a run begins with, on all processes; None where they are fresh."""
    given = on_first(lambda: read_start(folder, here(like)))
    return tell_arrays(given, like) if tell(given is not None) else None


def recorded(figures: dict[str, float]) -> dict[str, float | None]:
    """Figures for a record: None where one is no number, and for all where the loss is none.

    A maximum, an argmax or a comparison may drop a NaN that the loss shows.
    """
    usable = math.isfinite(figures["loss"])
    return {name: _json(value) if usable else None for name, value in figures.items()}


def _json(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if math.isfinite(value) else None


def _check_unbegun(folder: Path, checkpoint_every: int) -> None:
    """A run without a checkpoint begins with its first step: unless it had one once.

    Raises:
        CheckpointError: If its metrics tell of steps after the first checkpoint.
    """
    lines = read_metrics(folder / METRICS)
    if lines and lines[-1]["step"] > checkpoint_every:
        raise CheckpointError(
            f"{folder} has no checkpoint, but {METRICS} tells of {lines[-1]['step']} steps. Put its checkpoints back "
            "from a copy; or, to start over, delete that folder or choose another by --run"
        )


def _means(window: list[dict[str, float]]) -> dict[str, float | None]:
    """Mean of every figure over a window of steps."""
    names = window[0] if window else ()
    return {name: _json(math.fsum(step[name] for step in window) / len(window)) for name in names}


def _last_good(checkpoints: Checkpoints) -> str:
    """Where to go back to, for a message; asked by all processes, of which the first has the folder."""
    steps = tell(on_first(checkpoints.steps)) or []
    return f"Last good checkpoint: {checkpoints.path(steps[-1])}" if steps else "There is no checkpoint yet"
