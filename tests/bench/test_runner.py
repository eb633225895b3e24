"""The runner on workers in this process: what is refused, declined, failed, repeated; and one dead process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jaxrnn.bench import runner
from jaxrnn.bench.cases import Case
from jaxrnn.bench.machine import TENTH, available_memory
from jaxrnn.bench.processes import CONTESTANT, Worker, WorkerError
from jaxrnn.bench.runner import TRIES, Measurement, Plan, Settings
from jaxrnn.bench.tables import make_tables
from jaxrnn.bench.worker import TRUTH, Server, describe_error

CASE = Case("lstm", 2, 5, 3, 4)
SHORT = Settings(("train",), ("lstm",), rounds=2, seconds=1e-4)


class InProcess(Worker):
    """A worker without a process; what it answers goes through JSON too."""

    def __init__(self, name: str) -> None:
        super().__init__(name, {})
        self.server, self.asked = Server(name), []

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        self.asked.append(do)
        try:
            answer = getattr(self.server, do)(**json.loads(json.dumps(request)))
        except Exception as error:
            raise WorkerError(describe_error(error)) from error
        return json.loads(json.dumps(answer))


class Judge(InProcess):
    def __init__(self) -> None:
        super().__init__(TRUTH)

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        import jax

        with jax.enable_x64(True):
            return super().ask(do, **request)


def measure(
    folder: Path, names: list[str], plan: Plan, said: list[str] | None = None
) -> tuple[dict[tuple[str, str], Any], list[InProcess]]:
    workers = [InProcess(name) for name in names]
    say = (lambda text: None) if said is None else said.append
    results = Measurement(plan, workers, Judge(), folder, say).run(SHORT)
    return {(r["contestant"], r["kind"]): r for r in results}, workers


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else computes."""
    monkeypatch.setattr(runner, "Watch", lambda ours: type("", (), {"others": lambda self: 0.0})())


@pytest.mark.usefixtures("as_in_a_worker", "alone")
def test_times_come_in_rounds_and_numbers_once(tmp_path: Path) -> None:
    found, workers = measure(tmp_path, ["auto", "lax.scan"], Plan(CASE, ("train",), ("temporaries", "instructions")))
    for name in ("auto", "lax.scan"):
        assert len(found[name, "train"]["rounds"]) == SHORT.rounds
        assert all(0 < seconds < 1 for seconds in found[name, "train"]["rounds"])
        assert found[name, "train"]["others"] == [0.0, 0.0]
        for kind in ("temporaries", "instructions"):
            (number,) = found[name, kind]["rounds"]
            assert number > 0
        assert found[name, "train"]["agreement"]["worst"] < found[name, "train"]["agreement"]["allowed"]
    assert found["auto", "train"]["note"].startswith("runs on '")
    assert workers[0].asked == ["offer", "set_up", "time", "time"]
    assert not list(tmp_path.iterdir())  # truths are large


@pytest.mark.usefixtures("as_in_a_worker", "alone")
def test_wrong_numbers_are_refused_and_never_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jaxrnn.bench.contestants import linen

    monkeypatch.setattr(linen, "LSTM", "figo")
    found, workers = measure(tmp_path, ["auto", "flax.linen"], Plan(CASE, ("train",), ()))
    refused = found["flax.linen", "train"]
    assert (refused["status"], refused["rounds"]) == ("refused", [])
    assert "of its norm, 1.9e-06 allowed" in refused["reason"]
    assert "time" not in workers[1].asked
    record = {"contestants": [{"name": "auto", "role": "ours"}, {"name": "flax.linen", "role": "jax"}]}
    (table,) = make_tables(record | {"results": list(found.values())})
    assert table.rows[0].cells["flax.linen"] == (None, None, "refused", None, None)
    assert any(note.startswith("flax.linen refused at lstm B=2 T=5 D=3 H=4: ") for note in table.notes)


@pytest.mark.usefixtures("as_in_a_worker", "alone")
def test_declined_and_failed_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jaxrnn.bench.contestants import nnx

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no such layer\nand more")

    monkeypatch.setattr(nnx.Library, "run", broken)
    case = Case("lstm", 2, 5, 3, 4, ragged=True)
    found, _ = measure(tmp_path, ["auto", "haiku", "flax.nnx"], Plan(case, ("train",), ()))
    assert (found["haiku", "train"]["status"], found["haiku", "train"]["reason"]) == ("declined", "has no ragged")
    failed = found["flax.nnx", "train"]
    assert (failed["status"], failed["reason"]) == ("failed", "RuntimeError: no such layer")


@pytest.mark.usefixtures("as_in_a_worker", "alone")
def test_what_needs_more_memory_than_there_is_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxrnn.bench.worker.available_memory", lambda: 2)
    found, _ = measure(tmp_path, ["auto"], Plan(CASE, ("train",), ("compile",)))
    assert found["auto", "train"]["status"] == "failed"
    assert "GB of temporaries" in found["auto", "train"]["reason"]
    assert available_memory() is None or available_memory() > 2**20
    assert available_memory(tmp_path / "none") is None


@pytest.mark.usefixtures("as_in_a_worker")
@pytest.mark.parametrize(
    ("loads", "tries", "kept"),
    [([0.05, 0.0], 2, [0.05, 0.0]), ([0.5, 0.02, 0.0], 3, [0.02, 0.0]), ([0.5] * 6, 6, [0.5, 0.5])],
    ids=["quiet", "once disturbed", "always disturbed"],
)
def test_a_disturbed_round_is_repeated_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loads: list[float], tries: int, kept: list[float]
) -> None:
    seen = iter(loads)
    monkeypatch.setattr(runner, "Watch", lambda ours: type("", (), {"others": lambda self: next(seen)})())
    said: list[str] = []
    found, workers = measure(tmp_path, ["auto"], Plan(CASE, ("forward",), ()), said)
    assert workers[0].asked.count("time") == tries <= SHORT.rounds * TRIES
    assert len([text for text in said if "again: other processes took 0.50 cores" in text]) == loads.count(0.5)
    assert found["auto", "forward"]["others"] == kept
    (table,) = make_tables({"contestants": [{"name": "auto", "role": "ours"}], "results": list(found.values())})
    assert table.rows[0].disturbed == (0.5 if max(kept) > TENTH else 0.0)
    assert ("~ 2, 5, 3, 4: other processes took up to 0.50 cores, at the third try too" in table.notes) == (
        max(kept) > TENTH
    )


def test_a_dead_worker_is_reported_and_started_again() -> None:
    worker = Worker("auto", CONTESTANT)
    with pytest.raises(WorkerError, match="AttributeError: 'Server' object has no attribute 'nothing'"):
        worker.ask("nothing")
    assert worker._process is not None
    worker._process.kill()
    worker._process.wait(60)
    with pytest.raises(WorkerError, match="the process ended with code -9: no message"):
        worker.ask("hello")
    assert worker.pid is None
    assert worker.ask("hello")["platform"] == "cpu"
    worker.stop()
    broken = Worker("no contestant", CONTESTANT)
    with pytest.raises(WorkerError, match="the process ended with code 1: KeyError: 'no contestant'"):
        broken.ask("hello")
