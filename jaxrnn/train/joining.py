"""How a process joins the others of a run, learns that one of them is gone, and leaves.

JAX connects them (`jax.distributed`). It finds the others by itself under SLURM, Kubernetes and on TPU pods; elsewhere
it is told.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import jax

from jaxrnn.train.processes import AGAIN, GroupError, alone, gather

HEARTBEAT = 30  # seconds after which one that no longer answers counts as dead, and JAX ends the others
MEETING = 300  # seconds in which all have to be there
ENDING = 3600  # seconds in which the first writes down what a run has come to, while the others wait
LINGER = 5  # seconds in which the others may fail of the same
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


def join(coordinator: str | None = None, process: int | None = None, processes: int | None = None) -> None:
    """Connect to the other processes; what is not given is found out, as far as a scheduler says it.

    Raises:
        GroupError: If they cannot be found.
    """
    jax.config.update("jax_enable_preemption_service", False)  # who stops a run is its own business (`StopRequest`)
    given = coordinator is not None
    try:
        with _no_greetings():
            jax.distributed.initialize(
                coordinator,
                processes,
                process,
                cluster_detection_method="deactivate" if given else None,
                initialization_timeout=MEETING,
                heartbeat_timeout_seconds=HEARTBEAT,
                shutdown_timeout_seconds=ENDING,
            )
            gather(None)
    except (RuntimeError, ValueError, OSError) as error:
        who = f"process {process} of {processes}" if given else "this process"
        where = f" at {coordinator}" if given else ""
        raise GroupError(
            f"{who} could not join the others{where} ({str(error).partition(chr(10))[0]}). Say where they are by "
            "--coordinator HOST:PORT --process I --processes N; or, to train by itself, --processes 1"
        ) from error


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
    together = threading.Thread(target=jax.distributed.shutdown, daemon=True)
    together.start()
    together.join(None if code == 0 else LINGER)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the ordinary end would wait for the others again, and JAX would abort it then
