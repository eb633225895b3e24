"""Every notebook runs from top to bottom, and shows what it is committed with.

What it prints, where the native backend is built, must be what is committed: word for word and integer for integer.
Decimals may differ in the last of several digits, and by 1e-5, as sums do from machine to machine. Pictures must look
the same. A cell whose outputs are others each time says so in its metadata, and why: `"varies": {"always": "..."}`.

Those that train do so for some steps only where JAXRNN_SMALL is set, as here; committed are the outputs of a full run,
and what a full run alone gives has `"varies": {"small": "..."}`. With JAXRNN_FULL the notebooks run in full:

    JAXRNN_FULL=1 pytest -m "slow or not slow" tests/test_notebooks.py -k 08
"""

from __future__ import annotations

import ast
import base64
import io
import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from jaxrnn.kernels.native.build import LIBRARY

# What a notebook needs beyond ours, and how one installs it.
NEEDS = {
    "02_from_torch_to_onnx": (("torch", "onnx", "onnxruntime"), "needs torch, onnx and onnxruntime"),
    "21_planning_for_a_pod": (("libtpu",), 'needs pip install "jaxrnn[tpu]"'),
}
SHORT = ("01_cells_and_scan",)
FULL = "JAXRNN_FULL" in os.environ
NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize(
    "path",
    [p if p.stem in SHORT else pytest.param(p, marks=pytest.mark.slow) for p in NOTEBOOKS],
    ids=lambda p: p.stem,
)
def test_runs_and_shows_what_is_committed(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules, reason = NEEDS.get(path.stem, ((), ""))
    if any(find_spec(module) is None for module in modules):
        pytest.skip(reason)
    repository = str(path.parent.parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([repository, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # a notebook shows pictures itself
    if FULL:
        monkeypatch.delenv("JAXRNN_SMALL", raising=False)
    else:
        monkeypatch.setenv("JAXRNN_SMALL", "1")
    committed, ran = nbformat.read(path, as_version=4), nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(
        ran, timeout=3000 if FULL else 300, startup_timeout=180, kernel_name="python3", resources=where
    ).execute()
    if LIBRARY.exists():
        told = zip(ran.cells, committed.cells, strict=True)
        wrong = [message for now, before in told if not varies(before) for message in differences(now, before)]
        assert not wrong, "run it again, look at it and commit it:\n" + "\n".join(wrong)


def varies(cell: Any) -> bool:
    """Whether a cell's outputs need not be those that are committed."""
    return bool({"always", *(() if FULL else ("small",))} & {*cell.metadata.get("varies", {})})


def differences(now: Any, before: Any) -> list[str]:
    """In what the outputs of a cell differ."""
    first, found = now.source.strip().partition("\n")[0], []
    if not alike(printed(now), printed(before)):
        found.append(f"{first}: shows\n{printed(now)}\nand is committed with\n{printed(before)}")
    a, b = pictures(now), pictures(before)
    if len(a) != len(b) or not all(map(look_alike, a, b)):
        found.append(f"{first}: pictures differ")
    return found


def printed(cell: Any) -> str:
    """The text of a cell's outputs; pictures have none that says anything."""
    shown = [o for o in cell.get("outputs", ()) if "image/png" not in o.get("data", {}) and o.get("name") != "stderr"]
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in shown)


def pictures(cell: Any) -> list[Image.Image]:
    """The pictures among a cell's outputs."""
    found = [o.get("data", {}).get("image/png") for o in cell.get("outputs", ())]
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found if data]


FIELDS, LEAST = 32, 16  # a picture is that many fields across and down; a field that differs does so by that of 255


def look_alike(a: Image.Image, b: Image.Image) -> bool:
    """Equal in size but for a fiftieth, and in the mean colours of all fields: fonts are drawn a little differently."""
    if any(abs(n - m) > 0.02 * n for n, m in zip(a.size, b.size, strict=True)):
        return False
    fields = [np.asarray(p.convert("RGB").resize((FIELDS, FIELDS), Image.Resampling.BOX), float) for p in (a, b)]
    return bool(np.abs(fields[0] - fields[1]).max() < LEAST)


DECIMAL = re.compile(r"-?(?:\d+\.\d+(?:e[-+]?\d+)?|\d+e[-+]\d+)")


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
        ("differ by 1e-07", "differ by 2e-07", True),
        ("1e-03", "2e-03", False),
        ("0.0", "0.1", False),
        ("0.00", "5.96e-08", True),
        ("(97,)", "(98,)", False),
        ("runs on 'native'", "runs on 'scheduled'", False),
    ],
)
def test_what_counts_as_alike(a: str, b: str, same: bool) -> None:
    assert alike(a, b) == same


def drawn(height: int, *, size: tuple[int, int] = (400, 300), shade: int = 0) -> Image.Image:
    """A line at a height."""
    array = np.full((size[1], size[0], 3), 255, np.uint8)
    array[height : height + 2] = shade
    return Image.fromarray(array)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (drawn(100), True),
        (drawn(100, shade=20), True),
        (drawn(100, size=(404, 301)), True),
        (drawn(110), False),
        (drawn(100, shade=200), False),
        (drawn(100, size=(400, 330)), False),
    ],
    ids=["itself", "another shade", "a little larger", "moved", "faint", "larger"],
)
def test_what_looks_alike(other: Image.Image, same: bool) -> None:
    assert look_alike(drawn(100), other) == same


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_what_varies_is_shown_and_has_a_reason(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if (said := cell.metadata.get("varies")) is not None:
            assert cell.outputs, cell.source
            assert len(said) == 1
            assert {*said} <= {"always", "small"}
            assert all(len(why) > 5 for why in said.values())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_is_committed_with_its_outputs(path: Path) -> None:
    code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    assert any("image/png" in output.get("data", {}) for c in code for output in c.outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_says_first_how_to_install(path: Path) -> None:
    code = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert '%pip install "jaxrnn[' in code[0]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_what_it_imports_of_ours_is_there(path: Path) -> None:
    """The quick tests find this; that all else of it runs is for the slow ones."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            for node in ast.walk(ast.parse(re.sub(r"^[%!].*$", "", cell.source, flags=re.M))):
                if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "jaxrnn":
                    exec(ast.unparse(node), {})


def test_the_sites_list_has_them_all() -> None:
    page = (Path(__file__).parent.parent / "docs/notebooks.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.M) == [path.stem for path in NOTEBOOKS] != []
