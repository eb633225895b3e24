"""One cell as another library has it: the class that can hold it, and that class's arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Params
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import Layer
from jaxrnn.interop import arithmetic
from jaxrnn.interop.express import options_of, row_for
from jaxrnn.interop.places import Place, path_of
from jaxrnn.interop.rows import ROWS, Row


def cell_arrays(layer: Layer, params: Params, place: Place, cell: Cell, row: Row) -> dict[str, Any]:
    """One cell's arrays as the library has them."""
    ours: Any = params
    for part in path_of(layer, place):
        ours = ours[part]
    host = {name: np.asarray(a) for name, a in ours.items()}
    options = options_of(cell)
    has = {name: value is not None and value is not False for name, value in options.items()}
    return arithmetic.to_theirs(row, cell, cell.input_size(ours), host, has)


def row_of(cell: Cell, library: str, name: str | None, *, single: bool) -> Row:
    """The library's class that can hold a cell: the one that is named, else the first; an error says why none can."""
    rows = [r for r in ROWS if r.library == library and r.kind == cell.name]
    if name is not None:
        classes = [r.name for r in ROWS if r.library == library]
        rows = [r for r in rows if r.name == name]
        if not rows:
            fail("cell", f"a class of {library} that holds a {cell.name}, out of {classes}", name)
    if not rows:
        kinds = sorted({r.kind for r in ROWS if r.library == library})
        fail("layer", f"of cells that {library} has, {kinds}", Said(cell.name))
    return row_for(cell, rows)
