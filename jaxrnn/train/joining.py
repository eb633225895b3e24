"""How a process joins the others of a run, learns that one of them is gone, and leaves.

JAX connects them (`jax.distributed`). It finds the others by itself under SLURM, Kubernetes and on TPU pods; elsewhere
it is told.
"""

from __future__ import annotations

import math
import os
import re
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import jax

from jaxrnn.train.processes import AGAIN, GroupError, alone, gather
from jaxrnn.train.stop import StopRequest

HEARTBEAT = 30  # seconds after which one that no longer answers counts as dead, and JAX ends the others
MEETING = 300  # seconds in which all have to be there: on a cluster some begin minutes after others
SAID = 30  # seconds after which one that waits says so, again and again
LOOK = 5  # seconds from one look at the first process to the next
GONE = 40  # seconds after which one that was there, and no longer answers, is waited for no more
LAST = 15  # seconds in which the others may still come, and stop together, when a stop is asked for
ENDING = 3600  # seconds in which the first writes down what a run has come to, while the others wait
LINGER = 5  # seconds in which the others may fail of the same
begun, met = threading.Event(), threading.Event()  # whether this process looks for others, and has found them
LOST = re.compile("gloo|nccl|heartbeat|coordination|connection|unavailable|socket", re.IGNORECASE)


def in_cluster(env: Mapping[str, str] = os.environ) -> bool:
    """Whether this is one process of several that a scheduler started."""
    slurm = {"SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_PROCID", "SLURM_LOCALID"} <= env.keys()
    if slurm and env.get("SLURM_NTASKS", "1") != "1":
        return True
    if "KUBERNETES_SERVICE_HOST" in env and "JOB_COMPLETION_INDEX" in env and find_spec("kubernetes"):
        return True
    if len(env.get("TPU_WORKER_HOSTNAMES", "").split(",")) > 1:
        return True
    chips = [*Path("/dev").glob("accel[0-9]*"), *Path("/dev").glob("vfio/[0-9]*")]
    return bool(chips and find_spec("libtpu")) and env.get("JAX_PLATFORMS", "tpu").startswith("tpu")


def join(
    stop: StopRequest,
    coordinator: str | None = None,
    process: int | None = None,
    processes: int | None = None,
    *,
    watched: bool = False,
) -> bool:
    """Connect to the other processes; what is not given is found out, as far as a scheduler says it.

    A thread does so: JAX hears no signal meanwhile, says nothing, and would abort this process in the end.

    Args:
        stop: What may ask this process to stop while it waits.
        coordinator: HOST:PORT of the first process.
        process: Which one this is.
        processes: Of how many.
        watched: Whether one that started all of them ends them where one is missing, and stops them.

    Returns:
        False where a stop is asked for before all are there.

    Raises:
        GroupError: If they cannot be found, are not there in time, or the first was there and is gone.
    """
    begun.set()
    errors: list[Exception] = []
    connecting = threading.Thread(target=_connect, args=(errors, coordinator, process, processes), daemon=True)
    missing = _Missing(coordinator if process else None)
    begin = time.monotonic()
    said, asked = 0.0, math.inf
    with _no_greetings():
        connecting.start()
        while connecting.is_alive():
            connecting.join(0.1)
            waited = time.monotonic() - begin
            asked = min(asked, waited) if stop.requested else asked
            if waited > asked + LAST and not watched:
                return False
            if waited > MEETING or missing.gone(waited):
                errors.append(GroupError(f"{missing} after {waited:.0f} s"))
                break
            if waited > said + SAID:
                said = waited
                warnings.warn(
                    f"{waited:.0f} s of {MEETING} that this process waits for others: {missing}", stacklevel=2
                )
    if not errors:
        met.set()
        return True
    who = f"process {process} of {processes}" if coordinator else "this process"
    where = f" at {coordinator}" if coordinator else ""
    raise GroupError(
        f"{who} could not join the others{where} ({str(errors[0]).partition(chr(10))[0]}). Say where they are by "
        "--coordinator HOST:PORT --process I --processes N; or, to train by itself, --processes 1"
    ) from errors[0]


def _connect(errors: list[Exception], coordinator: str | None, process: int | None, processes: int | None) -> None:
    jax.config.update("jax_enable_preemption_service", False)  # who stops a run is its own business (`StopRequest`)
    try:
        jax.distributed.initialize(
            coordinator,
            processes,
            process,
            cluster_detection_method="deactivate" if coordinator else None,
            initialization_timeout=2 * MEETING,  # then it aborts
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=ENDING,
        )
        gather(None)
    except Exception as error:  # of a scheduler's client, too; who waits raises it
        errors.append(error)


class _Missing:
    """What is known of those that are not there: whether the first answers, where it is known and another one."""

    def __init__(self, first: str | None) -> None:
        self.first, self.answers, self.seen, self.looked = first, False, math.inf, 0.0

    def gone(self, now: float) -> bool:
        """Whether the first was there, and has not been for some time."""
        if self.first is not None and now > self.looked + LOOK:
            host, _, port = self.first.rpartition(":")
            try:
                socket.create_connection((host.strip("[]"), int(port)), LOOK).close()
                self.answers, self.seen = True, now
            except OSError:
                self.answers = False
            self.looked = now
        return now > self.seen + GONE

    def __str__(self) -> str:
        if self.first is None:
            return "not all have come"
        if self.answers:
            return "process 0 is there, and not all others have come"
        return "process 0 does not answer" if self.seen == math.inf else "process 0 was there, and does not answer"


@contextmanager
def _no_greetings() -> Iterator[None]:
    """Gloo says on the standard output whom it has met."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def hearing_of_the_dead() -> Iterator[None]:
    """What JAX says of a process that is gone, in our words.

    Raises:
        GroupError: If one is gone.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if alone() or not LOST.search(str(error)):
            raise
        reason = " ".join(str(error).split())[:200]
        raise GroupError(
            f"process {jax.process_index()} has lost another one, which has ended or is cut off ({reason}). {AGAIN}"
        ) from error


def leave(code: int) -> None:
    """End this process as one of several: with them, or after some seconds without them where it alone has failed."""
    if met.is_set():
        together = threading.Thread(target=jax.distributed.shutdown, daemon=True)
        together.start()
        together.join(None if code == 0 else LINGER)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the ordinary end would wait for the others again, and JAX would abort it then
