"""A record as a picture: how many times as long each contestant takes as ours, with quartiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jaxrnn.bench.tables import Table, make_tables


def draw(record: dict[str, Any], path: Path) -> None:
    """One panel a table, one group of bars a case, one bar a contestant, on a logarithmic axis.

    Args:
        record: a record of `runner.run`.
        path: a PNG file to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tables = [table for table in make_tables(record) if len(table.columns) > 1]
    names = [c["name"] for c in record["contestants"]][1:]
    heights = [1.0 + 0.16 * sum(len(row.cells) for row in table.rows) for table in tables] or [1.0]
    figure = Figure(figsize=(8, sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(max(len(tables), 1), squeeze=False, height_ratios=heights)[:, 0]
    for axes, table in zip(panels, tables, strict=False):
        _panel(axes, table, {name: f"C{i}" for i, name in enumerate(names)})
    figure.savefig(path, format="png", dpi=120)


def _panel(axes: Any, table: Table, colors: dict[str, str]) -> None:
    place, ticks, shown = 0, [], set()
    for row in table.rows:
        start = place
        for name in table.columns[1:]:
            found = row.cells[name].ratio
            if found is None:
                continue
            error = [[found.median - found.low], [found.high - found.median]]
            label = name if name not in shown else None
            shown.add(name)
            axes.barh(place, found.median - 1, left=1, xerr=error, color=colors[name], label=label)
            place += 1
        ticks.append(((start + place - 1) / 2, row.label))
        place += 1
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks([at for at, _ in ticks], [label for _, label in ticks])
    axes.invert_yaxis()
    axes.set(title=f"{table.title}: times {table.columns[0]}'s (right of 1: {table.columns[0]} wins)")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="x", which="both", labelsize="small")
    if shown:
        axes.legend(fontsize="small")
