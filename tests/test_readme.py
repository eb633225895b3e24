"""The README's Python blocks run as they stand, and print what the README says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jax
import pytest

from jaxrnn.cells import FAMILIES
from tests.laws import memory

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
    """In README for the cells that others are made like; of all in a file beside the engine."""
    record = json.loads(memory.FILE.read_text())
    assert memory.TABLE.read_text() == memory.to_table(record)
    for name in next(iter(FAMILIES.values())):
        assert memory.to_row(name, record["cells"][name]) in README


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


def test_results_are_the_recorded_ones() -> None:
    """The table of the applications is what `jaxrnn results` prints of all recorded runs."""
    from jaxrnn.train import read_results, to_table

    records = [
        path for path in sorted((ROOT / "configs/results").glob("*.json")) if "figures" in json.loads(path.read_text())
    ]
    assert to_table(read_results(records)) in README
