"""What a table of many cells says when its lines are put beside each other: who is behind, and what of what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jaxrnn.bench.cases import FORMS, Case

LONGER = 1.5  # than an LSTM's compilation is an exception


def beside(kind: str, rows: list[Any]) -> list[str]:
    """Notes on a table's rows."""
    times = {row.case: next(iter(row.cells.values())).value for row in rows}  # of the first contestant
    medians = {case: value.median for case, value in times.items() if value is not None}
    if kind in ("trace", "compile"):
        return _longer(medians)
    return [*_behind(rows), *filter(None, (_of_parts(case, medians) for case in medians))]


def _longer(medians: dict[Case, float]) -> list[str]:
    usual = next((time for case, time in medians.items() if case.cell == "lstm" and not case.recurrent), None)
    if usual is None:
        return []
    found = [f"{case.cell} {time / usual:.2f}" for case, time in medians.items() if time > LONGER * usual]
    return [f"times as long as an lstm's, {usual:.0f} ms, where above {LONGER}: {', '.join(found) or 'none'}"]


def _behind(rows: list[Any]) -> list[str]:
    """Where another contestant is faster than the first."""
    lost: dict[str, list[str]] = {}
    for row in rows:
        for name, cell in row.cells.items():
            if cell.ratio is not None and cell.ratio.median < 1:
                lost.setdefault(name, []).append(f"{row.case.cell} {cell.ratio.median:.2f}")
    return [f"behind {name}: {', '.join(found)}" for name, found in lost.items()]


def _of_parts(case: Case, medians: dict[Case, float]) -> str | None:
    """How a form's time compares with the sum of inputs, its share of the recurrent product, and gates.

    All three are a dense LSTM's: with inputs less without them; those less with a diagonal kernel, which makes no
    product; and that one.
    """
    if case.cell == "slstm":
        alike = medians.get(replace(case, cell="lstm", recurrent="heads(4)"))
        return None if alike is None else f"slstm: {medians[case] / alike:.2f} times lstm heads(4)"
    if not case.recurrent or case.projected:
        return None
    whole, projected, gates = (
        medians.get(replace(case, recurrent=form, projected=without))
        for form, without in (("", False), ("", True), ("diagonal", True))
    )
    if whole is None or projected is None or gates is None:
        return None
    inputs, product = whole - projected, (projected - gates) * FORMS[case.recurrent].share
    parts = f"{inputs:.1f} ms of inputs, {product:.1f} of its recurrent product, {gates:.1f} of gates"
    return f"{case.recurrent}: {medians[case] / (inputs + product + gates):.2f} times the sum of {parts}"
