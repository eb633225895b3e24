"""A run: every contestant set up on every case, checked, and timed in interleaved rounds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from jaxrnn.bench.cases import Case
from jaxrnn.bench.choice import make_cases
from jaxrnn.bench.contestants import Entry
from jaxrnn.bench.gate import Agreement
from jaxrnn.bench.machine import TENTH, Watch, describe_machine
from jaxrnn.bench.processes import CONTESTANT, TRUTH, Worker, WorkerError
from jaxrnn.bench.suites import SUITES

TRIES = 3  # of a round that other processes disturb


class Settings(NamedTuple):
    """How much is measured."""

    suites: tuple[str, ...]
    cells: tuple[str, ...]
    shapes: tuple[str, ...] = ()
    rounds: int = 7
    seconds: float = 0.2  # that one contestant is timed for in a round, once at least
    quick: bool = False


class Plan(NamedTuple):
    """A case, and all that is measured of it."""

    case: Case
    timed: tuple[str, ...]
    inspected: tuple[str, ...]
    suite: str = ""  # that asked for it first
    rated: str = ""

    @property
    def kinds(self) -> list[str]:
        return [*self.timed, *self.inspected]


def make_plans(settings: Settings, *, gpu: bool) -> list[Plan]:
    """The cases of all suites; one that stands in several is built once."""
    plans: dict[Case, Plan] = {}
    for name in settings.suites:
        suite = SUITES[name]
        for case in make_cases(name, settings.cells, settings.shapes, gpu=gpu, quick=settings.quick):
            old = plans.get(case, Plan(case, (), (), name, suite.rated))
            timed, inspected = (
                tuple(dict.fromkeys(a + b)) for a, b in ((old.timed, suite.timed), (old.inspected, suite.inspected))
            )
            plans[case] = old._replace(timed=timed, inspected=inspected, rated=old.rated or suite.rated)
    return list(plans.values())


def run(
    settings: Settings,
    entries: list[Entry],
    report: Callable[[int, int, str], None],
    keep: Callable[[dict[str, Any]], None],
) -> None:
    """Measure.

    Args:
        settings: what, and how much of it.
        entries: the contestants; the ratios are to the first.
        report: called with the number of cases done, that of all cases, and what happens now.
        keep: called after each case with the record so far, which JSON can hold: `machine`, `rates` where a suite is
            compared with them, `settings`, `contestants`, and `results`, one for each case, kind and contestant, with a
            `status` of "measured", "declined", "refused" by the gate, or "failed".
    """
    with ExitStack() as stack:
        workers = [Worker(entry.name, CONTESTANT) for entry in entries]
        judge = Worker("truth", TRUTH)
        for worker in (*workers, judge):
            stack.callback(worker.stop)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        report(0, 1, f"starting {workers[0].name}")
        hello = workers[0].ask("hello")
        plans = make_plans(settings, gpu=hello["platform"] == "gpu")
        rates = {}
        if any(plan.rated for plan in plans):
            report(0, len(plans), "the machine's own rates")
            measurer = Worker("rates", CONTESTANT)
            stack.callback(measurer.stop)
            rates = measurer.ask("rates")
            by_traffic = [plan.case for plan in plans if plan.rated == "traffic"]
            rates["traffic"] = {str(c): measurer.ask("traffic", case=c.record())["seconds"] for c in by_traffic}
            measurer.stop()
        record: dict[str, Any] = {
            "machine": describe_machine(hello),
            "rates": rates,
            "settings": settings._asdict(),
            "contestants": [{"name": entry.name, "role": entry.role} for entry in entries],
            "results": [],
        }
        for done, plan in enumerate(plans):
            measurement = Measurement(plan, workers, judge, folder, partial(report, done, len(plans)), rates)
            record["results"] += measurement.run(settings)
            keep(record)


class Measurement:
    """One case, over all contestants."""

    def __init__(
        self,
        plan: Plan,
        workers: list[Worker],
        judge: Worker,
        folder: Path,
        say: Callable[[str], None],
        rates: dict[str, Any] | None = None,
    ) -> None:
        self.rates = rates or {}
        self.plan, self.workers, self.judge, self.folder = plan, workers, judge, folder
        self.say = lambda text: say(f"{plan.case}: {text}")
        self.results: dict[tuple[str, str], dict[str, Any]] = {
            (worker.name, kind): {
                "case": plan.case.record(),
                "kind": kind,
                "suite": plan.suite,
                "contestant": worker.name,
                "note": "",
                "status": "measured",
                "reason": "",
                "rounds": [],
                "others": [],
                "faults": [],
            }
            for worker in workers
            for kind in plan.kinds
        }

    def run(self, settings: Settings) -> list[dict[str, Any]]:
        """Set up everyone, then time them in rounds."""
        self._count()
        for worker in self.workers:
            self.say(f"{worker.name} compiles")
            try:
                self._set_up(worker)
            except WorkerError as error:
                self._mark(worker, "failed", str(error))
        for file in self.folder.iterdir():
            file.unlink()
        if any(self._runs(worker, kind) for worker in self.workers for kind in self.plan.timed):
            for number in range(settings.rounds):
                self.say(f"round {number + 1} of {settings.rounds}")
                self._undisturbed_round(number, settings.seconds)
        return list(self.results.values())

    def _count(self) -> None:
        """How long the case's products would take at the machine's rate, or its arrays."""
        case, best = self.plan.case, {}
        if self.plan.rated == "traffic":
            best = {"gradients": self.rates["traffic"][str(case)]}
        elif self.plan.rated == "products" and (rate := self.rates.get("products", {}).get(case.dtype)):
            best = {kind: n / rate for kind, n in self.judge.ask("flops", case=case.record()).items()}
        for (_, kind), result in self.results.items():
            if kind in best:
                result["at_best"] = best[kind]

    def _set_up(self, worker: Worker) -> None:
        offer = worker.ask("offer", case=self.plan.case.record(), kinds=self.plan.kinds)
        for kind, reason in offer["declined"].items():
            self.results[worker.name, kind] |= {"status": "declined", "reason": reason}
        kinds = [kind for kind in self.plan.kinds if kind not in offer["declined"]]
        if not kinds:
            return
        formed = Case(**offer["case"])
        answer = worker.ask("set_up", case=offer["case"], kinds=kinds, file=self._truth(formed))
        agreement = Agreement(**answer["agreement"])
        if not answer["holds"]:
            return self._mark(worker, "refused", str(agreement), kinds)
        for kind in kinds:
            self.results[worker.name, kind] |= {"note": offer["note"], "agreement": agreement._asdict()}
            if kind in answer["numbers"]:
                self.results[worker.name, kind]["rounds"] = answer["numbers"][kind]

    def _truth(self, case: Case) -> str:
        file = self.folder / f"{case.form or 'plain'}.npz"
        if not file.exists():
            self.judge.ask("truth", case=case.record(), file=str(file))
        return str(file)

    def _undisturbed_round(self, number: int, seconds: float) -> None:
        for _ in range(TRIES):
            watch = Watch(lambda: [w.pid for w in self.workers if w.pid is not None])
            times = self._round(number, seconds)
            others = watch.others()
            if others is None or others <= TENTH:
                break
            self.say(f"round {number + 1} again: other processes took {others:.2f} cores")
        for key, answer in times.items():
            self.results[key]["rounds"].append(answer["median"])
            self.results[key]["faults"].append(answer["faults"])
            self.results[key]["others"].append(others)

    def _round(self, number: int, seconds: float) -> dict[tuple[str, str], dict[str, Any]]:
        """Everyone once, in an order that goes round."""
        shift = number % len(self.workers)
        times = {}
        for kind in self.plan.timed:
            for worker in self.workers[shift:] + self.workers[:shift]:
                if self._runs(worker, kind):
                    try:
                        times[worker.name, kind] = worker.ask("time", kind=kind, seconds=seconds)
                    except WorkerError as error:
                        self._mark(worker, "failed", str(error))
        return {key: answer for key, answer in times.items() if self.results[key]["status"] == "measured"}

    def _runs(self, worker: Worker, kind: str) -> bool:
        return self.results[worker.name, kind]["status"] == "measured"

    def _mark(self, worker: Worker, status: str, reason: str, kinds: Iterable[str] = ()) -> None:
        for kind in kinds or self.plan.kinds:
            if self._runs(worker, kind):
                self.results[worker.name, kind] |= {
                    "status": status,
                    "reason": reason,
                    "rounds": [],
                    "others": [],
                    "faults": [],
                }
