"""The memory law: at most 0.6 of plain autodiff's temporaries for every gated cell, and never more than it.

Equations that read the inputs themselves have no projections that could be made again, and to those that multiply no
state plain autodiff keeps little else: for these the latter holds.
"""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from typing import Any

import pytest

from jaxrnn.cells import COLLECTION
from tests.laws import memory
from tests.waiting import ran

GATED, ANY = 0.6, 1.0
WIDER = {  # and why
    "cfc": 0.7,  # a plain scan keeps little: no cell, and a gate that is used once
    "cfc, no gate": 0.75,
    "slstm, exponential forget gate": 0.62,  # of what it could keep, XLA makes a part anew
    "gru_d": 1.0,  # inputs are multiplied in the loop, a copy of them for each gate
    "mogrifier_lstm": 0.63,
    "lmu": 1.05,
    "scrn": 1.0,  # its second gate is what comes into the context
    "res_lstm": 0.66,  # the native backend reckons what to keep of an LSTM's kernels
    "gated_antisymmetric_rnn": 0.75,  # what follows keep little in a plain scan: one state, one product
    "intersection_rnn": 0.71,
    "lin_oss": 0.8,  # a plain scan keeps little of these: two states, of which one product is made, and no gate
    "lin_oss, implicit-explicit": 0.81,
    "lru": 0.7,
    "s5": 0.75,
    "s5, bilinear": 0.72,
    "ligru": 0.66,
    "minimal_rnn": 0.66,
    "mut2": 0.61,
    "nas": 0.67,  # eight gates, of which each output keeps two
    "rhn, carry gate": 0.63,
}
QUICK = ("elman", "lstm", "gru")
FROZEN = json.loads(memory.FILE.read_text())


def check(cells: dict[str, Any]) -> None:
    for name, cell in cells.items():
        bound = WIDER.get(name, GATED if cell["gated"] else ANY)
        for backend in ("scheduled", "native"):
            used = cell[backend]
            assert used is None or used <= bound * cell["plain"], f"{name}: {cell}; bound {bound}"


@cache
def measured(names: tuple[str, ...]) -> dict[str, Any]:
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"} | {
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)
    }
    command = [sys.executable, "-m", "tests.laws.memory", *names]
    return json.loads(ran(command, env=environment, check=True).stdout)


def test_table_holds_every_cell_and_the_law() -> None:
    assert list(FROZEN["cells"]) == list(COLLECTION), memory.COMMAND
    check(FROZEN["cells"])


@pytest.mark.parametrize(
    "names",
    [QUICK, pytest.param(tuple(c for c in COLLECTION if c not in QUICK), marks=pytest.mark.sweep)],
    ids=["quick", "all"],
)
def test_measured_now(names: tuple[str, ...]) -> None:
    now = measured(names)
    check(now["cells"])
    if now["jax"] == FROZEN["jax"]:  # another version of XLA, other buffers
        for name, cell in now["cells"].items():
            for backend in ("scheduled", "native"):
                assert ratio(cell, backend) == pytest.approx(ratio(FROZEN["cells"][name], backend), abs=0.02), (
                    f"{name}: renew it by {memory.COMMAND}"
                )


def ratio(cell: dict[str, Any], backend: str) -> float:
    """To the plain scan; nothing where the backend declines the cell."""
    return (cell[backend] or 0) / cell["plain"]
