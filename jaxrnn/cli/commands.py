"""The other commands: training, records, measurements, conversion, the collection."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax

from jaxrnn.cells import FAMILIES
from jaxrnn.core.cell import Cell
from jaxrnn.engine.registry import BACKENDS

CONFIG = "config.yaml"  # of a run


def train(arguments: argparse.Namespace, overrides: list[str], noted: Sequence[int]) -> int:
    """`jaxrnn train`."""
    from jaxrnn.tasks import TASKS
    from jaxrnn.train import StopRequest, find_config, option_help, read_experiment, run
    from jaxrnn.train.run_files import config_overrides

    stop = StopRequest(noted)
    if arguments.help:
        print(arguments.train_help())
        if arguments.config is not None:
            print(option_help(find_config(arguments.config), TASKS))
        return 0
    kept = _run_of(arguments.config)
    path = find_config(arguments.config if kept is None else str(kept / CONFIG))
    experiment = read_experiment(path, [*(config_overrides(kept) if kept else ()), *overrides], TASKS)
    return run(experiment, arguments.run or kept or Path("runs") / path.stem, arguments.resume, stop, arguments.watch)


def _run_of(config: str | None) -> Path | None:
    """The run that a user means by its folder, or by the configuration that lies in it."""
    path = Path(config or "")
    folder = path if config and path.is_dir() else path.parent if path.name == CONFIG else None
    begun = folder is not None and (folder / CONFIG).is_file() and (folder / "checkpoints").is_dir()
    return folder if begun else None


def results(arguments: argparse.Namespace) -> int:
    """`jaxrnn results`."""
    from jaxrnn.train import read_results, to_table

    print(to_table(read_results(arguments.runs)))
    return 0


def bench(arguments: argparse.Namespace) -> int:
    """`jaxrnn bench`."""
    from jaxrnn.bench.command import bench, report

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


def convert(arguments: argparse.Namespace) -> int:
    """`jaxrnn convert`."""
    from jaxrnn.cli.typed_cells import cell_of
    from jaxrnn.compose.stack import stack
    from jaxrnn.interop import convert

    try:
        cells = [cell_of(text) for text in arguments.cell or ()]
        layer = None if not cells else cells[0] if len(cells) == 1 else stack(cells)
        prefixes = arguments.prefix or [""]
        prefix = prefixes[0] if len(prefixes) == 1 else prefixes
        library, table = convert(arguments.source, arguments.target, arguments.of, arguments.to, prefix, layer)
    except TypeError as error:  # an array of the wrong type is the file's fault, not ours
        raise ValueError(str(error)) from error
    rows = [("array", "shape", "parameter"), *((row.theirs, str(list(row.shape)), row.ours) for row in table)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, shape, ours in rows:
        print(f"{name:{widths[0]}}  {shape:{widths[1]}}  {ours}")
    print(f"wrote {arguments.target} for {library}")
    return 0


def inspect(arguments: argparse.Namespace) -> int:
    """`jaxrnn inspect`."""
    from jaxrnn.interop import inspect
    from jaxrnn.interop.inspection import table

    found = inspect(arguments.file)
    rows = table(found)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows if found.cells else ():
        print("  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip())
    print(f"{len(found.cells)} recurrent layers" + f", written by {found.writer}" * bool(found.writer))
    if found.around:
        print("beside: " + ", ".join(f"{name} ({count})" for name, count in sorted(found.around.items())))
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
