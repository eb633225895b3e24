"""Our own parameters of stacks and of both directions, by the names that these have: each cell is read by itself."""

from __future__ import annotations

from jaxrnn.compose import bidirectional, stack
from jaxrnn.core.layer import Layer
from jaxrnn.interop.match import Match, read
from jaxrnn.interop.rows import ROWS
from jaxrnn.interop.source import Source, below, segments

WAYS = ["backward", "forward"]


def own_tree(source: Source) -> tuple[Layer, dict[str, Match]] | None:
    """The layer, and by path what was made of each cell; None where it is no tree of cells that names and shapes tell.

    A tree does not hold what has no parameters: dropout, merges, residual connections, layers that run backward alone.
    """
    if source.layer is not None or source.library is not None or source.parts:
        return None
    heads = sorted({segments(entry.name)[0] for entry in source.entries})
    numbered = [f"layer_{i}" for i in range(len(heads))]
    if not heads or heads not in (sorted(numbered), WAYS) or not all(len(segments(e.name)) > 1 for e in source.entries):
        return None
    layers: list[Layer] = []
    matches: dict[str, Match] = {}
    for head in numbered if heads != WAYS else reversed(WAYS):
        part = below(source, head)
        inner = own_tree(part) or _own_cell(part)
        if inner is None:
            return None
        layers.append(inner[0])
        matches |= {f"{head}/{path}" if path else head: match for path, match in inner[1].items()}
    return bidirectional(*layers) if heads == WAYS else stack(layers), matches


def _own_cell(source: Source) -> tuple[Layer, dict[str, Match]] | None:
    """One cell of ours."""
    rows = (row for row in ROWS if row.library == "jaxrnn" and not row.shared_names)
    match = next((found for row in rows if not (found := read(row, source, None)).problems), None)
    return None if match is None or match.layer is None else (match.layer, {"": match})
