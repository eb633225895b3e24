"""Worker processes, seen from the runner: start one, ask it, notice its death."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from jaxrnn.base.package import FOLDER

TRUTH = {"JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"}
CONTESTANT = {
    "JAX_ENABLE_X64": "0",
    "JAX_ENABLE_COMPILATION_CACHE": "0",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


class WorkerError(ChildProcessError):
    """A request that failed in its worker, or a worker that died."""


class Worker:
    """One process of `jaxrnn.bench.worker`, started when it is first asked, and again after its death."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name = name
        root = str(FOLDER.parent)
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._environment = os.environ | environment | {"PYTHONPATH": os.pathsep.join(paths)}
        self._process: subprocess.Popen[str] | None = None
        self._log: Any = None

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return None if self._process is None else self._process.pid

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send one request and wait for the answer.

        Raises:
            WorkerError: the request failed, or the worker died of it; the message says how.
        """
        if self._process is None:
            self._start()
        process: Any = self._process
        with contextlib.suppress(BrokenPipeError):  # from a dead process no line comes either
            process.stdin.write(json.dumps({"do": do} | request) + "\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise WorkerError(self._last_words())
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def stop(self) -> None:
        """End the process; the next request starts a new one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._log.close()
        self._process = None

    def _start(self) -> None:
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 (`stop` closes it)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jaxrnn.bench.worker", self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=self._environment,
        )

    def _last_words(self) -> str:
        assert self._process is not None
        code = self._process.wait()
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read().splitlines() if line.strip()]
        self.stop()
        return f"the process ended with code {code}: {lines[-1] if lines else 'no message'}"
