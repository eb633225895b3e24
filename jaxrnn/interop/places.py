"""Where cells sit: in a jaxrnn layer, and by the names of entries in another library's."""

from __future__ import annotations

import re
from typing import NamedTuple

from jaxrnn.compose import Bidirectional, Reverse, Stack
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import Layer
from jaxrnn.interop.express import options_of
from jaxrnn.interop.rows.row import Row


class Place(NamedTuple):
    """Where a cell sits: its layer, and whether it runs backward beside one that runs forward."""

    layer: int = 0
    backward: bool = False


def cells_of(layer: Layer) -> dict[Place, Cell]:
    """The cells of a layer by place; other compositions than stacks of directions are refused."""
    layers = layer.layers if isinstance(layer, Stack) else (layer,)
    cells: dict[Place, Cell] = {}
    for i, part in enumerate(layers):
        part = part.layer if isinstance(part, Reverse) else part
        both = (part.forward, part.backward) if isinstance(part, Bidirectional) else (part,)
        for backward, cell in enumerate(both):
            options_of(cell)  # refuses what is no cell of the collection
            cells[Place(i, bool(backward))] = cell  # type: ignore[assignment]
    return cells


def path_of(layer: Layer, place: Place) -> tuple[str, ...]:
    """Where the parameters of a cell are in those of its layer."""
    path: tuple[str, ...] = (f"layer_{place.layer}",) if isinstance(layer, Stack) else ()
    part = layer.layers[place.layer] if isinstance(layer, Stack) else layer
    both = isinstance(part, Bidirectional)
    return (*path, "backward" if place.backward else "forward") if both else path


# ---------------------------------------------------------------- names

LAYERED = re.compile(r"(?P<array>.+)_l(?P<layer>\d{1,4})(?P<way>_reverse)?")
STACKED_CELL = re.compile(r"(?P<stem>\w*?[a-z])(?:_(?P<layer>\d{1,4}))?")  # Keras: lstm_cell, lstm_cell_1, ...
STACKED_NUMBER = re.compile(r"(?P<layer>\d{1,4})(?P<stem>)")  # torchrecurrent: cells.0, cells.1, ...
CELL_LISTS = re.compile(r"cells|stacked_rnn_cells(_\d+)?")


def locate(row: Row, parts: tuple[str, ...], known: set[str]) -> tuple[tuple[str, ...], Place, str] | None:
    """`(path, place, name of the array)` of an entry, or None for one that is none of this row's."""
    if row.named_by_layer:
        found = LAYERED.fullmatch(parts[-1]) if parts else None
        if found is None or found["array"] not in known:
            return None
        return parts[:-1], Place(int(found["layer"]), found["way"] is not None), found["array"]
    for length in (3, 2, 1):
        name = "/".join(parts[-length:])
        if len(parts) >= length and name in known:
            return _place(row, parts[:-length], name)
    return None


def _way(part: str, ways: tuple[str, str]) -> bool | None:
    """Whether a part of a name says backward; None where it says no direction."""
    return next((bool(i) for i, way in enumerate(ways) if part == way or part.startswith(f"{way}_")), None)


def _place(row: Row, path: tuple[str, ...], name: str) -> tuple[tuple[str, ...], Place, str]:
    layer, backward, common, named = 0, False, [], False
    for i, part in enumerate(path):
        direction, numbered = _way(part, row.ways), re.fullmatch(row.numbered, part)
        listed = i and CELL_LISTS.fullmatch(path[i - 1])
        cell = (STACKED_CELL.fullmatch(part) or STACKED_NUMBER.fullmatch(part)) if listed else None
        if direction is not None:
            backward, named = direction, True
        elif numbered:
            layer = int(numbered[1])
        elif named:
            continue  # what follows may be named after the direction
        elif cell:
            layer = int(cell["layer"] or 0)
            common.append(cell["stem"])
        else:
            common.append(part)
    return tuple(common), Place(layer, backward), name
