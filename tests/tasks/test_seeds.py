"""The tables of seeds and folds in the guide of applications are those of the recorded runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
TEXTS, SERIES = (
    json.loads((ROOT / f"configs/results/{name}_seeds.json").read_text())["runs"] for name in ("texts", "series")
)
GUIDE = (ROOT / "docs/guides/applications.md").read_text()
SHOWN = {
    "beijing": ("MAE", "RMSE", "CRPS"),
    "MASE": ("MASE", "sCRPS"),
    "power": ("R2_kitchen", "R2_laundry", "R2_heater"),
    "ecg": ("F1", "sensitivity", "precision"),
}
KINDS = {"forecast": "beijing", "forecast_weather": "beijing", "signal": "power", "ecg": "ecg"}


def of_series(run: dict[str, Any]) -> dict[str, Any]:
    """A run of series as one of texts is written down: the figures that are shown, of the test."""
    config = run["command"].split()[2]
    names = SHOWN[KINDS.get(config, "MASE")]
    return {"config": config, "seed": run["seed"], "figures": {name: run["figures"][f"test {name}"] for name in names}}


RUNS = [*TEXTS, *map(of_series, SERIES)]
ROWS = sorted({(run["config"], "fold" in run) for run in RUNS})


def row(config: str, folds: bool) -> str:
    """Mean and standard error of each figure over seeds or folds."""
    runs = [run for run in RUNS if (run["config"], "fold" in run) == (config, folds)]
    shown = []
    for name in runs[0]["figures"]:
        values = np.array([run["figures"][name] for run in runs])
        digits = 4 if values.mean() < 2 else 2
        error = f" ({values.std(ddof=1) / len(values) ** 0.5:.{digits}f})" if len(values) > 1 else ""
        shown.append(f"{name} {values.mean():.{digits}f}{error}")
    over = f"{len(runs)} {'folds' if folds else 'seeds'}" if len(runs) > 1 else f"seed {runs[0]['seed']}"
    return f"| `{config}` | {over} | {', '.join(shown)} |"


@pytest.mark.parametrize(("config", "folds"), ROWS)
def test_a_row_is_the_mean_of_the_runs(config: str, folds: bool) -> None:
    assert row(config, folds) in GUIDE, f"docs/guides/applications.md should have\n{row(config, folds)}"


def test_every_run_is_there_once() -> None:
    found = [(run["config"], run.get("seed"), run.get("fold")) for run in RUNS]
    assert len({*found}) == len(found)
    assert all((ROOT / f"configs/{config}.yaml").exists() for config, _ in ROWS)
