"""The table of seeds and folds in the guide of applications is that of the recorded runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
RECORD = json.loads((ROOT / "configs/results/texts_seeds.json").read_text())
GUIDE = (ROOT / "docs/guides/applications.md").read_text()
SETS = sorted({run["config"] for run in RECORD["runs"]})


def row(config: str) -> str:
    """Mean and standard error of each figure over seeds or folds."""
    runs = [run for run in RECORD["runs"] if run["config"] == config]
    shown = []
    for name in runs[0]["figures"]:
        values = np.array([run["figures"][name] for run in runs])
        error = f" ({values.std(ddof=1) / len(values) ** 0.5:.4f})" if len(values) > 1 else ""
        shown.append(f"{name} {values.mean():.4f}{error}")
    over = f"{len(runs)} {'folds' if 'fold' in runs[0] else 'seeds'}" if len(runs) > 1 else f"seed {runs[0]['seed']}"
    return f"| `{config}` | {over} | {', '.join(shown)} |"


@pytest.mark.parametrize("config", SETS)
def test_a_row_is_the_mean_of_the_runs(config: str) -> None:
    assert row(config) in GUIDE, f"docs/guides/applications.md should have\n{row(config)}"


def test_every_run_is_there_once() -> None:
    found = [(run["config"], run.get("seed"), run.get("fold")) for run in RECORD["runs"]]
    assert len({*found}) == len(found)
    assert all((ROOT / f"configs/{config}.yaml").exists() for config in SETS)
