"""Products with int8 matrices: equal to whole numbers, and the same bits, on every instruction set."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jaxrnn.kernels.native import build
from tests.kernels.test_elementary import runs_here
from tests.waiting import ran


@pytest.mark.skipif(not shutil.which("g++") or "avx2" not in build.SETS, reason="needs g++ on x86")
def test_every_instruction_set_gives_the_same_bits(tmp_path: Path) -> None:
    source, hashes = Path(__file__).parent / "product8.cc", set()
    for name in filter(runs_here, build.SETS):
        command = ["g++", *build.FLAGS, *build.SETS[name], "-I", build.HERE / "src", source, "-o", tmp_path / name]
        ran(command, check=True)
        hashes.add(ran([tmp_path / name], check=True).stdout)
    assert len(hashes) == 1
