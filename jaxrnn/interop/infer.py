"""What names and shapes alone tell of a cell: its options, its sizes, and the layer that they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from jaxrnn.compose import bidirectional, stack
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import Layer
from jaxrnn.forms.convolution import LETTERS, convolution
from jaxrnn.interop import arithmetic
from jaxrnn.interop.express import make_cell, options_of
from jaxrnn.interop.parameters import WINDOWS, windows_of
from jaxrnn.interop.places import Place
from jaxrnn.interop.rows.row import Array, Row
from jaxrnn.interop.source import Entry

Cells = Mapping[Place, Mapping[str, Entry]]  # the entries of each cell, by the names that its row has


def optional_arrays(row: Row, cells: Cells, cell: Cell | None) -> dict[str, Any]:
    """Which optional arrays a cell has: those of a known cell, else those that are there for any cell."""
    options = [a.when for a in row.arrays if a.when]
    if cell is not None:
        has = options_of(cell)
        return {name: has[name] is not None and has[name] is not False for name in options}
    found: dict[str, Any] = {}
    for option in options:
        names = [n for a in row.arrays if a.when == option for n in arithmetic.names(row, a).values()]
        there = sum(n in arrays for arrays in cells.values() for n in arrays if n in names)
        # One array that is not there may be lost; two are left out on purpose.
        lost = option == "use_bias" and len(names) * len(cells) == 1
        found[option] = bool(there) or lost
    return found


def _by_axis(array: Array, shape: tuple[int, ...]) -> list[tuple[str, Any]] | None:
    """Each axis of a foreign array with its size, a window with a tuple of them; None where there are more or less."""
    axes, sizes = array.axes.split(), list[Any](shape)
    if axes and axes[0] in WINDOWS:
        window = len(shape) - len(axes) + 1
        sizes = [shape[:window], *shape[window:]] if 1 <= window <= len(LETTERS) else []
    return list(zip(axes, sizes, strict=True)) if len(axes) == len(sizes) else None


def sizes_by_vote(
    row: Row, arrays: Mapping[str, Entry], has: Mapping[str, Any], cell: Cell | None
) -> dict[str, Any] | None:
    """The sizes behind the axes, as most arrays of the cell have them."""
    votes: dict[str, Counter[Any]] = {letter: Counter() for letter in ("d", "h", "r", "p", *WINDOWS)}
    pairs = [
        (array, found)
        for array in arithmetic.present(row, has)
        for name in arithmetic.names(row, array).values()
        if name in arrays and (found := _by_axis(array, arrays[name].shape)) is not None
    ]
    projected = bool(has.get("projection"))
    for array, found in pairs:
        gates = {f"{letter}h": len(arithmetic.gates_in(row, array, letter)) for letter in "gk"}
        for axis, n in found:
            if axis in WINDOWS:
                votes["w" if row.windows is not None and row.windows.state else axis][n] += 1
                continue
            units = {**gates, "h": 1, "u": 1}.get(axis)
            if units and n and n % units == 0:
                votes["h"][n // units] += 1
            elif axis in "drp" and n:
                votes[{"r": "p" if projected else "h"}.get(axis, axis)][n] += 1
    sizes = {letter: counts.most_common(1)[0][0] for letter, counts in votes.items() if counts}
    if "w" in sizes:
        sizes.setdefault("v", sizes["w"])
    if cell is not None:
        sizes |= {"h": cell.size, "p": cell.output_size} | windows_of(cell)
        projected = cell.output_size != cell.size or projected
    if row.windows is not None and not {"w", "v"} <= sizes.keys():
        return None
    if "h" not in sizes or (projected and "p" not in sizes):
        return None
    sizes["r"] = sizes["p"] = sizes["p"] if projected else sizes["h"]
    above = [n for _, found in pairs for axis, n in found if axis == "+"]
    inputs = Counter(both - sizes["r"] for both in above if both > sizes["r"])
    return ({"d": inputs.most_common(1)[0][0]} if inputs else {}) | sizes


def build(row: Row, sizes: Mapping[Place, dict[str, Any]], has: Mapping[Place, Mapping[str, Any]]) -> Layer:
    """The layer that names and shapes tell."""

    def cell(place: Place) -> Cell:
        options = dict(has[place]) | dict(row.fixed)
        if "projection" in options:
            options["projection"] = sizes[place]["p"] if options["projection"] else None
        if row.windows is not None:
            window, state = (sizes[place][letter] for letter in WINDOWS)
            options |= {"input": convolution(window, padding=row.windows.padding), "recurrent": convolution(state)}
        return make_cell(row.kind, sizes[place]["h"], options)

    both = any(p.backward for p in sizes)
    layers: list[Layer] = []
    for i in range(max(p.layer for p in sizes) + 1):
        forward = cell(Place(i))
        layers.append(bidirectional(forward, cell(Place(i, True))) if both else forward)
    return layers[0] if len(layers) == 1 else stack(layers)
