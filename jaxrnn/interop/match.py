"""From named entries to the cells they belong to: which `Row`, which layer and direction, and what does not fit.

Every row is tried, and the one with the fewest problems explains the entries. A problem is one entry that is missing,
unknown, or of the wrong shape or dtype; a source with any is refused whole.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jaxrnn.base.dtypes import FLOATS, is_float
from jaxrnn.base.errors import Said, describe, fail
from jaxrnn.compose import Stack
from jaxrnn.core.layer import Layer
from jaxrnn.interop import arithmetic, infer
from jaxrnn.interop.express import nearest, objections, with_options
from jaxrnn.interop.places import Place, cells_of, locate
from jaxrnn.interop.rows import ROWS, Row
from jaxrnn.interop.source import Entry, Source, segments
from jaxrnn.interop.untold import ask

SHARED = sorted(
    {row.library for row in ROWS if row.shared_names} - {row.library for row in ROWS if not row.shared_names}
)
MOST_CANDIDATES = 200  # prefixes that an error looks at


class Problem(NamedTuple):
    """The arguments of the error that names one entry."""

    name: str
    expected: str
    got: Any
    hint: str = ""
    kind: type[Exception] = ValueError


@dataclass
class Match:
    """One row's reading of a source."""

    row: Row
    cells: dict[Place, dict[str, Entry]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    layer: Layer | None = None
    inputs: dict[int, int] = field(default_factory=dict)  # by layer


def best_match(source: Source, layer: Layer | None, library: str | None) -> Match:
    """The row that explains a source; an error names the first entry that does not fit it."""
    if not source.entries:
        fail("source", "with arrays in it", Said("none"))
    layer = source.layer if layer is None else layer
    rows = [r for r in ROWS if library in (None, r.library) and (layer is None or r.kind in _kinds(layer))]
    if layer is None:
        rows = [r for r in rows if not r.shared_names]
        if not rows:
            expected = f"given for {library}, whose cells share names and shapes of arrays"
            fail("layer", expected, Said("None"), "Or pass the module itself.")
    against = {row: [] if layer is None else list(_objections(row, layer)) for row in rows}
    said = library is not None or layer is not None
    matches = [read(row, source, layer, said=said) for row in rows if not against[row]]
    if not matches:
        if rows:
            cells = [] if layer is None else [*cells_of(layer).values()]
            fail(*against[nearest(cells, against)][0])
        fail("layer", f"of cells that {library} has", Said(", ".join(sorted(_kinds(layer)))))  # type: ignore[arg-type]
    best = min(_telling_alone(matches, source), key=lambda m: len(m.problems))
    if best.problems:
        problem = best.problems[0]
        hint = f"{problem.hint} Read as {best.row.library} {best.row.name}.".strip()
        if not best.cells or any(p.got == EXTRA or p.kind is TypeError for p in best.problems):
            hint += _candidates(source, rows)
        hint += _by_shape(source, rows)
        hint += _of_ours(source) if layer is None and library in (None, "jaxrnn") else ""
        if library is None and layer is None:
            hint += f" Weights of {', '.join(SHARED)} and most of our own cells are read for a `layer` that is given."
        fail(problem.name, problem.expected, Said(problem.got), hint, kind=problem.kind)
    if layer is None and source.defaults is not None:
        has_bias = any(name.startswith("bias") for arrays in best.cells.values() for name in arrays)
        told = dict(option for entry in source.entries for option in entry.tells)
        best.layer = with_options(best.layer, told or source.defaults(best.row, has_bias))
    return best


def _telling_alone(matches: list[Match], source: Source) -> list[Match]:
    """The readings, where several fit by their shapes alone those whose names tell."""
    fitting = [m for m in matches if m.row.within and not m.problems]
    if len({m.row.kind for m in fitting}) < 2:
        return matches
    found = [m for m in fitting if not read(m.row, source, None).problems]
    if not found:
        ask(f"which of {', '.join(m.row.name for m in fitting)} it is")
    return found


def _kinds(layer: Layer) -> set[str]:
    return {cell.name for cell in cells_of(layer).values()}


def _objections(row: Row, layer: Layer) -> Iterator[tuple[str, str, Any]]:
    """What keeps a row from holding a layer."""
    for cell in cells_of(layer).values():
        if cell.name != row.kind:
            yield "layer", f"of one kind of cell for {row.library}", Said(f"{cell.name} beside {row.kind}")
        else:
            yield from objections(cell, row)


# ---------------------------------------------------------------- one row's reading


def read(row: Row, source: Source, layer: Layer | None, *, said: bool = False) -> Match:
    """What this row makes of the entries. What is of a cell by its shape alone is one where the user said so."""
    match = Match(row)
    _group(match, source, said)
    if not match.cells:
        match.problems += [Problem(e.name, "an entry of a cell", EXTRA) for e in source.entries if not e.refusal]
        return match
    missing = _missing_places(match, layer)
    match.problems += missing
    if missing:
        return match
    known = {} if layer is None else cells_of(layer)
    has = {p: infer.optional_arrays(row, match.cells, known.get(p)) for p in match.cells}
    sizes = {p: infer.sizes_by_vote(row, match.cells[p], has[p], known.get(p)) for p in match.cells}
    for place in sorted(match.cells):
        if sizes[place] is None:
            for entry in match.cells[place].values():
                match.problems.append(Problem(entry.name, f"of a shape that a {row.name} has", _what(entry)))
    if match.problems and any(s is None for s in sizes.values()):
        return match
    above = next((place for place in sorted(match.cells) if place.layer), None)
    if layer is None and above is not None and row.windows is not None and row.windows.padding == "valid":
        entry = next(iter(match.cells[above].values()))  # a state that loses positions has none above it
        match.problems.append(Problem(entry.name, f"of the only {row.name}", f"one of layer {above.layer}"))
        return match
    match.layer = layer or infer.build(row, {p: s for p, s in sizes.items() if s}, has)
    _check_entries(match, sizes, has)
    return match


EXTRA = "an unknown entry"


def _group(match: Match, source: Source, said: bool) -> None:
    """Entries by the cell they belong to."""
    known = {n for array in match.row.arrays for n in arithmetic.names(match.row, array).values()}
    telling = None if said or not match.row.within else _telling(match.row, source)
    paths: dict[Place, tuple[str, ...]] = {}
    for entry in source.entries:
        if entry.refusal is not None:
            what = Said(describe(entry.refusal.got))
            match.problems.append(Problem(entry.name, *entry.refusal._replace(got=what)))
            continue
        parts = segments(entry.name)
        found = locate(match.row, parts, known)
        if found is None:
            match.problems.append(Problem(entry.name, "absent", EXTRA))
            continue
        path, place, name = found
        if telling is not None and parts[: -len(segments(name))] not in telling:
            match.problems.append(Problem(entry.name, "an entry of a cell", EXTRA))
            continue
        if paths.setdefault(place, path) != path or name in match.cells.get(place, {}):
            match.problems.append(Problem(entry.name, f"part of one cell, at {'/'.join(paths[place])!r}", EXTRA))
            continue
        match.cells.setdefault(place, {})[name] = entry


def _telling(row: Row, source: Source) -> set[tuple[str, ...]]:
    """The scopes that are called after a cell of a row, or in which there is what only a cell has."""
    only = [segments(n) for array in row.arrays if array.when for n in arithmetic.names(row, array).values()]
    scopes = set()
    for parts in (segments(e.name) for e in source.entries):
        scopes |= {parts[:end] for end in range(len(parts)) if _is_called(row, (*source.at, *parts[:end]))}
        scopes |= {parts[: -len(name)] for name in only if parts[-len(name) :] == name}
    return scopes


def _is_called(row: Row, path: tuple[str, ...]) -> bool:
    return bool(path) and re.fullmatch(row.within, path[-1]) is not None


def _missing_places(match: Match, layer: Layer | None) -> list[Problem]:
    """Cells without a single entry, or beyond the layer that was given."""
    if layer is not None:
        wanted = set(cells_of(layer))
    else:
        both = any(p.backward for p in match.cells)
        wanted = {
            Place(i, b) for i in range(max(p.layer for p in match.cells) + 1) for b in ((False, True)[: both + 1])
        }
    if len(wanted) > len(match.cells) + 64:  # a layer number out of the blue
        entry = next(iter(match.cells[max(match.cells)].values()))
        return [Problem(entry.name, "of a layer whose predecessors are there", "none of them")]
    problems = [_no_cell(match, p) for p in sorted(wanted - set(match.cells))]
    for place in sorted(set(match.cells) - wanted):
        problems += [Problem(e.name, "absent for this layer", EXTRA) for e in match.cells[place].values()]
    return problems


def _no_cell(match: Match, place: Place) -> Problem:
    array = match.row.arrays[0]
    name = next(iter(arithmetic.names(match.row, array).values()))
    return Problem(f"{name} of layer {place.layer}{', backward' * place.backward}", "present", "nothing")


def _check_entries(
    match: Match, sizes: Mapping[Place, dict[str, Any] | None], has: Mapping[Place, Mapping[str, Any]]
) -> None:
    """Every array of every cell is there, with its shape and one floating dtype."""
    cells = cells_of(match.layer)  # type: ignore[arg-type]
    layers: Sequence[Layer] = match.layer.layers if isinstance(match.layer, Stack) else (match.layer,)  # type: ignore[assignment]
    dtypes = Counter(str(e.dtype) for arrays in match.cells.values() for e in arrays.values())
    common = dtypes.most_common(1)[0][0]
    for place in sorted(cells):
        size = dict(sizes[place] or {})
        if place.layer:
            size["d"] = layers[place.layer - 1].output_size
        else:
            votes = Counter(s["d"] for p, s in sizes.items() if s and not p.layer and "d" in s)
            size["d"] = votes.most_common(1)[0][0] if votes else 0  # unknown: the kernel is missing or no matrix
        match.inputs[place.layer] = size["d"]
        arrays = dict(match.cells[place])
        for array in arithmetic.present(match.row, has[place]):
            for name in arithmetic.names(match.row, array).values():
                shape = arithmetic.shape(match.row, array, size)
                entry = arrays.pop(name, None)
                expected = str(entry.dtype) if entry is not None and array.option else common  # a number's is its own
                match.problems += _fit(match, place, name, entry, shape, expected)
        match.problems += [Problem(e.name, "absent for this layer", EXTRA) for e in arrays.values()]


def _fit(match: Match, place: Place, name: str, entry: Entry | None, shape: Any, dtype: str) -> list[Problem]:
    """What is wrong with one entry: nothing, or one problem."""
    if entry is None:
        there = next(iter(match.cells[place].values())).name
        hint = f"It belongs beside {there!r}."
        if name.startswith("bias") and any(array.when == "use_bias" for array in match.row.arrays):
            hint += " For a cell without biases pass `layer` with use_bias=False."
        return [Problem(_title(match, place, name), f"an array of shape {shape}", "nothing", hint)]
    if entry.shape != shape:
        turned = entry.shape == tuple(reversed(shape)) and len(shape) > 1
        return [Problem(entry.name, f"of shape {shape}", _what(entry), "It is transposed." * turned)]
    if not is_float(entry.dtype):
        return [Problem(entry.name, f"of one of {FLOATS}", _what(entry), kind=TypeError)]
    if str(entry.dtype) != dtype:
        return [Problem(entry.name, f"of dtype {dtype}, as the other entries are", _what(entry), kind=TypeError)]
    return []


def _title(match: Match, place: Place, name: str) -> str:
    if match.row.named_by_layer:
        return f"{name}_l{place.layer}{'_reverse' * place.backward}"
    there = [entry.name for entries in match.cells.values() for entry in entries.values()]
    if any("." in other for other in there) and not any("/" in other for other in there):
        name = name.replace("/", ".")
    return f"{name} of layer {place.layer}{', backward' * place.backward}" if len(match.cells) > 1 else name


def _what(entry: Entry) -> str:
    return f"{entry.dtype}{list(entry.shape)}"


def _of_ours(source: Source) -> str:
    """Which of our own cells have arrays of these names and shapes."""
    rows = [r for r in ROWS if r.library == "jaxrnn" and r.shared_names and "backbone_layers" not in dict(r.fixed)]
    found = dict.fromkeys(row.kind for row in rows if not read(row, source, None).problems)
    if not found:
        return ""
    return (
        f" Names and shapes are those of our {', '.join(found)}: pass `layer`, such as jaxrnn.{next(iter(found))}(H)."
    )


def _candidates(source: Source, rows: Iterable[Row]) -> str:
    """The prefixes under which there is a whole cell, from the top of what was given."""
    found = heads(source, rows)
    several = ", or some of them in their order for a stack" if len(found) > 1 else ""
    return "" if not found else f" Pass `prefix`, one of {', '.join(map(repr, found[:12]))}{several}."


def heads(source: Source, rows: Iterable[Row] | None = None) -> list[str]:
    """The prefixes under which there is a whole layer that one of the rows explains."""
    rows = [row for row in ROWS if not row.shared_names] if rows is None else list(rows)
    paths = {segments(e.name)[:length] for e in source.entries for length in range(1, len(segments(e.name)))}
    found: list[tuple[str, ...]] = []
    for head in sorted(paths, key=lambda h: (len(h), h))[:MOST_CANDIDATES]:
        if any(head[: len(f)] == f for f in found):
            continue
        inside = tuple(
            e._replace(name="/".join(segments(e.name)[len(head) :]))
            for e in source.entries
            if segments(e.name)[: len(head)] == head
        )
        if any(not read(row, Source(inside, at=(*source.at, *head)), None).problems for row in rows):
            found.append(head)
    return ["/".join((*source.at, *head)) for head in found]


def _by_shape(source: Source, rows: Iterable[Row]) -> str:
    """Whose cell it could be, where shapes alone would say so."""
    for row in rows:
        if row.within and not read(row, source, None, said=True).problems:
            return (
                f" Names and shapes are those of other layers too: pass library={row.library!r} if it is a {row.name}."
            )
    return ""
