"""What ships with the package."""

from __future__ import annotations

from pathlib import Path

TASKS = Path(__file__).parents[1]
DATA = TASKS / "data"
PRETRAINED = TASKS / "pretrained"
INSTALL = "Install the package again."  # where its data are from, should one be missing
