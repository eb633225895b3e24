"""Tables for readers: Markdown for files, rich for terminals."""

from __future__ import annotations

import math
from typing import Any

from jaxrnn.bench.tables import FASTEST, Cell, Row, Table, make_tables

LEGEND = (
    "Medians over rounds; in brackets the ratio to the first contestant, pair by pair in each round: above 1 that "
    "one is faster (or smaller). Bold: the best of a case. Means are geometric. Cases are B, T, D, H. Those named "
    "`kept`, and ours unless `plain`, keep the memory that they free (`jaxrnn.keep_memory`)."
)


def describe(record: dict[str, Any]) -> str:
    """Device, thread counts, versions and settings in one line.

    >>> describe({"machine": dict(cpu="X", cores=2, device="cpu", versions={"jax": "0.10.2"}, environment={})})
    'X, 2 cores, device cpu; jax 0.10.2'
    """
    machine = record["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    variables = "".join(f"; {name}={value}" for name, value in machine["environment"].items())
    text = f"{machine['cpu']}, {machine['cores']} cores, device {machine['device']}; {versions}{variables}"
    if rates := record.get("rates"):
        products = ", ".join(f"{rate / 1e9:.0f} GFLOP/s in {dtype}" for dtype, rate in rates["products"].items())
        reads = ", ".join(f"{rate / 1e9:.0f} GB/s from {level}" for level, rate in rates["bandwidth"].items())
        text += f". In the same run products reached {products}; reading {reads}"
    return text


def to_markdown(record: dict[str, Any]) -> str:
    """The record as Markdown: wins, losses, and what was not measured."""
    parts = [f"{describe(record)}.", LEGEND]
    for table in make_tables(record):
        head, *body = _grid(table, bold="**")
        lines = [head, ["---"] * len(head), *body]
        parts.append(f"**{table.title}**")
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
        parts += ["\n".join(f"- {note}" for note in table.notes)] if table.notes else []
    return "\n\n".join(parts) + "\n"


def print_tables(record: dict[str, Any], console: Any) -> None:
    """The record on a terminal."""
    from rich.markup import escape
    from rich.table import Table as Drawn

    for table in make_tables(record):
        head, *body = _grid(table, bold="")
        drawn = Drawn(title=escape(table.title), title_justify="left")
        for number, word in enumerate(head):
            drawn.add_column(escape(word), justify="right" if number else "left", overflow="fold")
        best = [None, *(row.best for row in table.rows), None]
        for number, line in enumerate(body):
            winner = table.rows[number].best if table.tall and number < len(table.rows) else None
            won = [word == winner for word in head] if table.tall else [n is not None and n == line[0] for n in best]
            drawn.add_row(*(f"[bold green]{escape(t)}[/]" if w else escape(t) for t, w in zip(line, won, strict=False)))
        console.print(drawn)
        for note in table.notes:
            console.print(escape(note), style="dim")
    console.print(escape(LEGEND.replace("Bold", "Green")), style="dim")
    console.print(escape(describe(record)), style="dim")


def _tall(table: Table, bold: str) -> list[list[str]]:
    """Head, one line a case with every contestant's time, share of the machine's rate, and page faults a call."""
    cells = [cell for row in table.rows for cell in row.cells.values()]
    shares, faults = any(c.share is not None for c in cells), any(c.faults is not None for c in cells)
    grid = [["case"]]
    for name in table.columns:
        grid[0] += [name, *(["of the rate"] if shares else []), *(["faults"] if faults else [])]
    for row in table.rows:
        line = [row.label + ("~" if row.disturbed else "")]
        for name in table.columns:
            cell, mark = row.cells[name], bold if name == row.best else ""
            line.append(f"{mark}{_text(cell)}{mark}")
            line += ["" if cell.share is None else f"{cell.share:.2f}"] if shares else []
            line += ["" if cell.faults is None else f"{cell.faults:.0f}"] if faults else []
        grid.append(line)
    last = ["mean ratio"]
    for name in table.columns:
        mean = table.mean(name)
        last += ["" if mean is None else f"{mean:.2f}", *([""] * (shares + faults))]
    return [*grid, last] if len(table.rows) > 1 and any(last[1:]) else grid


def _grid(table: Table, bold: str) -> list[list[str]]:
    """Head, one line a contestant, and one for the fastest peer: many libraries, few cases."""
    if table.tall:
        return _tall(table, bold)
    peers = table.columns[1:]
    means = {name: table.mean(name) for name in (*peers, FASTEST)}
    judged = any(row.peer is not None for row in table.rows)
    grid = [["case", *table.columns, *([FASTEST] if judged else [])]]
    for row in table.rows:
        texts = [_text(row.cells[name]) for name in table.columns]
        texts = [
            f"{bold}{text}{bold}" if name == row.best else text for name, text in zip(table.columns, texts, strict=True)
        ]
        grid.append([row.label + ("~" if row.disturbed else ""), *texts, *([_peer(row)] if judged else [])])
    if len(table.rows) > 1 and any(mean is not None for mean in means.values()):
        columns = [*peers, *([FASTEST] if judged else [])]
        texts = ["" if (mean := means[name]) is None else f"{mean:.2f}" for name in columns]
        grid.append(["mean ratio", "", *texts])
    return [list(line) for line in zip(*grid, strict=True)]


def _text(cell: Cell) -> str:
    if cell.value is None:
        return {"declined": "", "absent": ""}.get(cell.status, cell.status)
    return _number(cell.value.median) + (f" ({cell.ratio.median:.2f})" if cell.ratio is not None else "")


def _peer(row: Row) -> str:
    found = row.cells[row.peer].ratio if row.peer is not None else None
    return "" if found is None else f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})"


def _number(value: float) -> str:
    """Three digits that count, and no exponent.

    >>> [_number(v) for v in (0.12345, 1.2345, 12.345, 123.45, 12345.0)]
    ['0.123', '1.23', '12.3', '123', '12345']
    """
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if value > 0 else f"{value:.0f}"
