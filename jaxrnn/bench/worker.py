"""A process that serves one contestant, or makes the truth: JSON lines in on stdin, one JSON line out for each.

It works only when asked and sleeps on stdin otherwise, so that the contestants of a run never compute at the same time.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxrnn.base.memory import KeptMemory, keep_memory
from jaxrnn.bench.cases import CELLS, Case
from jaxrnn.bench.contestants import ALL, load
from jaxrnn.bench.contestants.base import INSPECTED
from jaxrnn.bench.flops import count_flops
from jaxrnn.bench.gate import MANY, UNITS, WIDER, Agreement, compare, distance
from jaxrnn.bench.machine import available_memory
from jaxrnn.bench.problem import compared, make_problem, make_truth
from jaxrnn.bench.rates import measure_rates
from jaxrnn.bench.recurrence import measure_traffic
from jaxrnn.cells import COLLECTION

LOST = "lost of"  # before the name of an array: no path of parameters begins like that
OTHERS = COLLECTION.keys() - set(CELLS)  # cells whose numbers are compared on a short case
TRUTH, RATES = "truth", "rates"  # the workers that make the one and measure the other are no contestants


class Server:
    """Answers the requests of `runner`; each method is one request and returns what JSON can hold."""

    def __init__(self, name: str) -> None:
        kept = name == RATES or (name in ALL and ALL[name].keeps)
        self.memory = keep_memory() if kept else KeptMemory("is not asked for")  # before anything computes
        self.library: Any = None if name in (TRUTH, RATES) else load(name)
        self.running: Any = None

    def hello(self) -> dict[str, Any]:
        """Where this process computes."""
        device = jax.devices()[0]
        return {"platform": device.platform, "device": device.device_kind}

    def rates(self) -> dict[str, Any]:
        """What the machine can do."""
        return measure_rates()

    def traffic(self, case: dict[str, Any]) -> dict[str, float]:
        """How long the arrays of a recurrence take by themselves."""
        return {"seconds": measure_traffic(Case(**case))}

    def flops(self, case: dict[str, Any]) -> dict[str, int]:
        """Operations of a case's products, by kind."""
        return count_flops(Case(**case))

    def truth(self, case: dict[str, Any], file: str) -> dict[str, Any]:
        """Write the truth of a case, an .npz file, and how far equations as they stand are from it, array by array."""
        short = compared(Case(**case))
        truth = make_truth(short)
        lost: dict[str, Any] = {}
        if short.cell in OTHERS:
            plain = load("reference").build(short, make_problem(short)).answer()
            lost = {f"{LOST} {name}": distance(plain[name], expected) for name, expected in truth.items()}
        np.savez(file, **truth, **lost)
        return {}

    def offer(self, case: dict[str, Any], kinds: list[str]) -> dict[str, Any]:
        """The case in this library's form, a note on it, and the kinds that it declines, with reasons."""
        formed = self.library.form(Case(**case))
        reasons = {kind: self.library.declines(formed, kind) for kind in kinds}
        declined = {kind: reason for kind, reason in reasons.items() if reason}
        return {"case": formed.record(), "note": self.library.note(formed), "declined": declined}

    def build(self, case: dict[str, Any]) -> dict[str, Any]:
        """Build a case that is not compared: its law has been looked at on a smaller one."""
        self.running = None
        gc.collect()
        self.memory.give_back()  # what the case before needed
        formed = Case(**case)
        self.running = self.library.build(formed, make_problem(formed))
        return {}

    def set_up(self, case: dict[str, Any], kinds: list[str], file: str) -> dict[str, Any]:
        """Build a case, inspect it where asked, and pass the gate or not."""
        self.build(case)
        formed = Case(**case)
        numbers = self.running.inspect() if any(kind in INSPECTED for kind in kinds) else {}
        _check_memory(max(numbers.get("temporaries", [0])))
        with np.load(file, allow_pickle=False) as stored:
            truth = {name: stored[name] for name in stored.files if not name.startswith(LOST)}
            lost = {name: float(stored[f"{LOST} {name}"]) for name in truth if f"{LOST} {name}" in stored.files}
        short = compared(formed)
        checked = self.running if short == formed else self.library.build(short, make_problem(short))
        plain = short == formed and formed.T * formed.B <= MANY
        agreement = compare(checked.answer(), truth, formed.dtype, UNITS if plain else WIDER, lost)
        if agreement.holds and any(kind.startswith("step") for kind in kinds):
            walked: Agreement = compare({"ys": self.running.walk()}, {"ys": truth["ys"]}, formed.dtype)
            agreement = max(agreement, walked)
        return {"agreement": agreement._asdict(), "holds": agreement.holds, "numbers": numbers}

    def time(self, kind: str, seconds: float) -> dict[str, Any]:
        """Warm up for a fifth of the time, then call until it is over, once at least each.

        `faults` are a call's minor page faults, of all threads.
        """
        call = self.running.call(kind)
        _repeat(call, seconds / 5)
        gc.disable()
        before = _faults()
        times = _repeat(call, seconds)
        faults = (_faults() - before) / len(times)
        gc.enable()
        return {"median": statistics.median(times), "calls": len(times), "faults": faults}


def _check_memory(needed: float) -> None:
    """Raise before a program takes more than a quarter of what there is: the system might end another for it."""
    if (there := available_memory()) is not None and needed > there / 4:
        raise MemoryError(f"holds {needed / 1e9:.0f} GB of temporaries, and there are {there / 1e9:.0f}")


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def _repeat(call: Callable[[], Any], seconds: float) -> list[float]:
    times: list[float] = []
    start = time.perf_counter()
    while not times or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    return times


def describe_error(error: Exception) -> str:
    """The first line of an error: tables have room for no more.

    >>> describe_error(ValueError("no such layer\\nand more"))
    'ValueError: no such layer'
    """
    return f"{type(error).__name__}: {error}".splitlines()[0]


def serve(name: str) -> None:
    """Answer until stdin ends. What libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with contextlib.redirect_stdout(sys.stderr):
        server = Server(name)
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = getattr(server, request.pop("do"))(**request)
            except Exception as error:  # a library's own failure is a result too: the table shows it
                answer = {"error": describe_error(error)}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    serve(sys.argv[1])
