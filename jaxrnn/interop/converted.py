"""What a match makes: our parameters, and the table of what went where."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxrnn.core.layer import Layer
from jaxrnn.interop import arithmetic
from jaxrnn.interop.match import Match
from jaxrnn.interop.places import cells_of, path_of


class Mapped(NamedTuple):
    """One line of a conversion's table: a foreign array, and where it went."""

    theirs: str
    shape: tuple[int, ...]
    ours: str


def convert(match: Match) -> dict[str, Any]:
    """All arrays read and converted, cell by cell."""
    layer: Layer = match.layer  # type: ignore[assignment]
    params: dict[str, Any] = {}
    for place, cell in cells_of(layer).items():
        given = {name: entry.read() for name, entry in match.cells[place].items()}
        ours = arithmetic.to_ours(match.row, cell, match.inputs[place.layer], given)
        node = params
        for part in path_of(layer, place):
            node = node.setdefault(part, {})
        node |= ours
    return params


def table_of(match: Match) -> list[Mapped]:
    """What went where, array by array."""
    rows = []
    for place in cells_of(match.layer):  # type: ignore[arg-type]
        path = path_of(match.layer, place)  # type: ignore[arg-type]
        for array in match.row.arrays:
            for gate, name in arithmetic.names(match.row, array).items():
                entry = match.cells[place].get(name)
                if entry is not None:
                    ours = arithmetic.ours_of(match.row, array) + f"[{gate}]" * bool(gate)
                    rows.append(Mapped(entry.name, entry.shape, "/".join((*path, ours))))
    return rows
