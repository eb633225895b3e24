"""Laws and times on a lent device: in what order, how a record is gone on with; and really, with the CPU as device."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import jaxrnn.bench.command
from jaxrnn.bench import on_device
from jaxrnn.bench.on_device import bench_device, make_units
from jaxrnn.bench.processes import Worker, WorkerError
from jaxrnn.cli import main

CONTESTANTS = ["auto", "lax.scan", "reference"]


class Fake(Worker):
    """A worker on a GPU of fairy tales: `lax.scan` computes something else, and `reference` dies of what is large."""

    asked: list[tuple[str, str]] = []
    device = "H1000"
    pid = None

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name = name

    def stop(self) -> None:
        pass

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        self.asked.append((self.name, do))
        if do == "build" and self.name == "reference":
            raise WorkerError("the process ended with code -9")
        return {
            "hello": {"platform": "gpu", "device": self.device},
            "offer": {"case": request.get("case"), "note": "", "declined": {}},
            "set_up": {"holds": self.name != "lax.scan", "agreement": {"worst": 1e-7, "where": "ys", "allowed": 1e-6}},
            "time": {"median": 0.001, "calls": 3, "faults": 0},
        }.get(do, {})


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[Fake]:
    monkeypatch.setattr(on_device, "Worker", Fake)
    monkeypatch.setattr(Fake, "asked", [])
    return Fake


def rows_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_times_are_of_those_whose_law_held_and_every_row_says_what_became_of_it(fake, tmp_path):
    said: list[str] = []
    found = bench_device(None, 400.0, tmp_path / "a.jsonl", CONTESTANTS, said.append)
    assert found["done"] == found["all"] == len(said)
    first, *rows = rows_of(tmp_path / "a.jsonl")
    assert first["machine"]["device"] == found["device"] == "H1000"
    assert {"jax", "jaxrnn"} <= first["machine"]["versions"].keys()
    times = [row for row in rows if row["row"] == "time"]
    status = {name: {row["status"] for row in times if row["contestant"] == name} for name in CONTESTANTS}
    assert status == {"auto": {"measured"}, "lax.scan": {"left out"}, "reference": {"failed"}}
    assert {row["case"]["dtype"] for row in times} == {"float32", "tf32", "bfloat16"}
    assert {(row["case"]["cell"], row["case"]["recurrent"]) for row in times} == {
        ("lstm", ""),
        ("gru", ""),
        ("slstm", ""),
        ("lstm", "heads(8)"),
    }
    assert {row["kind"] for row in times if row["status"] == "measured"} == {"train", "forward"}
    laws = [row for row in rows if row["row"] == "law"]
    assert all((row["status"] == "broken") == (row["contestant"] == "lax.scan") for row in laws)
    assert any(row["case"]["resets"] for row in laws)
    assert any(row["case"]["ragged"] for row in laws)


@pytest.mark.parametrize("cut", [0, 1, 30])
def test_a_record_is_gone_on_with_where_it_was_cut(fake, tmp_path, cut):
    whole, file = tmp_path / "whole.jsonl", tmp_path / "a.jsonl"
    bench_device(None, 400.0, whole, CONTESTANTS, print)
    content = whole.read_bytes().splitlines(keepends=True)
    at = next(n for n, line in enumerate(content) if b'"forward"' in line)  # between the two of one contestant
    file.write_bytes(b"".join(content[:at]) + content[at][:cut])  # a line that was half written does not count
    fake.asked.clear()
    bench_device(None, 400.0, file, CONTESTANTS, print)
    assert rows_of(file) == rows_of(whole)
    laws = sum(row["row"] == "law" for row in rows_of(whole))
    assert sum(do == "set_up" for _, do in fake.asked) < laws


def test_time_that_is_over_leaves_the_rest_for_another_call(fake, tmp_path, monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(on_device.time, "monotonic", lambda: float(next(clock)))
    said: list[str] = []
    found = bench_device(None, 30.0, tmp_path / "a.jsonl", CONTESTANTS, said.append)
    assert 3 < found["done"] < 15
    assert said[-1] == f"30 s are over: {found['all'] - found['done']} of {found['all']} are left for another call"
    _, *rows = rows_of(tmp_path / "a.jsonl")
    assert len({(row["row"], str(row["case"]), row["contestant"]) for row in rows}) == found["done"]


def test_the_shorter_the_time_the_smaller_the_sizes():
    def numbers(platform: str, seconds: float) -> int:
        units = make_units(platform, ["auto"], on_device._shrunk(platform, seconds))
        return max(unit.case.B * unit.case.T for unit in units)

    assert numbers("gpu", 450) == 64 * 512
    assert numbers("gpu", 450) > numbers("gpu", 100) > numbers("cpu", 450) >= numbers("cpu", 10)


def test_a_record_of_another_device_is_not_gone_on_with(fake, tmp_path, monkeypatch):
    file = tmp_path / "a.jsonl"
    bench_device(None, 400.0, file, ["auto"], print)
    before = file.read_bytes()
    monkeypatch.setattr(fake, "device", "H2000")
    with pytest.raises(
        ValueError, match=r"`json` must be a new file, or a record of this H2000, got .*of H1000, whose"
    ):
        bench_device(None, 400.0, file, ["auto"], print)
    (tmp_path / "b.jsonl").write_text("no record\n")
    with pytest.raises(ValueError, match="`json` must be a record of `jaxrnn bench --device`, or a new file"):
        bench_device(None, 400.0, tmp_path / "b.jsonl", ["auto"], print)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--device"], "`suites` must be left out with --device"),
        (["--device", "--quick"], "`quick` must be left out with --device"),
        (["--seconds", "5"], "`--seconds` goes with --device"),
        (["--device", "--seconds", "0"], "`seconds` must be a positive number"),
        (["--device", "--json", "nowhere/a.json"], "`json` must be a file in a folder that exists"),
        (["--device", "--peers", "torhc"], "Did you mean 'torch'?"),
    ],
)
def test_a_mistake_is_one_line_before_anything_runs(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr("jaxrnn.bench.command.bench_device", lambda *_: pytest.fail("it ran"))
    assert main(["bench", *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.slow
def test_the_cpu_as_the_device(tmp_path, capsys, monkeypatch):
    """Real workers, real laws, twice: the second call does what the first left."""
    monkeypatch.setattr(on_device, "CELLS", (dict(cell="gru"),))
    monkeypatch.chdir(tmp_path)
    command = ["bench", "--device", "cpu", "--backends", "auto", "--peers", "lax.scan", "flax.linen"]
    assert main([*command, "--seconds", "1"]) == 0
    assert "are left for another call" in capsys.readouterr().out
    begun = rows_of(tmp_path / "device.jsonl")
    assert main([*command, "--seconds", "300"]) == 0
    said = capsys.readouterr().out
    assert "the device is this machine's CPU" in said
    rows = rows_of(tmp_path / "device.jsonl")
    assert rows[: len(begun)] == begun
    laws = [row for row in rows if row["row"] == "law"]
    assert {row["status"] for row in laws} == {"holds"}
    assert all(0 < row["agreement"]["worst"] <= row["agreement"]["allowed"] for row in laws)
    times = [row for row in rows if row["row"] == "time"]
    assert {(row["contestant"], row["kind"], row["case"]["dtype"]) for row in times} == {
        (name, kind, dtype)
        for name in ("auto", "lax.scan", "flax.linen")
        for kind in ("train", "forward")
        for dtype in ("float32", "bfloat16")
    }
    assert all(row["median"] > 0 for row in times)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "gpu0"], r"`device` must be a platform of JAX's, such as cpu, gpu, cuda, rocm, tpu, got 'gpu0'"),
        (["--device", "/nowhere"], r"`device` must be a platform of JAX's"),
        (["--device", "cpu", "--json", "."], r"`json` must be a file in a folder that exists, got \."),
        (["--device", "cpu", "--seconds", "nan"], r"`seconds` must be a positive number"),
    ],
)
def test_wrong_calls_start_nothing(options, message, capsys, monkeypatch):
    monkeypatch.setattr(jaxrnn.bench.command, "bench_device", lambda *given: pytest.fail("it began"))
    assert main(["bench", *options]) == 1
    assert re.search(message, capsys.readouterr().err)
