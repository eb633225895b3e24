"""The README's Python blocks run as they stand, and print what the README says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jax
import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)
OUTPUTS = dict(re.findall(r"```python\n([^`]*?)```\s*```text\n(.*?)```", README, re.S))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.strip().splitlines()[-1][:40])
def test_block(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"), jax.enable_x64(False):
        exec(compile(block, "README.md", "exec"), {})
    if block in OUTPUTS:
        assert capsys.readouterr().out == OUTPUTS[block]


def test_every_kind_of_block_is_there() -> None:
    assert len(BLOCKS) >= 5
    assert len(OUTPUTS) == 1


def test_the_memory_table_is_the_measured_one() -> None:
    record = json.loads((ROOT / "tests/laws/memory.json").read_text())
    T, B, _, H = record["T, B, D, H"]
    for name, cell in record["cells"].items():
        assert memory_row(name, cell, 4 * T * B * H) in README


def test_the_benchmark_is_the_recorded_one() -> None:
    """Every line of the tables."""
    from jaxrnn.bench.report import to_markdown
    from jaxrnn.bench.tables import read_records

    tables = [(name, f"{name}: training step, ms") for name in ("lstm", "gru", "elman")]
    for file, title in (*tables, ("lstm", "lstm: forward pass, ms"), ("step", "lstm: one step, us")):
        text = to_markdown(read_records([ROOT / f"configs/results/bench_{file}.json"]))
        lines = [line for line in text.split(f"**{title}**")[1].split("\n- ")[0].splitlines() if line.startswith("|")]
        assert len(lines) > 8
        assert [line for line in lines if line not in README] == []


def memory_row(name: str, cell: dict[str, Any], unit: int) -> str:
    """A line of the table: units of T * B * H floats, and the ratio to the plain scan."""
    used = [cell[backend] for backend in ("scheduled", "native")]
    shown = [f"{u / unit:.1f} ({u / cell['plain']:.2f})" if u else "declined" for u in used]
    return f"| {name} | {cell['plain'] / unit:.1f} | {' | '.join(shown)} |"


def test_results_are_the_recorded_ones() -> None:
    """The table of the applications is what `jaxrnn results` prints of all recorded runs."""
    from jaxrnn.train import read_results, to_table

    records = [
        path for path in sorted((ROOT / "configs/results").glob("*.json")) if "figures" in json.loads(path.read_text())
    ]
    assert to_table(read_results(records)) in README
