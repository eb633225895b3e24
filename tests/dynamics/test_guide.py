"""The guide's blocks run as they stand, one after the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jax
import pytest

pytest.importorskip("matplotlib")
GUIDE = Path(__file__).parents[2] / "docs/guides/dynamics.md"


@pytest.mark.slow
def test_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"), jax.enable_x64(False):
        for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.S):
            exec(compile(block, GUIDE.name, "exec"), names)
    assert (tmp_path / "gradients.png").stat().st_size > 10_000
