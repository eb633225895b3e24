"""The machine: what it is, and how much of it other processes take while we measure."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

TENTH = 0.1  # of a core: more than that taken by others disturbs a measurement
TICKS = 4  # what the kernel's clock of 10 ms may be off by, over all cores
DISTRIBUTIONS = ("jaxrnn", "jax", "jaxlib", "numpy", "flax", "dm-haiku", "equinox", "keras", "torch")
VARIABLES = (
    "GLIBC_TUNABLES",
    "XLA_FLAGS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "JAX_PLATFORMS",
)


def describe_machine(hello: dict[str, Any]) -> dict[str, Any]:
    """Device, versions and thread counts, as a record keeps them.

    Args:
        hello: what the first worker said about its device.
    """
    return {
        **hello,
        "cpu": _cpu_name(),
        "cores": len(cores()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version for name in DISTRIBUTIONS if (version := _version(name))},
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


class Watch:
    """Measures what processes other than ours take of the machine, from its construction on.

    Args:
        ours: gives the ids of our processes; this one is counted anyway.
        files: the folder of process files; where it holds no `stat` (outside Linux) nothing can be said.
    """

    def __init__(self, ours: Callable[[], Iterable[int]], files: Path = Path("/proc")) -> None:
        self._ours, self._files = ours, files
        self._start = self._read()

    def others(self) -> float | None:
        """Cores taken by others on average since the start, less the clock's error; None: unknown.

        Time that a hypervisor took counts.
        """
        now = self._read()
        if self._start is None or now is None:
            return None
        (t0, all0, own0), (t1, all1, own1) = self._start, now
        own = sum(ticks - own0.get(pid, 0) for pid, ticks in own1.items())
        return max(0.0, (all1 - all0 - own - TICKS) / os.sysconf("SC_CLK_TCK") / (t1 - t0))

    def _read(self) -> tuple[float, int, dict[int, int]] | None:
        try:
            fields = [int(n) for n in (self._files / "stat").read_text().splitlines()[0].split()[1:9]]
        except OSError:
            return None
        user, nice, system, _idle, _iowait, irq, softirq, steal = fields
        own = {pid: self._ticks(pid) for pid in {os.getpid(), *self._ours()}}
        return time.perf_counter(), user + nice + system + irq + softirq + steal, own

    def _ticks(self, pid: int) -> int:
        """User and system time of a process, all threads."""
        try:
            fields = (self._files / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0
        return int(fields[11]) + int(fields[12])


def available_memory(file: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that a process can still get; None where the system does not say."""
    try:
        lines = dict(line.split(":", 1) for line in file.read_text().splitlines())
    except OSError:
        return None
    return 1024 * int(lines["MemAvailable"].split()[0])


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
