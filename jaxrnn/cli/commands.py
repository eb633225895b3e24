"""The other commands: training, records, measurements, conversion, the collection."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax

from jaxrnn.cells import FAMILIES
from jaxrnn.core.cell import Cell
from jaxrnn.engine.registry import BACKENDS

CONFIG = "config.yaml"  # of a run
BEGUN = ("checkpoints", "data.json")  # what a run has beside it from its beginning on


def train(arguments: argparse.Namespace, overrides: list[str], noted: Sequence[int], command: Sequence[str]) -> int:
    """`jaxrnn train`; `command` is how it was called, for processes that are to do the same."""
    from jaxrnn.tasks import TASKS
    from jaxrnn.train import StopRequest, find_config, option_help, read_experiment, run
    from jaxrnn.train.joining import in_cluster, join
    from jaxrnn.train.launch import follow_parent, launch, watched
    from jaxrnn.train.processes import first, together
    from jaxrnn.train.run_files import config_overrides
    from jaxrnn.train.tensorboard import FOLDER, TensorBoard

    stop = StopRequest(noted)
    if arguments.help:
        print(arguments.train_help())
        if arguments.config is not None:
            print(option_help(find_config(arguments.config), TASKS))
        return 0
    if _launches(arguments):
        if stop.requested:  # each of them would import everything, and meet the others, to stop then
            print("stopped before the first step; nothing was touched")
            return stop.exit_code
        return launch(command, arguments.processes, stop)
    follow_parent()
    several = arguments.coordinator is not None or (arguments.processes is None and in_cluster())
    where = (arguments.coordinator, arguments.process, arguments.processes)
    if several and not join(stop, *where, watched=watched()):
        print("stopped before all processes were there; nothing was touched")
        return stop.exit_code

    def read() -> tuple[Any, ...]:
        kept = _run_of(arguments.config)
        path = find_config(arguments.config if kept is None else str(kept / CONFIG))
        experiment = read_experiment(path, [*(config_overrides(kept) if kept else ()), *overrides], TASKS)
        folder = arguments.run or kept or Path("runs") / path.stem
        return experiment, folder, _start(arguments.start, experiment, folder)

    experiment, folder, start = together(read)
    callbacks = [TensorBoard(folder / FOLDER)] if arguments.log and first() else []
    return run(experiment, folder, arguments.resume, stop, start=start, callbacks=callbacks, watch=arguments.watch)


def _launches(arguments: argparse.Namespace) -> bool:
    """Whether this process starts others, and trains nothing itself."""
    processes, process, coordinator = arguments.processes, arguments.process, arguments.coordinator
    if processes is not None and processes < 1:
        raise ValueError(f"`--processes` must be 1 or more, got {processes}")
    if coordinator is None:
        if process is not None:
            raise ValueError("`--process` needs `--coordinator HOST:PORT` and `--processes N` beside it")
        return processes is not None and processes > 1
    if processes is None or process is None:
        raise ValueError("`--coordinator` needs `--process I` and `--processes N` beside it")
    if not 0 <= process < processes:
        raise ValueError(f"`--process` must be from 0 to {processes - 1}, got {process}")
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"`--coordinator` must be HOST:PORT, got {coordinator!r}")
    return False


def _start(name: str | None, experiment: Any, folder: Path) -> Any:
    """The weights that a new run begins with; one that has begun has them already."""
    from jaxrnn.tasks.models import load_model
    from jaxrnn.train.start import carried_over, started_from

    if name is None:
        return None
    if (folder / CONFIG).is_file():
        if started_from(folder) != name:
            began = started_from(folder) or "fresh parameters"
            raise ValueError(f"{folder} holds a run that began with {began}, not with {name}: choose another by --run")
        return None
    trained = load_model(name)
    return carried_over(experiment.task, experiment.seed, trained.experiment.task, trained.params, name)


def _run_of(config: str | None) -> Path | None:
    """The run that a user means by its folder, or by the configuration that lies in it."""
    path = Path(config or "")
    folder = path if config and path.is_dir() else path.parent if path.name == CONFIG else None
    begun = folder is not None and (folder / CONFIG).is_file() and any((folder / of).exists() for of in BEGUN)
    return folder if begun else None


def plan(arguments: argparse.Namespace, overrides: list[str]) -> int:
    """`jaxrnn plan`."""
    from jaxrnn.plan import plan_experiment
    from jaxrnn.plan.report import report
    from jaxrnn.tasks import TASKS
    from jaxrnn.train import find_config, read_experiment

    given = [] if arguments.mesh is None else arguments.mesh.split(",")
    names = [part.partition("=")[0] for part in given]
    if not all(name and "=" in part for name, part in zip(names, given, strict=True)) or len({*names}) < len(names):
        raise ValueError(f"`--mesh` must be NAME=VALUE, each name once, as data=4,model=2; got {arguments.mesh!r}")
    given = [f"--mesh.{part}" for part in given]
    experiment = read_experiment(find_config(arguments.config), [*overrides, *given], TASKS)
    print(report(plan_experiment(experiment, arguments.topology)))
    return 0


def results(arguments: argparse.Namespace) -> int:
    """`jaxrnn results`."""
    from jaxrnn.train import read_results, to_csv, to_table
    from jaxrnn.train.plots import curves

    records = read_results(arguments.runs)
    print(to_csv(records).rstrip() if arguments.csv else to_table(records))
    if arguments.picture:
        curves(records, arguments.picture)
    return 0


def bench(arguments: argparse.Namespace) -> int:
    """`jaxrnn bench`."""
    from jaxrnn.bench.command import bench, on_device, report

    if arguments.device is not None:
        others = ("suites", "cells", "shapes", "rounds", "picture", "report")
        given = [name for name in others if getattr(arguments, name)] + ["quick"] * arguments.quick
        if given:
            raise ValueError(f"`{given[0]}` must be left out with --device, which has cases of its own")
        named = [*arguments.backends, *(arguments.peers or [])]
        on_device(arguments.device or None, arguments.seconds, arguments.json, named or None)
        return 0
    if arguments.seconds is not None:
        raise ValueError("`--seconds` goes with --device")
    if arguments.report:
        report(arguments.report, arguments.picture)
        return 0
    bench(
        arguments.suites,
        cells=arguments.cells,
        shapes=arguments.shapes,
        backends=arguments.backends,
        peers=arguments.peers,
        memory=arguments.memory,
        rounds=arguments.rounds,
        quick=arguments.quick,
        json_file=arguments.json,
        picture=arguments.picture,
    )
    return 0


def cells(arguments: argparse.Namespace) -> int:
    """`jaxrnn cells`."""
    families = {family: [_about(name, factory(128)) for name, factory in of.items()] for family, of in FAMILIES.items()}
    head = ("name", "parameters", "native", "kernels", "gates", "paper")
    whole: list[tuple[str, ...]] = [head, *(row for rows in families.values() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
    shown_rows: dict[str, list[tuple[str, ...]]] = {"": [head], **families}
    for family, rows in shown_rows.items():
        if family:
            print(f"\n{family}")
        for name, size, *rest in rows:
            shown = "  ".join(f"{text:{width}}" for text, width in zip(rest, widths[2:], strict=True))
            print(f"{name:{widths[0]}}  {size:>{widths[1]}}  {shown}".rstrip())
    print("\nparameters: at 128 inputs and units; native: compiled, on CPUs; kernels: those of another form than dense")
    return 0


def _about(name: str, cell: Cell) -> tuple[str, ...]:
    """A row of the list."""
    params = jax.eval_shape(partial(cell.init, inputs=cell.made_for or 128), jax.random.key(0))
    size = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
    forms = dict.fromkeys(repr(p.form) for _, p in cell.parameters if p.form is not None and p.role != "unit")
    compiled = [BACKENDS[name].declines(cell, jax.numpy.float32, jax.numpy.float32) for name in ("one_pass", "native")]
    runs = "no" if all(compiled) else "yes"
    return name, f"{size:,}", runs, ", ".join(forms), " ".join(cell.gates), cell.paper
