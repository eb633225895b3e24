"""Other processes of the tests: none is waited for without an end, and what it said until then is told.

`tests/test_house.py` sees to it that they are waited for by what is here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

LIMIT = 500.0  # seconds; pytest itself ends what takes longer than its own limit, and tells nothing of other processes
LAST_WORDS = 5.0  # seconds in which one may say where it is (`PYTHONFAULTHANDLER`, which `conftest.py` sets)


def ran(command: Sequence[Any], *, input: Any = None, within: float = LIMIT, **options: Any) -> Any:
    """`subprocess.run` with all captured, as text unless told otherwise; with `check=True` its exit code must be 0."""
    pipe = subprocess.PIPE
    given = subprocess.DEVNULL if input is None else pipe
    check, options = options.pop("check", False), {"text": True} | options
    process = subprocess.Popen(command, stdin=given, stdout=pipe, stderr=pipe, **options)
    out, error = ended(process, input, within=within)
    assert not check or process.returncode == 0, f"exit code {process.returncode}: {command}\n{out}\n{error}"
    return subprocess.CompletedProcess(command, process.returncode, out, error)


def ended(process: subprocess.Popen[Any], input: Any = None, *, within: float = LIMIT) -> tuple[Any, Any]:
    """What a process has said at its end, on both streams; the test fails where it does not end."""
    with limited(process, within) as late:
        said = process.communicate(input)
        if late.is_set():
            texts = (s.decode(errors="replace") if isinstance(s, bytes) else s for s in said if s)
            pytest.fail("\n".join([_late(process, within), "until then it said:", *texts]))
    return said


@contextmanager
def limited(process: subprocess.Popen[Any], within: float = LIMIT) -> Iterator[threading.Event]:
    """Inside, reading from a process and waiting for it come to an end: after so many seconds it is killed.

    Then the test fails, and the event is set.
    """
    late = threading.Event()

    def over() -> None:
        late.set()
        _end(process)

    timer = threading.Timer(within, over)
    timer.daemon = True
    timer.start()
    try:
        yield late
    except Exception as error:  # of what was cut off there
        if late.is_set():
            pytest.fail(f"{_late(process, within)} ({error!r})")
        raise
    finally:
        timer.cancel()
    if late.is_set():
        pytest.fail(_late(process, within))


def until(met: Callable[[], bool], process: subprocess.Popen[Any], within: float = LIMIT) -> None:
    """Wait for something that a process does, which may not end before it."""
    end = time.monotonic() + within
    while not met() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    if not met():
        if process.poll() is None:
            _end(process)
        pytest.fail(f"not met in {within:g} s, and then the process said: {process.communicate()}")


def with_files_of(size: int, command: Sequence[Any]) -> list[Any]:
    """A command whose files grow no larger than so many bytes.

    Not by `preexec_fn`: between fork and exec that runs Python in a copy of a process with JAX's threads, of which none
    is there, and what waits for one waits for ever, in `Popen` itself, beyond any time limit.
    """
    lower = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); "
    return [sys.executable, "-c", lower + "os.execv(sys.argv[2], sys.argv[2:])", str(size), *command]


def _late(process: subprocess.Popen[Any], within: float) -> str:
    return f"a process did not end in {within:g} s: {process.args}"


def _end(process: subprocess.Popen[Any]) -> None:
    """Have a process say where it is, and end it with those that it has started."""
    all_of = [process.pid, *_children(process.pid)]
    for number, seconds in ((signal.SIGABRT, LAST_WORDS), (signal.SIGKILL, 0.0)):
        for pid in all_of:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        end = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)


def _children(pid: int) -> list[int]:
    """Those that it has started, and theirs, where the system tells."""
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, listed.read_text().split()):
                found += [child, *_children(child)]
    return found
