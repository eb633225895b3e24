"""What is in a file: the layers found in it, where, and what lies around. No weight is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxrnn.core.layer import Layer
from jaxrnn.interop.files.formats import check_format
from jaxrnn.interop.files.opening import path_of, whole
from jaxrnn.interop.match import best_match, heads
from jaxrnn.interop.parts import check_names, chosen, renamed
from jaxrnn.interop.source import Source, segments


class Found(NamedTuple):
    """One recurrent layer of a file. What keeps it from being loaded is `problem`; then there is no layer.

    prefix: what `load` takes. library, cell: whose it is, and the class. gates: in the file's order, by our names.
    """

    prefix: str
    library: str = ""
    cell: str = ""
    layer: Layer | None = None
    inputs: int = 0
    gates: tuple[str, ...] = ()
    dtype: str = ""
    problem: str = ""


class Inspection(NamedTuple):
    """What `inspect` finds: the layers, the program that wrote the file as far as it says, and what else is there: the
    first part of each name, with how many arrays begin so."""

    cells: tuple[Found, ...]  # each with its `prefix` for `load`
    writer: str  # "" where nothing says it
    around: dict[str, int]  # such as {"head": 2}


def inspect(file: str | Path, format: str | None = None, names: Mapping[str, str] | None = None) -> Inspection:
    """The recurrent layers of a file, each with the prefix that `load` takes, without reading a weight.

    Args:
        file: a path that `load` reads.
        format: as `load` takes it.
        names: likewise; then nothing else is looked at.

    Returns:
        `Inspection(cells, writer, around)`.

    Raises:
        ValueError: the file is damaged, or in no known format. FileNotFoundError: there is none.

    >>> import os, tempfile, numpy as np, jaxrnn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.npz")
    ...     weights = {"rnn.weight_ih_l0": np.ones((20, 3)), "rnn.weight_hh_l0": np.ones((20, 5)), "head": np.ones(2)}
    ...     np.savez(path, **weights)
    ...     found = jaxrnn.interop.inspect(path)
    >>> [(cell.prefix, cell.library, cell.layer.size, cell.inputs) for cell in found.cells], found.around
    ([('rnn', 'torch', 5, 3)], {'head': 1})
    """
    check_format(format)
    check_names(names)
    with whole(path_of(file, "file"), format, "file") as opened:
        source = opened if names is None else renamed(opened, names)
        prefixes = [part.name for part in source.parts if part.name] or _prefixes(source)
        cells = tuple(_found(source, prefix) for prefix in prefixes)
        return Inspection(cells, source.writer, _around(source, cells))


def _prefixes(source: Source) -> list[str]:
    found = heads(source)
    return found or ([""] if _found(source, "").layer is not None else [])


def _found(source: Source, prefix: str) -> Found:
    try:
        part = chosen(source, prefix)
        match = best_match(part, None, part.library)
    except (ValueError, TypeError) as error:
        return Found(prefix, problem=str(error))
    row, entries = match.row, [entry for arrays in match.cells.values() for entry in arrays.values()]
    inputs, dtype = match.inputs[0], str(entries[0].dtype)
    return Found(prefix, row.library, row.name, match.layer, inputs, tuple(row.gates), dtype)


def _around(source: Source, cells: tuple[Found, ...]) -> dict[str, int]:
    """Entries that are of none of the layers, by how their names begin."""
    inside: list[tuple[str, ...]] = [segments(cell.prefix) for cell in cells]
    around: dict[str, int] = {}
    for parts in (segments(entry.name) for entry in source.entries):
        if not source.parts and not any(parts[: len(head)] == head for head in inside):
            around[parts[0] if parts else ""] = around.get(parts[0] if parts else "", 0) + 1
    return around


def table(found: Inspection) -> list[tuple[str, ...]]:
    """One line for each layer, with a head; for people."""
    lines: list[tuple[Any, ...]] = [("prefix", "whose", "layer", "inputs", "gates", "dtype")]
    for cell in found.cells:
        whose = f"{cell.library} {cell.cell}".strip()
        gates = " ".join(cell.gates)
        lines.append(
            (cell.prefix or "-", whose, cell.problem or repr(cell.layer), cell.inputs or "", gates, cell.dtype)
        )
    return [tuple(map(str, line)) for line in lines]
