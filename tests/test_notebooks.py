"""Every notebook runs from top to bottom, and is committed with the outputs of such a run.

Those that train do so for some steps only where JAXRNN_SMALL is set, as here; committed are the outputs of a full run.
What the quick ones print, where the native backend is built, must be what is committed: word for word and integer for
integer. Decimals may differ in the last of several digits, and by 1e-5, as sums do from machine to machine.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from jaxrnn.kernels.native.build import LIBRARY

PEERS = {"02_from_torch_to_onnx": ("torch", "onnx", "onnxruntime")}  # what a notebook needs beyond ours
SHORT = ("01_cells_and_scan",)
NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize(
    "path",
    [p if p.stem in SHORT else pytest.param(p, marks=pytest.mark.slow) for p in NOTEBOOKS],
    ids=lambda p: p.stem,
)
def test_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for peer in PEERS.get(path.stem, ()):
        pytest.importorskip(peer)
    repository = str(path.parent.parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([repository, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("JAXRNN_SMALL", "1")
    ran = NotebookClient(nbformat.read(path, as_version=4), timeout=300, kernel_name="python3").execute()
    if path.stem in SHORT and LIBRARY.exists():
        committed = nbformat.read(path, as_version=4)
        for now, before in zip(map(printed, ran.cells), map(printed, committed.cells), strict=True):
            assert alike(now, before), (
                f"run it again and commit it: it shows\n{now}\nwhere it is committed with\n{before}"
            )


DECIMAL = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")


def printed(cell: Any) -> str:
    """The text of a cell's outputs; pictures have none that says anything."""
    shown = [output for output in cell.get("outputs", ()) if "image/png" not in output.get("data", {})]
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in shown)


def alike(a: str, b: str) -> bool:
    """Equal but for decimals that differ in the last of several digits, or by 1e-5; spaces follow their signs."""
    if DECIMAL.sub("#", a).split() != DECIMAL.sub("#", b).split():
        return False
    pairs = zip(DECIMAL.findall(a), DECIMAL.findall(b), strict=True)
    return all(abs(float(x) - float(y)) <= max(1.5 * 0.1 ** _digits(x), 1e-5) for x, y in pairs)


def _digits(number: str) -> int:
    digits = len(number.partition(".")[2])
    return digits if digits > 1 and "e" not in number else 9


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("[-0.56 0.10]", "[-0.57  0.10]", True),
        ("[-0.56 0.10]", "[-0.58 0.10]", False),
        ("0.0", "5.96e-08", True),
        ("0.0", "0.1", False),
        ("0.00", "5.96e-08", True),
        ("(97,)", "(98,)", False),
        ("runs on 'native'", "runs on 'scheduled'", False),
    ],
)
def test_what_counts_as_alike(a: str, b: str, same: bool) -> None:
    assert alike(a, b) == same


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_is_committed_with_its_outputs(path: Path) -> None:
    code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    assert any("image/png" in output.get("data", {}) for c in code for output in c.outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_says_first_how_to_install(path: Path) -> None:
    code = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert '%pip install "jaxrnn[' in code[0]


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS
