"""Every notebook runs from top to bottom, and is committed with the outputs of such a run.

Those that train do so for some steps only where JAXRNN_SMALL is set, as here; committed are the outputs of a full run.
"""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

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
    NotebookClient(nbformat.read(path, as_version=4), timeout=300, kernel_name="python3").execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_is_committed_with_its_outputs(path: Path) -> None:
    code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    assert any("image/png" in output.get("data", {}) for c in code for output in c.outputs)


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS
