"""What the equations of a step tell of its products and its carry."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import pytest

from jaxrnn.core.step import Rows, Step
from jaxrnn.engine.uses import Uses, find_uses
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


READ = {
    "elman": [],
    "lstm": ["c"],
    "lstm, peepholes": ["c"],
    "lstm, projection": ["c"],
    "lstm, layer norm": ["c"],
    "gru": ["h"],
    "gru, reset before": ["h"],  # through `r * h`, before the product, and by itself
}


def uses_of(row: str, valid: Any) -> Uses:
    cell = ROWS[row].cell
    params = {n: jnp.zeros(p.shape) for n, p in cell.declare(D).items()}
    x = (jnp.zeros((2, cell.size)),) * len(cell.gates)
    rows = Rows(cell.theta(params, (2,), x[0].dtype, None), None)
    step = Step(x, valid, None, dict.fromkeys(cell.per_step, x[0]))
    return find_uses(cell, cell.kernels(params, x[0].dtype), rows, cell.initial_carry((2,), params), step)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("row", TWINS)
def test_twins(row: str, masked: bool) -> None:
    valid = jnp.ones(2, bool) if masked else None
    assert [tuple(twin) for twin in uses_of(row, valid).twins] == TWINS[row]


@pytest.mark.parametrize("row", READ)
def test_states_that_are_read_beside_products(row: str) -> None:
    names = ROWS[row].cell.initial_carry(())._fields
    assert [names[i] for i in uses_of(row, None).read] == READ[row]


def test_a_masked_step_holds_every_state() -> None:
    assert uses_of("lstm", jnp.ones(2, bool)).read == (0, 1)
