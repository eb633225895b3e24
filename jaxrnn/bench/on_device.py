"""`jaxrnn bench --device`: laws and times on a device that is lent for minutes, a row at a time.

A law is the gate of `gate` on a small ragged case: outputs and every gradient beside float64 on the CPU. Times are of
larger cases, of contestants whose laws held. Each row is on the disk before the next begins, and a record is gone on
with where it was cut.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from jaxrnn.base.errors import Said, fail
from jaxrnn.bench.cases import Case
from jaxrnn.bench.contestants import OURS, PEERS
from jaxrnn.bench.machine import describe_machine
from jaxrnn.bench.processes import CONTESTANT, TRUTH, Worker, WorkerError
from jaxrnn.engine.registry import BACKENDS

LONGEST = 450.0  # seconds: a lent device goes back after ten minutes, and its start counts
A_TIMING = 0.25  # seconds that one is timed for
LAW: dict[str, Any] = dict(B=5, T=33, D=24, H=32, ragged=True)
LARGE: dict[str, Any] = dict(B=64, T=512, D=512, H=512)
SMALLEST = 16  # LARGE's sizes are divided by no more than that
OTHERS = ("lax.scan", "flax.linen", "flax.nnx", "torch")
CELLS: tuple[dict[str, Any], ...] = (
    dict(cell="lstm"),
    dict(cell="gru"),
    dict(cell="slstm"),
    dict(cell="lstm", recurrent="heads(8)"),
)
KINDS = ("train", "forward")


class Unit(NamedTuple):
    """One contestant on one case: a law, or times."""

    row: str  # "law" or "time"
    case: Case
    contestant: str


def make_units(platform: str, contestants: list[str], shrunk: int) -> list[Unit]:
    """All that is asked, the most telling first: what is cut off is the end."""
    dtypes = ("float32", "tf32", "bfloat16") if platform == "gpu" else ("float32", "bfloat16")
    sizes: dict[str, Any] = {"B": max(LARGE["B"] // shrunk, 4), "T": max(LARGE["T"] // shrunk, 32), "D": 512, "H": 512}
    sizes |= {"D": 128, "H": 128} if shrunk >= 8 else {}
    found = []
    for dtype in dtypes:
        for cell in CELLS:
            law = Case(**cell, **LAW, dtype=dtype)
            large = Case(**cell, **sizes, dtype=dtype)
            found += [Unit("law", law, name) for name in contestants]
            found += [Unit("time", large, name) for name in contestants]
    resets = Case("gru", **(LAW | {"ragged": False}), resets=True)
    return [Unit("law", resets, name) for name in contestants if name in OURS] + found


class Record:
    """The rows of a file, one JSON object a line, and where more go.

    Raises:
        ValueError: If the file is of another device or other versions, or no such record.
    """

    def __init__(self, file: Path, head: dict[str, Any]) -> None:
        content = file.read_bytes() if file.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]  # what follows was cut
        try:
            self.rows = [json.loads(line) for line in whole.splitlines()]
        except ValueError:
            fail("json", "a record of `jaxrnn bench --device`, or a new file", Said(str(file)))
        if self.rows:
            first = self.rows[0].get("machine", {}) if isinstance(self.rows[0], dict) else {}
            same = ("platform", "device", "versions", "environment")
            differs = [name for name in same if first.get(name) != head["machine"][name]]
            if differs:
                got = Said(f"{file}, of {first.get('device')}, whose {', '.join(differs)} differ")
                fail("json", f"a new file, or a record of this {head['machine']['device']}", got)
        self._file = file.open("wb")
        self._file.write(whole)
        if not self.rows:
            self.write(head)

    def write(self, row: dict[str, Any]) -> None:
        """Append a row, and have it on the disk."""
        self.rows.append(row)
        self._file.write(json.dumps(row).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """No more rows."""
        self._file.close()

    def of(self, unit: Unit) -> list[dict[str, Any]]:
        """The rows of a unit."""
        key = (unit.row, unit.case.record(), unit.contestant)
        return [r for r in self.rows[1:] if (r["row"], r["case"], r["contestant"]) == key]

    def done(self, unit: Unit) -> bool:
        """Whether all of a unit's rows are there."""
        rows = self.of(unit)
        timed = {row["kind"] for row in rows if row["status"] == "measured"}
        return bool(rows) and (unit.row == "law" or {*KINDS} <= timed or len(timed) < len(rows))

    def holds(self, unit: Unit) -> bool:
        """Whether the law of a contestant held for a cell in a dtype."""
        law = replace(unit.case, **LAW)
        return any(row["status"] == "holds" for row in self.of(Unit("law", law, unit.contestant)))


def bench_device(
    name: str | None, seconds: float, file: Path, contestants: list[str] | None, say: Callable[[str], None]
) -> dict[str, Any]:
    """Measure for so long at most, and write a record; one that is there is gone on with.

    Args:
        name: a platform of JAX's, such as "gpu", "tpu" or "cpu"; None for what JAX takes by itself.
        seconds: for all of this call; sizes shrink so that most of it may be done.
        file: of the record.
        contestants: of `OURS` and `PEERS`; None for all that are here.
        say: is told what happens.

    Returns:
        `device`, `done` and `all` (units), and the `rows`.

    Raises:
        ValueError: a wrong argument, or a record of another device.
        WorkerError: there is no such device.
    """
    start = time.monotonic()
    environment = CONTESTANT | ({"JAX_PLATFORMS": {"gpu": "cuda"}.get(name, name)} if name else {})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        scout = Worker("auto", environment)
        stack.callback(scout.stop)
        hello = scout.ask("hello")
        names = contestants or [*present(hello["platform"])]
        workers = {one: scout if one == "auto" else Worker(one, environment) for one in names}
        judge = Worker("truth", TRUTH)
        for worker in (*workers.values(), judge):
            stack.callback(worker.stop)
        shrunk = _shrunk(hello["platform"], seconds)
        machine = describe_machine(hello)
        command = shlex.join(["jaxrnn", *sys.argv[1:]])
        record = Record(file, {"row": "device", "machine": machine, "shrunk": shrunk, "command": command})
        stack.callback(record.close)
        units = make_units(hello["platform"], names, record.rows[0]["shrunk"])
        expected = 0.0  # seconds of the next one, so that the last ends in time
        for number, unit in enumerate(units):
            left = seconds - (time.monotonic() - start)
            if record.done(unit):
                continue
            if left < expected:
                say(f"{seconds:.0f} s are over: {len(units) - number} of {len(units)} are left for another call")
                break
            began = time.monotonic()
            rows = _law(unit, workers, judge, folder) if unit.row == "law" else _times(unit, workers, record)
            for row in rows:
                record.write({"row": unit.row, "case": unit.case.record(), "contestant": unit.contestant} | row)
            expected = (expected + time.monotonic() - began) / 2
            shown = "; ".join(r["status"] + (f" {1e3 * r['median']:.3g} ms" if "median" in r else "") for r in rows)
            say(f"[{number + 1}/{len(units)}] {unit.row} {unit.case}: {unit.contestant}: {shown}")
        done = sum(map(record.done, units))
        return {"device": machine["device"], "done": done, "all": len(units), "rows": record.rows}


def present(platform: str) -> Iterator[str]:
    """The contestants that can run here: torch only on a CPU, or where it sees the same GPU."""
    yield from (name for name in OURS if name not in BACKENDS or not BACKENDS[name].compiles_long)
    for name in OTHERS:
        needs = PEERS[name].needs
        if needs is not None and not find_spec(needs):
            continue
        if name == "torch" and platform != "cpu":
            if platform != "gpu":
                continue
            import torch

            if not torch.cuda.is_available():
                continue
        yield name


def _shrunk(platform: str, seconds: float) -> int:
    """By how much sizes are divided: an accelerator has all of LARGE in six minutes."""
    start = wanted = 1 if platform in ("gpu", "tpu") else 8
    while wanted < SMALLEST and seconds * wanted < 300 * start:
        wanted *= 2
    return wanted


def _law(unit: Unit, workers: dict[str, Worker], judge: Worker, folder: Path) -> list[dict[str, Any]]:
    worker = workers[unit.contestant]
    try:
        offer = worker.ask("offer", case=unit.case.record(), kinds=[*KINDS])
        if offer["declined"]:
            return [{"status": "declined", "reason": next(iter(offer["declined"].values()))}]
        formed = Case(**offer["case"])
        file = folder / f"{str(formed).replace(' ', '_')}.npz"
        if not file.exists():
            judge.ask("truth", case=formed.record(), file=str(file))
        answer = worker.ask("set_up", case=formed.record(), kinds=[*KINDS], file=str(file))
    except WorkerError as error:
        return [{"status": "failed", "reason": str(error)}]
    status = "holds" if answer["holds"] else "broken"
    return [{"status": status, "reason": "", "note": offer["note"], "agreement": answer["agreement"]}]


def _times(unit: Unit, workers: dict[str, Worker], record: Record) -> list[dict[str, Any]]:
    if not record.holds(unit):
        return [{"status": "left out", "reason": "its law does not hold here, or it declines"}]
    worker = workers[unit.contestant]
    there = [row["kind"] for row in record.of(unit)]  # of a call that was cut between two
    rows: list[dict[str, Any]] = []
    try:
        offer = worker.ask("offer", case=unit.case.record(), kinds=[*KINDS])
        worker.ask("build", case=offer["case"])
        for kind in (kind for kind in KINDS if kind not in there):
            found = worker.ask("time", kind=kind, seconds=A_TIMING)
            rows.append({"kind": kind, "status": "measured", "reason": "", "note": offer["note"]} | found)
    except WorkerError as error:
        rows.append({"status": "failed", "reason": str(error)})
    return rows
