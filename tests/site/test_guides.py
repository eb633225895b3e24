"""Every guide runs as it stands: its blocks one after the other, in a folder of its own, and prints what it says."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import jax
import pytest

from tests.waiting import ran

ROOT = Path(__file__).parent.parent.parent
PAGES = (p for folder in ("docs", "docs/guides") for p in (ROOT / folder).glob("*.md"))
GUIDES = sorted(p for p in PAGES if "```python" in p.read_text())
BLOCK = re.compile(r"^```(python|sh|text)\n(.*?)^```", re.S | re.M)
NEEDS = {f"coming_from_{library}": library for library in ("torch", "keras", "haiku", "equinox")}


def run_file(line: str) -> str:
    """What a command of a guide prints: `python NAME.py`, in the guide's folder."""
    command = shlex.split(line)
    assert command[0] == "python", line
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = ran([sys.executable, *command[1:]], env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("guide", GUIDES, ids=lambda p: p.stem)
def test_guide(
    guide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(NEEDS.get(guide.stem, "jax"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    space: dict[str, object] = {}
    printed = ""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"), jax.enable_x64(False):
        for kind, block in BLOCK.findall(guide.read_text()):
            if kind == "text":
                assert printed == block
            elif kind == "sh":
                printed = "".join(run_file(line) for line in block.splitlines() if line.startswith("python "))
            elif name := re.match(r"# (\w+\.py)\n", block):
                Path(name[1]).write_text(block)
            else:
                exec(compile(block, guide.name, "exec"), space)
                printed = capsys.readouterr().out
