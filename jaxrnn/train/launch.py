"""Several processes on this machine, started and watched by one that trains nothing: `jaxrnn train --processes N`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence

from jaxrnn.train.processes import AGAIN
from jaxrnn.train.stop import StopRequest, held_back

WATCHED = "JAXRNN_WATCHED"  # in the environment of those that are
GRACE = 15.0  # seconds in which the others may end by themselves when one has failed
ERROR, WARNING = "jaxrnn: error: ", "warning: "
TAIL = 60  # lines that are shown of one that failed without an error of ours


class Worker:
    """One process, and what it says."""

    def __init__(self, number: int, command: Sequence[str]) -> None:
        self.number, self.last, self.error = number, deque[str](maxlen=TAIL), ""
        env = {"JAX_PLATFORMS": "cpu"} | os.environ | {WATCHED: "1"}
        out = None if number == 0 else subprocess.DEVNULL
        # A session of its own: Ctrl-C reaches the one that watches, which hands it on.
        with held_back():  # one that has only just begun would die of a signal that asks it to save and stop
            self.process = subprocess.Popen(
                command, env=env, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE, start_new_session=True
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for raw in self.process.stderr:
            line = raw.decode(errors="replace")
            self.last.append(line)
            if line.startswith(ERROR):
                self.error = line
            elif line.startswith(WARNING) and self.number == 0:
                sys.stderr.write(line)

    def ended(self) -> bool:
        """Whether it is over."""
        return self.process.poll() is not None

    def finish(self) -> int:
        """Its exit code, when all that it said has been read."""
        code = self.process.wait()
        self._reader.join(5)
        return code

    def account(self) -> str:
        """Why it failed, for a person: a line of its own, or what became of it."""
        if self.error:
            return self.error
        if self.process.returncode < 0:
            name = signal.Signals(-self.process.returncode).name
            return f"{ERROR}process {self.number} was ended by {name}, and the others with it. {AGAIN}\n"
        return "".join(self.last)


def launch(command: Sequence[str], processes: int, stop: StopRequest) -> int:
    """Run a command's processes until all have ended, and its exit code; where one fails, the others are ended.

    Args:
        command: What each runs, as `jaxrnn train char_lm --processes 2`; where the others are is put behind it.
        processes: How many.
        stop: What asks for a stop asks the first process, which tells the others.
    """
    address = f"127.0.0.1:{_free_port()}"
    workers = [
        Worker(number, [*command, "--coordinator", address, "--process", str(number)]) for number in range(processes)
    ]
    try:
        failed = _watch(workers, stop)
    finally:
        for worker in workers:
            if not worker.ended():
                worker.process.kill()
    codes = [worker.finish() for worker in workers]
    if failed is None:
        return codes[0]
    sys.stderr.write(failed.account())
    return codes[failed.number] if codes[failed.number] > 0 else 1


def _watch(workers: Sequence[Worker], stop: StopRequest) -> Worker | None:
    """Wait for the end of all; the first that failed, if one has, when the others have had some time to end too."""
    failed: Worker | None = None
    until, asked = 0.0, False
    while not all(worker.ended() for worker in workers):
        time.sleep(0.05)
        if stop.requested and not asked:
            asked = True
            workers[0].process.send_signal(stop.asked)
        failed = failed or next((w for w in workers if w.ended() and w.process.returncode not in (0, 130)), None)
        if failed is not None:
            until = until or time.monotonic() + GRACE * (failed.process.returncode > 0)
            if time.monotonic() > until:
                break
    return failed or next((w for w in workers if w.process.returncode not in (0, 130)), None)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def watched() -> bool:
    """Whether this process is."""
    return bool(os.environ.get(WATCHED))


def follow_parent() -> None:
    """Where this process is watched: stop, with all saved, when the one that watches is gone."""
    if watched():
        threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    os.read(0, 1)  # it writes nothing: this is its end
    os.kill(os.getpid(), signal.SIGTERM)
