"""What the machine can do, measured beside what it is compared with: products, and reading from each level of cache."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.bench.machine import cores

SIZE = 1024  # of square matrices
SECONDS = 0.5
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def measure_rates() -> dict[str, Any]:
    """Operations a second of products by the best library that is there, bytes a second by level of cache."""
    products = {dtype: max(_products(dtype).values()) for dtype in ("float32", "bfloat16")}
    return {"products": products, "bandwidth": {name: _read(size) for name, size in _levels().items()}}


def _products(dtype: str) -> dict[str, float]:
    """By library."""
    matrix = jnp.full((SIZE, SIZE), 0.5, dtype)
    multiply = jax.jit(jnp.matmul)
    found = {"jax": fastest(lambda: jax.block_until_ready(multiply(matrix, matrix)))}
    if find_spec("torch"):
        import torch

        torch.set_num_threads(len(cores()))
        tensor = torch.full((SIZE, SIZE), 0.5, dtype=getattr(torch, dtype))
        found["torch"] = fastest(lambda: tensor @ tensor)
    return {name: 2 * SIZE**3 / seconds for name, seconds in found.items()}


def fastest(call: Callable[[], Any]) -> float:
    """Seconds of the fastest call, after a first one that does not count."""
    call()
    times: list[float] = []
    start = time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    return min(times)


def _levels() -> dict[str, int]:
    """Bytes that each core reads so that they come from a level of cache: half of its share, and from none at all."""
    levels, largest = {}, 0
    for folder in sorted(CACHES.glob("index*")):
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction" and level != "1":  # a call of the product takes longer than to read what fits there
            shared = (folder / "shared_cpu_list").read_text().strip()
            bytes_ = int(size.removesuffix("K")) * 1024
            alone = shared.isdecimal()
            levels[f"level {level}"] = bytes_ // 2 // (1 if alone else len(cores()))
            largest = max(largest, bytes_)
    return levels | {"memory": 4 * max(largest, 2**25) // len(cores())}


def _read(size: int) -> float:
    """Bytes a second that all cores together read, each `size` bytes again and again: to find their maximum does.

    Often in one call, so that it is no call of Python's that is measured; NumPy has vectors of every CPU for it.
    """
    rates, barrier = np.zeros(len(cores())), threading.Barrier(len(cores()))

    def read(place: int) -> None:
        again = np.broadcast_to(np.ones(size // 4, np.int32), (max(1, 2**28 // size), size // 4))
        found = np.empty(len(again), np.int32)
        for _ in range(5):
            barrier.wait()
            start = time.perf_counter()
            np.maximum.reduce(again, axis=1, out=found)
            rates[place] = max(rates[place], 4 * again.size / (time.perf_counter() - start))

    threads = [threading.Thread(target=read, args=(place,)) for place in range(len(cores()))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return float(rates.sum())
