"""What other tests wait by ends: of a process that hangs, with those that it started, it tells where that was."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.waiting import ended, limited, ran, until, with_files_of

HANGS = """
import subprocess, sys, time
def where_it_hangs():
    time.sleep(600)
print("so far", flush=True)
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])  # it holds the streams, too
print(other.pid, flush=True)
where_it_hangs()
"""
Failed = pytest.fail.Exception


def begin() -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", HANGS], stdout=pipe, stderr=pipe, text=True)


@pytest.mark.slow
def test_of_a_process_that_hangs_is_told_what_it_said_and_where_it_is() -> None:
    process = begin()
    with pytest.raises(Failed, match=r"did not end in 2 s(?s:.*)so far\n(?s:.*)where_it_hangs") as told:
        ended(process, within=2)
    assert process.returncode == -6
    pid = int(str(told.value).partition("so far\n")[2].partition("\n")[0])
    end = time.monotonic() + 10  # until it is nobody's child any more
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def read_on(process: subprocess.Popen[str]) -> None:
    with limited(process, 2):
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)][2] == "more\n"


@pytest.mark.slow
def test_what_reads_from_one_that_hangs_fails_in_time() -> None:
    with begin() as process, pytest.raises(Failed, match=r"did not end in 1 s"), limited(process, 1) as late:
        late.wait(30)
    with begin() as process, pytest.raises(Failed, match=r"did not end in 2 s.*AssertionError"):
        read_on(process)
    with begin() as process, pytest.raises(Failed, match=r"not met in 1 s(?s:.*)so far"):
        until(lambda: False, process, 1)


def test_exit_codes_and_files_are_looked_at(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"exit code 3(?s:.*)no luck"):
        ran([sys.executable, "-c", "import sys; sys.stderr.write('no luck'); sys.exit(3)"], check=True)
    assert ran([sys.executable, "-c", "print(input())"], input="x\n").stdout == "x\n"
    write = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('x' * 2000)"
    writes = [sys.executable, "-c", write, tmp_path / "file"]
    assert [ran(with_files_of(size, writes)).returncode for size in (1000, 2000)] == [1, 0]
