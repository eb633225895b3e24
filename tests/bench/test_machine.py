"""What other processes take: exact on written files, and live with a busy child."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxrnn.bench import machine
from jaxrnn.bench.machine import TENTH, TICKS, Watch, describe_machine
from tests.waiting import ended

SECOND = os.sysconf("SC_CLK_TCK")


def write(folder: Path, busy: dict[str, int], own: dict[int, tuple[int, int]]) -> None:
    """A /proc of these ticks; the name of a process may hold blanks and brackets."""
    names = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"]
    (folder / "stat").write_text(f"cpu  {' '.join(str(busy.get(n, 0)) for n in names)}\ncpu0 1 2 3\n")
    for pid, (user, system) in own.items():
        (folder / str(pid)).mkdir(exist_ok=True)
        fields = ["S", *["0"] * 10, str(user), str(system), *["0"] * 30]
        (folder / str(pid) / "stat").write_text(f"{pid} (a (b) c) {' '.join(fields)}\n")


def test_others_are_all_busy_time_less_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 14.0])
    monkeypatch.setattr(machine.time, "perf_counter", lambda: next(clock))
    me = os.getpid()
    write(tmp_path, dict(user=100, idle=5000, iowait=70), {me: (10, 5), 7: (50, 0)})
    watch = Watch(lambda: [7], tmp_path)
    busy = dict(user=100 + 3 * SECOND, nice=SECOND, system=SECOND, idle=9000, iowait=900, irq=0, steal=SECOND)
    write(tmp_path, busy, {me: (10 + SECOND, 5), 7: (50 + SECOND, SECOND)})
    # 6 seconds busy, 3 of them ours, in 4 seconds
    assert watch.others() == pytest.approx((3 - TICKS / SECOND) / 4)


def test_a_new_process_of_ours_counts_from_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0])
    monkeypatch.setattr(machine.time, "perf_counter", lambda: next(clock))
    write(tmp_path, {}, {os.getpid(): (0, 0)})
    ours: list[int] = []
    watch = Watch(lambda: ours, tmp_path)
    ours.append(7)
    write(tmp_path, dict(user=SECOND), {7: (SECOND, 0)})
    assert watch.others() == 0.0


def test_where_nothing_is_known_it_says_so(tmp_path: Path) -> None:
    assert Watch(list, tmp_path).others() is None


def test_a_busy_child_is_seen_unless_it_is_ours() -> None:
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    stranger, ours = Watch(list), Watch(lambda: [child.pid])
    start = sum(os.times()[:4])
    time.sleep(1.5)
    seen, own = stranger.others(), ours.others()
    child.kill()
    ended(child)
    took = (sum(os.times()[:4]) - start) / 1.5  # what the child got of a machine that may be busy
    assert seen is not None
    assert own is not None
    assert seen > TENTH
    assert seen - own == pytest.approx(took, abs=0.15)


def test_the_machine_is_described() -> None:
    import jax

    found = describe_machine({"platform": "cpu", "device": "cpu"})
    assert found["versions"]["jax"] == jax.__version__
    assert 1 <= found["cores"] <= os.cpu_count()
    assert found["device"] == "cpu"
