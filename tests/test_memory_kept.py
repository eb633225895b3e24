"""`jaxrnn.keep_memory` in a process of its own: pages are faulted once, unless it comes too late."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import jax
import pytest

import jaxrnn
from jaxrnn.base import memory
from tests.waiting import ran

GLIBC = memory._is_glibc()
PROGRAM = """
import resource, sys
import numpy as np
import jax, jaxrnn
if "late" in sys.argv:
    jax.numpy.zeros(3).block_until_ready()
kept = jaxrnn.keep_memory() if "plain" not in sys.argv else jaxrnn.base.memory.KeptMemory("not asked")
cell = jaxrnn.lstm(256)
params, xs = cell.init(jax.random.key(0), inputs=8), np.ones((128, 40, 8), np.float32)
step = jax.jit(jax.grad(lambda params: jaxrnn.scan(cell, params, xs)[1].sum()))
faults = []
for _ in range(10):  # the first calls make room
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    jax.block_until_ready(step(params))
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
faults, held = min(faults), kept.held
kept.give_back()
print(faults, held, kept.held, kept.reason)
"""


def run(*arguments: str) -> list[str]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return ran(command, check=True).stdout.split(maxsplit=3)


@pytest.mark.skipif(not GLIBC, reason="a setting of glibc")
def test_temporaries_find_their_pages_in_place() -> None:
    faults, held, left, reason = run()
    assert reason.strip() == "None"
    assert float(faults) < 100
    assert int(held) > 2**25
    assert int(left) < int(held) / 4
    assert float(run("plain")[0]) > 2**25 / 4096


@pytest.mark.skipif(not GLIBC, reason="a setting of glibc")
def test_too_late_changes_nothing_and_says_so() -> None:
    *_, reason = run("late")
    assert "call it before JAX computes" in reason


def test_elsewhere_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: Any) -> Any:
        raise TypeError("Windows")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    kept = jaxrnn.keep_memory()
    assert str(kept) == "freed memory is not kept: the C library is not glibc, whose settings these are"
    assert kept.held == 0
    kept.give_back()


@pytest.mark.skipif(not GLIBC, reason="a setting of glibc")
def test_explain_recommends_it_above_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_kept", False)
    assert "`jaxrnn.keep_memory()` keeps them" in str(jaxrnn.explain(jaxrnn.lstm(512)))
    with jax.enable_x64(False):
        assert "training holds some 39 MB" in str(jaxrnn.explain(jaxrnn.lstm(300)))
        assert "keep_memory" not in str(jaxrnn.explain(jaxrnn.lstm(200)))
        assert "keep_memory" not in str(jaxrnn.explain(jaxrnn.lstm(300), chunk="sqrt"))
    monkeypatch.setattr(memory, "_kept", True)
    assert "keep_memory" not in str(jaxrnn.explain(jaxrnn.lstm(512)))
