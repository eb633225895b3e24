"""`jaxrnn convert` and `jaxrnn inspect`: weights of files and of runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from jaxrnn.base.errors import Said, fail

PRETRAINED = Path(__file__).parents[1] / "tasks" / "pretrained"


def convert(arguments: argparse.Namespace) -> int:
    """`jaxrnn convert`."""
    try:
        rows, library = (_of_run if _is_run(arguments.source) else _of_file)(arguments)
    except TypeError as error:  # an array of the wrong type is the file's fault, not ours
        raise ValueError(str(error)) from error
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, shape, ours in rows:
        print(f"{name:{widths[0]}}  {shape:{widths[1]}}  {ours}".rstrip())
    print(f"wrote {arguments.target} for {library}")
    return 0


def _is_run(source: Path) -> bool:
    """Whether a path is a run's folder, or the name of a model of the package; without what training needs."""
    return (source / "config.yaml").is_file() or (
        not source.exists() and (PRETRAINED / source / "params.npz").is_file()
    )


def _graph(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of a graph that were given."""
    named = {name: getattr(arguments, name) for name in ("lengths", "carry", "steps", "batch", "runtime")}
    return {name: value for name, value in named.items() if value not in (None, False)}


def _of_file(arguments: argparse.Namespace) -> tuple[list[tuple[str, str, str]], str]:
    from jaxrnn.cli.typed_cells import cell_of
    from jaxrnn.compose.stack import stack
    from jaxrnn.interop import convert

    cells = [cell_of(text) for text in arguments.cell or ()]
    prefixes = arguments.prefix or [""]
    library, table = convert(
        arguments.source,
        arguments.target,
        arguments.of,
        arguments.to,
        prefixes[0] if len(prefixes) == 1 else prefixes,
        None if not cells else cells[0] if len(cells) == 1 else stack(cells),
        names_of(arguments.names),
        arguments.format,
        _graph(arguments) or None,
    )
    return [("array", "shape", "parameter"), *((r.theirs, str(list(r.shape)), r.ours) for r in table)], library


def _of_run(arguments: argparse.Namespace) -> tuple[list[tuple[str, str, str]], str]:
    """A whole model, where it is one graph and nobody asks for a layer; else the layer."""
    from jaxrnn.interop.convert import check_graph, library_for
    from jaxrnn.interop.onnx_write import to_onnx
    from jaxrnn.interop.save import save
    from jaxrnn.tasks.runs import chosen, load_run

    for name in ("of", "cell", "names", "format"):
        if getattr(arguments, name) is not None:
            fail(f"--{'from' if name == 'of' else name}", "left out for a run, which says what it is", Said("one"))
    library, graph = library_for(arguments.target, arguments.to), _graph(arguments)
    check_graph(graph or None, library)
    run = load_run(str(arguments.source))
    layer, params = chosen(run, arguments.prefix or [])
    if library == "onnx":
        whole = {} if arguments.prefix else run.around or {}
        to_onnx(layer, params, arguments.target, **graph, **whole)
        params = params if arguments.prefix else run.params
    else:
        save(layer, params, library, arguments.target)
    leaves = jax.tree_util.tree_leaves_with_path(params)
    rows = [(jax.tree_util.keystr(path, simple=True, separator="/"), str(list(a.shape)), "") for path, a in leaves]
    return [("parameter", "shape", ""), *rows], library


def names_of(given: Sequence[str] | None) -> dict[str, str] | None:
    """Pairs THEIRS=OURS as a mapping."""
    for pair in given or ():
        if not all(pair.partition("=")):
            fail("--names", "pairs such as enc_w_ih=weight_ih", pair)
    return None if given is None else {theirs: ours for theirs, _, ours in (pair.partition("=") for pair in given)}


def inspect(arguments: argparse.Namespace) -> int:
    """`jaxrnn inspect`."""
    from jaxrnn.cli.conversion import names_of
    from jaxrnn.interop import inspect
    from jaxrnn.interop.inspection import table

    found = inspect(arguments.file, arguments.format, names_of(arguments.names))
    rows = table(found)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows if found.cells else ():
        print("  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip())
    print(f"{len(found.cells)} recurrent layers" + f", written by {found.writer}" * bool(found.writer))
    if found.around:
        print("beside: " + ", ".join(f"{name} ({count})" for name, count in sorted(found.around.items())))
    return 0
