"""Twins are found in the equations: gates whose input and recurrent parts are only ever added to each other."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxrnn.engine.twins import find_twins
from jaxrnn.step import Rows, Step
from tests.table import ROWS, D

LSTM = [(g, 0, g) for g in range(4)]
TWINS = {
    "elman": [(0, 0, 0)],
    "lstm": LSTM,
    "lstm, peepholes": LSTM,
    "lstm, projection": LSTM,  # the projection is a second product, of no gate
    "lstm, layer norm": [],  # each part is normalised by itself
    "gru": [(0, 0, 0), (1, 0, 1)],  # h.n is reset before it is added
    "gru, reset before": [(0, 0, 0), (1, 0, 1), (2, 1, 0)],  # n comes from a second product
    "a user's own": [(1, 0, 1)],  # x.f * h.f + h.f is no sum of both
}


def twins_of(row: str, valid: Any) -> list[tuple[int, ...]]:
    cell = ROWS[row].cell
    params = {n: jnp.zeros(p.shape) for n, p in cell.declare(D).items()}
    x = (jnp.zeros((2, cell.size)),) * len(cell.gates)
    rows = Rows(cell.theta(params, (2,), x[0].dtype, None), None)
    step = Step(x, valid, None, dict.fromkeys(cell.per_step, x[0]))
    found = find_twins(cell, cell.kernels(params, x[0].dtype), rows, cell.initial_carry((2,), params), step)
    return [tuple(twin) for twin in found]


@pytest.mark.parametrize("row", TWINS)
def test_twins(row: str) -> None:
    assert twins_of(row, None) == TWINS[row]


def test_masked_steps_have_none() -> None:
    """A mask stops derivatives of each part by itself."""
    assert twins_of("lstm", jax.numpy.ones(2, bool)) == []
