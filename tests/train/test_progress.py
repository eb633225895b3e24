"""The lines that say how far a run is."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from jaxrnn.train import progress


@pytest.mark.parametrize(
    ("elapsed", "left"), [(539.6, "9:00"), (539.4, "8:59"), (59.7, "1:00"), (3661.0, "1:01:01"), (0.2, "0:00")]
)
def test_time_left(elapsed, left, monkeypatch):
    """Half of the steps are done: as much time is left as has gone."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), width=200)
    with progress.Display(20, 0, "words", console) as display:
        now[0] += elapsed
        display.figures(10, 1.5, "")
    assert console.file.getvalue().splitlines()[-1].endswith(f"left {left}")
