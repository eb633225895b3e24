"""The pages of the collection: what is computed of each cell, beside its docstring and its picture."""

from __future__ import annotations

import json
import math
from inspect import signature
from pathlib import Path
from statistics import median
from typing import Any

import jax
import pictures
from choices import DIFFERENCES, PURPOSE, peers_of
from rooms import factories, put

import jaxrnn
from jaxrnn.base.platform import made_for
from jaxrnn.cells import FAMILIES
from jaxrnn.core.cell import Cell

UNITS = 128
ROOT = Path(__file__).parent.parent.parent
BENCH = ROOT / "configs/results/bench_cells.json"


def factory_of(row: str) -> str:
    """The factory of a row of the collection: `lstm 1997, truncated gradient` is of `lstm_1997`."""
    return row.split(",")[0].replace(" ", "_")


def rows_of() -> dict[str, tuple[str, list[str]]]:
    """Factory -> its family, and its rows."""
    found: dict[str, tuple[str, list[str]]] = {}
    for family, rows in FAMILIES.items():
        for row in rows:
            found.setdefault(factory_of(row), (family, []))[1].append(row)
    return found


def made(row: str, size: int = UNITS) -> Cell:
    """A row's cell."""
    return next(rows[row] for rows in FAMILIES.values() if row in rows)(size)


def shapes(cell: Cell) -> dict[str, tuple[int, ...]]:
    """Parameters of a cell of `UNITS` units and as many inputs."""
    drawn = jax.eval_shape(lambda: cell.init(jax.random.key(0), cell.made_for or UNITS))
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape for path, leaf in _leaves(drawn)}


def _leaves(tree: Any) -> Any:
    return jax.tree_util.tree_leaves_with_path(tree)


def count(cell: Cell) -> int:
    """How many numbers it has."""
    return sum(math.prod(shape) for shape in shapes(cell).values())


def takes(cell: Cell) -> dict[str, str | None]:
    """Backend -> None, or why it declines."""
    explained, on_tpus = jaxrnn.explain(cell), _on_tpus(cell)
    runs = explained.cells[0][2]
    why = {name: reason for _, name, reason in explained.reasons}
    declined = {
        name: reason.removeprefix("declines: ") for name, reason in why.items() if reason.startswith("declines")
    }
    return {name: None if name == runs else (declined | on_tpus).get(name) for name in jaxrnn.backends()}


def _on_tpus(cell: Cell) -> dict[str, str | None]:
    """What runs on TPUs alone, by what it says there."""
    with made_for("tpu"):
        there = {name: reason for _, name, reason in jaxrnn.explain(cell).reasons}
    reason = there["pallas"]
    return {"pallas": reason.removeprefix("declines: ") if reason.startswith("declines") else None}


def speeds() -> dict[str, float]:
    """Row -> training time in units of an LSTM's, as recorded; what was not measured is not there."""
    if not BENCH.exists():  # `jaxrnn bench cells --json` of a machine that has nothing else to do
        return {}
    record = json.loads(BENCH.read_text())
    timed = {
        result["case"]["cell"]: median(result["rounds"])
        for result in record["results"]
        if result["kind"] == "train" and result["contestant"] == "auto" and result["status"] == "measured"
    }
    return {row: seconds / timed["lstm"] for row, seconds in timed.items()}


def page(factory: str, family: str, rows: list[str], speed: dict[str, float]) -> list[str]:
    """The page of a factory."""
    cells = {row: made(row) for row in rows}
    first = cells[rows[0]]
    backends = takes(first)
    lines = [f"# {factory}", "", f"*{family[0].upper()}{family[1:]}.* For: {PURPOSE[factory]}.", ""]
    lines += ["```{eval-rst}", f".. autofunction:: jaxrnn.{factory}", "```", ""]
    lines += [f"## In numbers, with {UNITS} units and inputs", ""]
    lines += ["| as in | gates | parameters | training time |", "| --- | --- | ---: | ---: |"]
    for row, cell in cells.items():
        ratio = f"{speed[row]:.2f} times an `lstm`'s" if row in speed else "not measured"
        lines.append(f"| `{cell!r}` | {' '.join(cell.gates)} | {count(cell):,} | {ratio} |")
    lines += ["", "| parameter | shape |", "| --- | --- |"]
    lines += [f"| `{name}` | {list(shape)} |" for name, shape in shapes(first).items()]
    carry = first.carry_shapes(("B",))
    fields = zip(first.carry_type._fields, carry, strict=True)  # type: ignore[attr-defined]
    state = ", ".join(f"`{name} [{', '.join(map(str, shape))}]`" for name, shape in fields)
    lines += ["", f"State: `{first.carry_type.__name__}`, of {state}."]
    if first.per_step:
        lines.append(f"Inputs by name, for each step (`per_step=`): {', '.join(f'`{n}`' for n in first.per_step)}.")
    if first.made_for:
        others = " unless `inputs=` says how many" if "inputs" in signature(getattr(jaxrnn, factory)).parameters else ""
        lines.append(f"It sees its input as it is: as many inputs as units{others}.")
    lines += ["", "## What runs it", "", "| backend | |", "| --- | --- |"]
    for name, why in backends.items():
        place = ", on TPUs and GPUs" if name == "pallas" else ""
        lines.append(f"| `{name}`{place} | {'yes' if why is None else f'declines: {_cell(why)}'} |")
    lines += ["", "## What it does before training", ""]
    lines += [f"![Response of {factory} to an impulse, beside an lstm](pictures/{factory}.svg)", ""]
    lines += [
        "How far an impulse at the first step moves the outputs, over random inputs, and for how many steps each unit"
    ]
    lines += ["feels it above a tenth of its peak; 64 units, as they are initialised. Grey: an `lstm`.", ""]
    lines += ["## Compared with", "", *_compared(factory), ""]
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _compared(factory: str) -> list[str]:
    lines = ["- NumPy in float64, written from the paper (`tests/table.py`): outputs and all gradients within 1e-10."]
    for library, file in peers_of(factory):
        lines.append(f"- {library}, live (`tests/peers/{file}`): outputs within 1e-10, gradients within 1e-9.")
    if factory in DIFFERENCES:
        lines += ["", f"Where others differ: {DIFFERENCES[factory]}"]
    return lines


def overview(table: dict[str, tuple[str, list[str]]], speed: dict[str, float], memory: dict[str, int]) -> list[str]:
    """The table to choose by."""
    text = f"""# The collection

{len(table)} factories; each is tested beside a float64 reference written from its paper, and where there is one beside
its live peer. Numbers are of {UNITS} units and as many inputs. *Time* is that of a training step beside an `lstm`'s of
the same size on two cores (512 units, 32 rows, 128 steps; `jaxrnn bench cells`): below 1 is faster, and "?" is not
recorded yet. *Felt* is for how many steps half of the units feel an impulse before training, of 256 at most.
*Parallel*: all steps can be run at once.

If you don't know which: an `lstm` or a `gru`; for thousands of steps `min_gru`, `lru` or `s5`; for times that are not
regular `cfc` or `gru_d`; for the smallest devices `fast_grnn`.
"""
    lines = [*text.splitlines(), ""]
    for family in FAMILIES:
        lines += [f"## {family[0].upper()}{family[1:]}", ""]
        lines += [
            "| cell | what for | parameters | time | felt | parallel |",
            "| --- | --- | ---: | ---: | ---: | --- |",
        ]
        for factory, (of, rows) in table.items():
            if of == family:
                cell = made(rows[0])
                ratio = f"{speed[rows[0]]:.2f}" if rows[0] in speed else "?"
                parallel = "yes" if takes(cell)["associative"] is None else "no"
                link = f"[`{factory}`]({factory}.md)"
                lines.append(
                    f"| {link} | {PURPOSE[factory]} | {count(cell):,} | {ratio} | {memory[factory]} | {parallel} |"
                )
        lines.append("")
    return [*lines, "```{toctree}", ":hidden:", *sorted(table), "```"]


def write(folder: Path) -> None:
    """All pages, their pictures, the overview."""
    folder.mkdir(exist_ok=True)
    table, speed = rows_of(), speeds()
    if missing := set(factories()) ^ table.keys() | table.keys() ^ PURPOSE.keys():
        raise ValueError(
            f"the collection, its factories and `PURPOSE` must name the same cells, and differ in {missing}"
        )
    memory = pictures.write(folder / "pictures", {factory: rows[0] for factory, (_, rows) in table.items()})
    for factory, (family, rows) in table.items():
        put(folder / f"{factory}.md", page(factory, family, rows, speed))
    put(folder / "index.md", overview(table, speed, memory))
