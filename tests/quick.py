"""What the quick suite leaves to the slow one, and this to the sweep: of tests with many costly rows each runs some.

Of each test in `quick.toml` the quick suite runs one row in so many, drawn by the rows' names (of those with a 0 none),
and the slow suite the others. The numbers are CPU seconds of all rows, on Python 3.11 and JAX 0.10.2, so that a test
with many rows costs little more than one with few.

Of what it leaves, the slow suite runs one row in `ONE_ROW_IN` of a test with more than a few: twenty-five minutes do
not hold more. The others are for `pytest -m sweep`, which has no limit.

The laws are some hundred tests for each cell. Elman's, the LSTMs, the GRUs and a user's own cell run them all, quickly
or slowly: what the engine does, it does for these. Of one in eight of the other cells the quick suite runs law 1 on a
backend that is drawn; of each the slow one runs it on every backend, with one test of each of `DRAWN`. All of the rest
is run by `pytest -m sweep`.
"""

from __future__ import annotations

import math
import tomllib
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

Declined = Callable[[pytest.Item], bool]  # whether a backend declines an item's row
COSTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
ONE_IN: dict[str, dict[str, int]] = COSTS["one_in"]
LONG: dict[str, list[str]] = COSTS["long"]
FAMILIES = ("elman", "lstm", "lstm_1997", "gru", "own")  # cells of which all laws are run
LAW_1 = (
    "tests/laws/test_law_01_reference.py::test_outputs_and_carries_equal_the_oracle",
    "tests/laws/test_law_01_reference.py::test_gradients_equal_the_oracle",
)
KEPT = ("tests/laws/test_law_09_golden.py::test_numbers_are_the_frozen_ones",)
ONE_ROW_IN, FEW = 12, 3
# Of these all is run: most by themselves, in environments of their own.
WHOLE = (
    "tests/site/",
    "tests/planning/",
    "tests/kernels/test_pallas.py::test_it_is_the_loop",  # of a kernel no two rows find the same mistakes
    "tests/kernels/test_pallas.py::test_outputs_and_gradients_equal_the_oracle",
    "tests/kernels/test_pallas_gpu.py",
    "tests/test_notebooks.py",
)
DRAWN = (
    "tests/laws/test_law_02_pieces.py::test_every_chunk_is_the_whole",
    "tests/laws/test_law_03_padding.py::test_padding_changes_no_bit",
    "tests/laws/test_law_03_padding.py::test_rows_do_not_see_each_other",
)


def _compiles_long(backend: object) -> bool:
    """Of a backend that is run in the slow suite, but for tests of its own."""
    from jaxrnn.engine.registry import BACKENDS  # not before annotations are to be checked

    return backend in BACKENDS and BACKENDS[str(backend)].compiles_long


def _drawn(text: str) -> int:
    """A number that is the same in every process."""
    return zlib.crc32(text.encode())


def _in_drawn_order(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    return sorted(items, key=lambda item: _drawn(item.nodeid))


def leave_to_the_sweep(
    items: list[pytest.Item], is_core: Callable[[str], bool], declined: Declined, slow: bool
) -> list[pytest.Item]:
    """Mark which suite runs which laws of rows outside the core. Returns the other items, left as they are.

    `declined` is asked of those alone that are to be run; with `slow` those of the slow suite are.
    """
    placed = set()
    laws: dict[str, list[tuple[str, dict[str, Any], pytest.Item]]] = defaultdict(list)
    for item in items:
        given = item.callspec.params if hasattr(item, "callspec") else {}
        if item.nodeid.startswith("tests/laws/") and isinstance(row := given.get("row"), str) and not is_core(row):
            laws[row].append((item.nodeid.partition("[")[0], given, item))
    for row, tests in laws.items():
        backends = sorted({given["backend"] for name, given, _ in tests if name in LAW_1})
        ways = {b: ("forward", "reverse")[_drawn(f"{row} {b}") % 2] for b in backends}
        one_each = {given["backend"]: item for name, given, item in tests if name in LAW_1}
        quickly = None
        if _drawn(f"{row} quickly") % 8 == 0:
            short = sorted((b for b in backends if not _compiles_long(b)), key=lambda b: _drawn(f"{row} first {b}"))
            quickly = next((b for b in short if not declined(one_each[b])), None)
        slowly = set()
        for one in DRAWN:
            order = _in_drawn_order(item for name, _, item in tests if name == one)
            slowly.add(next((item for item in order if not (slow and declined(item))), None))
        for name, given, item in tests:
            if name in KEPT:
                continue
            in_law_1 = name in LAW_1 and given["direction"] == ways[given["backend"]]
            item.own_markers = [mark for mark in item.own_markers if mark.name != "slow"]
            if not (in_law_1 and given["backend"] == quickly):
                item.add_marker(pytest.mark.slow if in_law_1 or item in slowly else pytest.mark.sweep)
            placed.add(item)
    return [item for item in items if item not in placed]


def leave_to_the_slow_suite(items: list[pytest.Item], declined: Declined) -> None:
    """Mark what the quick suite does not run; `declined` is asked of those alone that it may run."""
    tests = defaultdict(list)
    for item in items:
        if hasattr(item, "callspec") and _compiles_long(item.callspec.params.get("backend")):
            item.add_marker(pytest.mark.slow)
        else:
            tests[item.nodeid.partition("[")[0]].append(item)
    for file, names in LONG.items():
        for name in names:
            for item in tests[f"tests/{file}::test_{name}"]:
                item.add_marker(pytest.mark.slow)
    for example in COSTS["examples"]:
        for item in tests.get(example, []):
            item.add_marker(pytest.mark.slow)
    for file, names in ONE_IN.items():
        for name, one_in in names.items():
            rows = tests.get(f"tests/{file}::test_{name}", [])
            left = math.ceil(len(rows) / one_in) if one_in else 0
            for item in _in_drawn_order(rows):
                if left and not declined(item):
                    left -= 1
                else:
                    item.add_marker(pytest.mark.slow)


def leave_to_whom_has_time(items: list[pytest.Item]) -> None:
    """Mark what the slow suite does not run, of tests with many rows."""
    tests = defaultdict(list)
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        if "slow" in marks and not {"sweep", "release"} & marks and not item.nodeid.startswith(WHOLE):
            tests[item.nodeid.partition("[")[0]].append(item)
    for rows in tests.values():
        for item in _in_drawn_order(rows)[math.ceil(len(rows) / ONE_ROW_IN) if len(rows) > FEW else len(rows) :]:
            item.own_markers = [mark for mark in item.own_markers if mark.name != "slow"]
            item.add_marker(pytest.mark.sweep)
