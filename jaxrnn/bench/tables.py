"""A record as tables: medians, ratios to ours round by round, who is fastest, and what was not measured and why."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxrnn.base.errors import Said, fail
from jaxrnn.bench.beside import beside
from jaxrnn.bench.cases import Case
from jaxrnn.bench.machine import TENTH
from jaxrnn.bench.ratios import Summary, geometric_mean, ratio, summarize
from jaxrnn.bench.suites import SUITES

# kind -> title, unit, factor
KINDS = {
    "train": ("training step", "ms", 1e3),
    "forward": ("forward pass", "ms", 1e3),
    "step": ("one step", "us", 1e6),
    "step donated": ("one step, carry donated", "us", 1e6),
    "trace": ("tracing a training step", "ms", 1e3),
    "compile": ("compiling a training step", "ms", 1e3),
    "instructions": ("instructions of a compiled training step", "", 1.0),
    "temporaries": ("temporary memory of a training step", "MB", 1e-6),
    "gradients": ("outputs, and gradients of a given cotangent", "ms", 1e3),
    "update": ("update of a training run", "ms", 1e3),
}
FASTEST = "fastest JAX peer"


class Cell(NamedTuple):
    """One contestant on one case."""

    value: Summary | None  # in the table's unit; None where nothing was measured
    ratio: Summary | None  # to ours; above one, ours is faster (or smaller)
    status: str
    share: float | None = None  # of the machine's rate, of products or of traffic
    faults: float | None = None  # minor page faults a call


class Row(NamedTuple):
    """One case."""

    case: Case
    label: str
    cells: dict[str, Cell]
    peer: str | None  # the fastest JAX peer
    disturbed: float  # the most cores that others took in a round that counts, where that is too much; else 0

    @property
    def best(self) -> str | None:
        """The contestant with the smallest median."""
        measured = {name: cell.value.median for name, cell in self.cells.items() if cell.value is not None}
        return min(measured, key=measured.__getitem__, default=None)


class Table(NamedTuple):
    """All cases of one kind of measurement and one cell."""

    title: str
    columns: list[str]  # contestants, ours first
    rows: list[Row]
    notes: list[str]
    alike: bool  # cases that differ in their sizes alone, so that a mean over them says something
    tall: bool = False  # many cases: one a line, with shares and faults

    def mean(self, name: str) -> float | None:
        """The geometric mean of a contestant's ratios over like cases; `FASTEST` is a contestant too."""
        if not self.alike:
            return None
        cells = [row.cells.get((row.peer or "") if name == FASTEST else name) for row in self.rows]
        ratios = [cell.ratio.median for cell in cells if cell is not None and cell.ratio is not None]
        return geometric_mean(ratios) if ratios else None


def read_records(paths: Sequence[Path]) -> dict[str, Any]:
    """Several records as one; a case that is measured again counts in its last measurement.

    Raises:
        ValueError: a file is no record, or the records are of unlike machines, versions or first contestants.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        try:
            record = json.loads(path.read_text())
        except json.JSONDecodeError as error:
            fail("report", "records that `jaxrnn bench --json` wrote", Said(f"{path}, which is not JSON: {error}"))
        if not isinstance(record, dict) or not {"machine", "contestants", "results"} <= record.keys():
            fail("report", "records that `jaxrnn bench --json` wrote", Said(str(path)))
        if not merged:
            merged = record
            continue
        if (first := merged["machine"]) != record["machine"]:
            fail(
                "report",
                f"records with the machine of {paths[0]}",
                Said(f"{path}"),
                f"{first} against {record['machine']}",
            )
        both = merged["contestants"] + record["contestants"]
        if record["contestants"][:1] != both[:1]:
            fail("report", f"records with the first contestant of {paths[0]}, {both[:1]}", Said(f"{path}"))
        merged["contestants"] = [c for i, c in enumerate(both) if c not in both[:i]]
        again = {_measured(result) for result in record["results"]}
        merged["results"] = [r for r in merged["results"] if _measured(r) not in again] + record["results"]
    return merged


def make_tables(record: dict[str, Any]) -> list[Table]:
    """The tables of a record, kind by kind and cell by cell, with their cases in the order of measurement."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for result in record["results"]:
        case, suite = Case(**result["case"]), SUITES.get(result.get("suite", ""))
        if suite is not None and suite.together:
            key = (result["kind"], suite.name, "")
        elif suite is not None and suite.rated:
            key = (result["kind"], case.cell, suite.name)
        else:
            key = (result["kind"], case.cell, _group(result["kind"], case))
        groups.setdefault(key, []).append(result)
    kinds = list(KINDS)
    keys = sorted(groups, key=lambda key: kinds.index(key[0]))
    return [_table(*key, groups[key], record["contestants"]) for key in keys]


def _group(kind: str, case: Case) -> str:
    """What stands in a table of its own, so that a geometric mean is over like cases."""
    if case.chunk is not None:
        return f"chunk={case.chunk}"
    return "variants" if case.traits and kind in ("train", "forward") else ""


def _table(kind: str, cell: str, group: str, results: list[dict[str, Any]], contestants: list[dict[str, str]]) -> Table:
    title, unit, factor = KINDS[kind]
    per_step = kind == "train" and group.startswith("chunk")
    if per_step:
        unit, factor = "us a time step", 1e6
    by_case: dict[Case, dict[str, dict[str, Any]]] = {}
    for result in results:
        by_case.setdefault(Case(**result["case"]), {})[result["contestant"]] = result
    taking_part = {r["contestant"] for r in results if r["status"] != "declined"}
    columns = [c["name"] for c in contestants if c["name"] in taking_part or c is contestants[0]]
    jax_peers = [c["name"] for c in contestants if c["role"] == "jax"]
    rows = [
        _row(case, found, columns, jax_peers, factor / case.T if per_step else factor)
        for case, found in by_case.items()
    ]
    tall = cell in SUITES or group in SUITES
    if cell in SUITES:
        sizes = dict.fromkeys(_sizes(case) for case in by_case)
        group = next(iter(sizes)) if len(sizes) == 1 else ""
        rows = [row._replace(label=" ".join([row.case.cell, *row.case.traits])) for row in rows]
    words = filter(None, [f"{cell}: {title}", group, unit])
    notes = _notes(results, rows)
    if cell in SUITES:
        notes += beside(kind, rows)
    elif not tall:
        notes += _faults(columns, rows)
    return Table(", ".join(words), columns, rows, notes, alike=group != "variants", tall=tall)


def _faults(columns: list[str], rows: list[Row]) -> list[str]:
    """Of each contestant that has any, case by case."""
    found = {name: [row.cells[name].faults for row in rows] for name in columns}
    return [
        f"{name}: {', '.join('-' if n is None else f'{n:.0f}' for n in numbers)} page faults a call"
        for name, numbers in found.items()
        if any(n is not None and n >= 1 for n in numbers)
    ]


def _row(case: Case, found: dict[str, dict[str, Any]], columns: list[str], jax_peers: list[str], factor: float) -> Row:
    ours = found.get(columns[0], {}).get("rounds", [])
    cells = {}
    for name in columns:
        result = found.get(name, {"rounds": [], "status": "absent"})
        rounds = result["rounds"]
        cells[name] = Cell(
            summarize([factor * t for t in rounds]) if rounds else None,
            ratio(rounds, ours) if rounds and ours and name != columns[0] else None,
            result["status"],
            result["at_best"] / statistics.median(rounds) if rounds and "at_best" in result else None,
            statistics.median(result["faults"]) if result.get("faults") else None,
        )
    times = {name: cells[name].value for name in jax_peers if name in cells}
    medians = {name: value.median for name, value in times.items() if value is not None}
    others = [o for result in found.values() for o in result["others"] if o is not None]
    worst = max(others, default=0.0)
    label = " ".join([_sizes(case), *case.traits])
    peer = min(medians, key=medians.__getitem__, default=None)
    return Row(case, label, cells, peer, worst if worst > TENTH else 0.0)


def _sizes(case: Case) -> str:
    return f"{case.B}, {case.T}, {case.D}, {case.H}"


def _notes(results: Iterable[dict[str, Any]], rows: list[Row]) -> list[str]:
    """What a reader must know beside the numbers, each said once."""
    declined: dict[str, dict[str, None]] = {}
    seen: dict[str, None] = {}
    for r in results:
        if r["status"] == "declined":
            declined.setdefault(r["contestant"], {})[r["reason"]] = None
        elif r["status"] != "measured":
            seen[f"{r['contestant']} {r['status']} at {Case(**r['case'])}: {r['reason']}"] = None
        elif r["note"]:
            seen[f"{r['contestant']} {r['note']}"] = None
        if None in r["others"]:
            seen["what other processes took is not known on this system"] = None
    for name, reasons in declined.items():
        seen[f"{name} takes no part where it {', '.join(reasons)}"] = None
    for row in rows:
        if row.disturbed:
            seen[f"~ {row.label}: other processes took up to {row.disturbed:.2f} cores, at the third try too"] = None
    return list(seen)


def _measured(result: dict[str, Any]) -> tuple[Case, str]:
    return Case(**result["case"]), result["kind"]
