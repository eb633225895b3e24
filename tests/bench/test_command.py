"""`jaxrnn bench` as a user types it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import jaxrnn
from jaxrnn.bench.runner import Settings
from jaxrnn.bench.suites import SUITES
from jaxrnn.cli import main
from tests.waiting import ran

RESULTS = Path(__file__).parents[2] / "configs/results"
Report = Callable[[int, int, str], None]
Keep = Callable[[dict[str, Any]], None]


@pytest.mark.slow
def test_two_contestants_from_end_to_end(tmp_path: Path) -> None:
    """Real processes: the numbers arrive on the terminal, in the record, in the picture, and in the report of it."""
    pytest.importorskip("haiku")
    command = [sys.executable, "-m", "jaxrnn.cli", "bench", "train", "forward", "--quick", "--rounds", "2"]
    command += ["--cells", "lstm", "--peers", "haiku", "--json", "a.json", "--picture", "a.png"]
    environment = os.environ | {"PYTHONPATH": str(Path(jaxrnn.__file__).parents[1]), "COLUMNS": "120"}
    done = ran(command, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert "lstm: training step, ms" in done.stdout
    assert "round 2 of 2" in done.stderr
    record = json.loads((tmp_path / "a.json").read_text())
    assert record["machine"]["platform"] == "cpu"
    assert record["machine"]["versions"]["jaxrnn"] == jaxrnn.__version__
    found = {(r["contestant"], r["kind"]): r for r in record["results"]}
    assert found.keys() == {(c, k) for c in ("auto", "haiku", "haiku, kept") for k in ("train", "forward")}
    for result in found.values():
        assert result["status"] == "measured"
        assert result["agreement"]["worst"] <= result["agreement"]["allowed"] == 16 * 2**-23
        assert len(result["rounds"]) == len(result["others"]) == len(result["faults"]) == 2
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "`suites` must be out of ('train', 'forward', 'step', 'long', 'compile', 'memory', 'shapes', "),
        (["trian"], "Did you mean 'train'?"),
        (["--peers", "torhc"], "Did you mean 'torch'?"),
        (["--backends", "schedule"], "Did you mean 'scheduled'?"),
        (["--cells", "ltsm"], "Did you mean 'lstm'?"),
        (["--shapes", "32,128"], "`shapes` must be B,T,D,H as in 32,128,256,256"),
        (["--shapes", "1,2,3,4", "--quick"], "`shapes` must be left out with quick"),
        (["--rounds", "0"], "`rounds` must be a positive integer, got 0"),
        (["--json", "nowhere/a.json"], "`json` must be a file in a folder that exists, got nowhere/a.json"),
        (["--picture", "nowhere/a.png"], "`picture` must be a file in a folder that exists, got nowhere/a.png"),
        (["--report", "none.json"], "No such file or directory: 'none.json'"),
    ],
)
def test_a_mistake_is_one_line_before_anything_runs(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jaxrnn.bench.command.run", lambda *_: pytest.fail("it ran"))
    assert main(["bench", *arguments]) == 1
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert message in error


def test_what_was_measured_is_kept_when_the_rest_is_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = json.loads((RESULTS / "bench_step.json").read_text())

    def stopped(settings: Settings, entries: list[Any], report: Report, keep: Keep) -> None:
        keep(record)
        assert json.loads((tmp_path / "a.json").read_text()) == record  # a kill comes without a word
        raise KeyboardInterrupt

    monkeypatch.setattr("jaxrnn.bench.command.run", stopped)
    files = ["--json", str(tmp_path / "a.json"), "--picture", str(tmp_path / "a.png")]
    assert main(["bench", "step", "--backends", "auto", *files]) == 130
    assert "lstm: one step" in capsys.readouterr().out
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "a.png"]


def test_help_names_suites_and_contestants(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    text = capsys.readouterr().out
    words = (*SUITES, "flax.linen", "torch", "scheduled", "--memory", "--report")
    assert all(word in text for word in words)
