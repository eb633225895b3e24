"""Where a run is computed: what its last bits hang on, beside its options."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import TypedDict

import jax

PROCESS = "/proc/self/statm"
Machine = TypedDict("Machine", {"devices": str, "CPU cores": int, "jax": str})


def machine() -> Machine:
    """This one."""
    return {
        "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "CPU cores": cores(),
        "jax": jax.__version__,
    }


def cores() -> int:
    """CPU cores that this process may use: XLA makes as many threads, and groups its sums by them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_in_use() -> int:
    """Bytes: of the fullest accelerator where there is one, else of this process."""
    stats = [found for device in jax.local_devices() if (found := device.memory_stats())]
    if stats:
        return max(found.get("bytes_in_use", 0) for found in stats)
    if Path(PROCESS).exists():
        return int(Path(PROCESS).read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def changes(before: Machine | None, now: Machine) -> list[str]:
    """'CPU cores 2, now 8' for all in which two machines differ."""
    old = dict(before or now)
    return [f"{key} {old.get(key)}, now {value}" for key, value in now.items() if old.get(key) != value]
