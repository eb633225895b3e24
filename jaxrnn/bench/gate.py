"""The gate: a contestant's times count only after its outputs and gradients agreed with the truth."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

# One unit in the last place at 1. Arrays may differ from the truth by 16 of them in norm, relative to the truth's norm.
# A wrong gate order or a missing bias is off by a tenth and more in some array.
EPSILON = {"float32": 2.0**-23, "tf32": 2.0**-10, "float16": 2.0**-10, "bfloat16": 2.0**-7}
UNITS = 16
WIDER = 64  # of the collection's other cells: of a phase, say, float32 holds less; and where sums are of many steps
LOSSES = 4  # what another order of sums may lose, of what the equations as they stand lose
MANY = 2**16  # steps of all rows


class Agreement(NamedTuple):
    """How far the worst array was from the truth, ||got - truth|| / ||truth||, and how far it might be."""

    worst: float
    where: str
    allowed: float

    @property
    def holds(self) -> bool:
        return self.worst <= self.allowed

    def __str__(self) -> str:
        return f"{self.where} is off by {self.worst:.2g} of its norm, {self.allowed:.2g} allowed"


def compare(
    got: dict[str, Any],
    truth: dict[str, Any],
    dtype: str,
    units: int = UNITS,
    rounding: Mapping[str, float] = MappingProxyType({}),
) -> Agreement:
    """Compare outputs and gradients with the truth, array by array.

    Args:
        got, truth: arrays by name, as `problem.name_answer` names them.
        dtype: of the case; settles what is allowed, with `units` in its last place.
        rounding: how far the equations as they stand are from the truth in this dtype, by array. Where they lose much,
            four times as much is allowed.

    Returns:
        The agreement of the worst array. One that is missing, too much, of another shape or holds NaN is infinitely
        far.

    >>> truth = {"ys": np.array([3.0, 4.0])}
    >>> compare({"ys": np.array([3.0, 4.5])}, truth, "float32").worst
    0.1
    """
    allowed = units * EPSILON[dtype]
    for name in sorted(got.keys() ^ truth.keys()):
        return Agreement(float("inf"), f"{name} ({'missing' if name in truth else 'too much'})", allowed)
    found = [
        Agreement(distance(got[name], expected), name, max(allowed, LOSSES * rounding.get(name, 0.0)))
        for name, expected in truth.items()
    ]
    return max(found, key=lambda one: one.worst / one.allowed)


def distance(got: Any, expected: Any) -> float:
    """||got - expected|| / ||expected||; infinite for another shape, and for NaN."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    if got.shape != expected.shape:
        return float("inf")
    found = float(np.linalg.norm(got - expected) / (np.linalg.norm(expected) or 1.0))
    return float("inf") if np.isnan(found) else found
