"""The page of measurements, from the records in `configs/results`: what was measured, and where others are faster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rooms import put

from jaxrnn.bench.report import to_markdown
from jaxrnn.bench.tables import make_tables, read_records

ROOT = Path(__file__).parent.parent.parent
RECORDS = {
    "Beside other JAX libraries, and torch": ("lstm", "gru", "elman"),
    "One step at a time": ("step",),
    "Two layers, both directions": ("layers",),
    "Many shapes, beside torch": ("shapes",),
    "Whole applications": ("applications",),
    "Forms of recurrent kernels": ("forms",),
    "All cells, beside a plain scan": ("cells",),
    "Linear recurrences alone, by algorithm, and as a fraction of reading and writing their arrays": ("recurrences",),
    "A minimal GRU and a GRU on long sequences": ("linear",),
    "Agents, beside the layer that they copy": ("agents",),
    'Long sequences with `chunk="sqrt"`': ("long",),
}
HEAD = """# Speed, and where we lose

Every number here is from a record in `configs/results`, with its machine and versions; a library's counts after its
outputs and gradients agreed with ours. Each library ran in a process of its own, all in turn, round by
round. To measure on your machine:

```sh
jaxrnn bench train forward --peers     # beside whatever is installed
jaxrnn bench shapes cells recurrences  # suites; `jaxrnn bench --help` lists them
```

There is no record of a GPU or TPU: nobody has measured there yet. What was tried for speed and failed stands beside
what worked, in `jaxrnn/engine/SPEED.md` and `jaxrnn/kernels/native/SPEED.md`; memory of a training step of every cell,
in `jaxrnn/engine/MEMORY.md`.
"""


def losses(record: dict[str, Any]) -> list[tuple[str, str, str, float]]:
    """Table, case, who was faster, and our time in units of theirs."""
    found = []
    ours = {entry["name"] for entry in record["contestants"] if entry["role"] == "ours"}
    for table in make_tables(record):
        if table.title.split(": ")[-1].startswith(("tracing", "compiling", "instructions", "temporary")):
            continue
        for row in table.rows:
            for name, cell in row.cells.items():
                if name not in ours and cell.ratio is not None and cell.ratio.median < 1:
                    found.append((table.title.rsplit(",", 1)[0], row.label, name, 1 / cell.ratio.median))
    return found


def write(file: Path) -> None:
    """The page."""
    lines = [*HEAD.splitlines(), "", "## Where others are faster", ""]
    records = {
        title: read_records([ROOT / f"configs/results/bench_{name}.json" for name in names])
        for title, names in RECORDS.items()
    }
    lost = [(title, *loss) for title, record in records.items() for loss in losses(record)]
    lines += ["| measurement | case | faster | by |", "| --- | --- | --- | ---: |"]
    lines += [f"| {table} | {case} | {name} | {100 * (by - 1):.1f} % |" for _, table, case, name, by in lost]
    lines += ["", "A case is B, T, D, H: rows, steps, inputs, units. Ratios are medians over rounds.", ""]
    for title, record in records.items():
        lines += [f"## {title}", ""]
        lines += [*to_markdown(record).splitlines(), ""]
    put(file, lines)
