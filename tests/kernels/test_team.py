"""Threads that share columns neither wait for ever, nor miss a block, nor race, however slow each of them is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jaxrnn.kernels.native import build
from tests.waiting import ran

# Before these lines a thread sleeps, for at most so many microseconds: when it comes, when all are counted, when they
# have gone on, and when it waits to be let in.
SLOW = {"++inside_;": 20000, "round_.raise(": 300, "if (last)": 600, "admitted_.wait(": 900}


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
@pytest.mark.parametrize("sanitizer", [(), ("-fsanitize=thread",)], ids=["alone", "sanitizer"])
def test_no_thread_waits_for_ever(sanitizer: tuple[str, ...], tmp_path: Path) -> None:
    """One that let others in late took back that all was over, and who came after waited for good."""
    text = (build.HERE / "src" / "team.h").read_text()
    for line, most in SLOW.items():
        assert text.count(f"    {line}") == 1
        text = text.replace(f"    {line}", f"    dawdle({most});\n    {line}")
    (tmp_path / "team.h").write_text(text)
    program = tmp_path / "team"
    sources = ["-I", tmp_path, "-I", build.HERE / "src", Path(__file__).parent / "team.cc"]
    built = ran(["g++", *build.FLAGS, *sanitizer, "-pthread", *sources, "-o", program])
    if sanitizer and "libtsan" in built.stderr:
        pytest.skip("the compiler's sanitizer is not installed")
    assert built.returncode == 0, built.stderr
    done = ran([program], within=240)
    if "FATAL: ThreadSanitizer: unexpected memory mapping" in done.stderr:  # where addresses are drawn from many
        pytest.skip("the sanitizer does not run on this machine")
    assert done.returncode == 0, done.stderr
