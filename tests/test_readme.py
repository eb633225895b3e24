"""The README's Python blocks run as they stand; its tables, and those of the guides, are the recorded ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jax
import pytest

import jaxrnn
from jaxrnn.cells import FAMILIES
from tests.laws import memory

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)
GUIDES = ROOT / "docs/guides"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.strip().splitlines()[-1][:40])
def test_block(block: str) -> None:
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"), jax.enable_x64(False):
        exec(compile(block, "README.md", "exec"), {})


def test_it_is_short_and_what_it_links_to_is_there() -> None:
    assert len(README.splitlines()) < 180
    assert len(BLOCKS) >= 2
    files = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]
    assert len(files) > 20
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_a_citation_names_this_version() -> None:
    assert f"\nversion: {jaxrnn.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_memory_table_is_the_measured_one() -> None:
    """In a guide for the cells that others are made like; of all in a file beside the engine."""
    record = json.loads(memory.FILE.read_text())
    assert memory.TABLE.read_text() == memory.to_table(record)
    guide = (GUIDES / "engine.md").read_text()
    for name in next(iter(FAMILIES.values())):
        assert memory.to_row(name, record["cells"][name]) in guide


def test_the_benchmark_is_the_recorded_one() -> None:
    """Every line of the table; all others are made of their records when the site is built."""
    from jaxrnn.bench.report import to_markdown
    from jaxrnn.bench.tables import read_records

    text = to_markdown(read_records([ROOT / "configs/results/bench_lstm.json"]))
    title = "**lstm: training step, ms**"
    lines = [line for line in text.split(title)[1].split("\n- ")[0].splitlines() if line.startswith("|")]
    assert len(lines) > 8
    assert [line for line in lines if line not in README] == []


def test_results_are_the_recorded_ones() -> None:
    """The table of the applications is what `jaxrnn results` prints of all recorded runs."""
    from jaxrnn.train import read_results, to_table

    records = [
        path for path in sorted((ROOT / "configs/results").glob("*.json")) if "figures" in json.loads(path.read_text())
    ]
    assert to_table(read_results(records)) in (GUIDES / "applications.md").read_text()
