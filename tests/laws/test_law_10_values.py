"""Law 10, wrong values: concrete ones raise, traced lengths are clipped to [0, T], and `jaxrnn.checkify` reports them.

The other wrong calls are in `tests/engine/test_errors.py`.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from tests.laws import programs
from tests.laws.programs import BACKEND_NAMES, DIRECTIONS, GENERAL, assert_same_bits
from tests.table import CASES, ROWS, B, D, T, arrays, cotangents


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", ROWS)
def test_traced_lengths_are_clipped(row: str, backend: str, direction: str) -> None:
    program, steps = programs.masked(row, backend, DIRECTIONS[direction]), CASES["everything"]
    wild, tame = (
        programs.to_numpy(program(arrays(row), steps._replace(lengths=np.array(n)), cotangents(row)))
        for n in ([T + 5, 3, -2], [T, 3, 0])
    )
    assert_same_bits(wild, tame)


def reported(function: Any, *arguments: Any) -> str | None:
    """What `checkify` says of a jitted call, also of one that was traced before in its other form."""
    jitted = jax.jit(function)
    plain = jitted(*arguments)
    error, results = jaxrnn.checkify(jitted)(*arguments)
    assert_same_bits(results, plain)
    assert jax.jit(jaxrnn.checkify(function))(*arguments)[0].get() == error.get()
    return error.get()


@pytest.mark.parametrize("backend", GENERAL)
def test_checkify_reports_traced_values(backend: str) -> None:
    cell = jaxrnn.gru(4)
    params, xs = cell.init(jax.random.key(0), D), np.ones((T, B, D))

    def by_lengths(lengths: Any) -> Any:
        return jaxrnn.scan(cell, params, xs, lengths=lengths, backend=backend)

    def by_symbols(symbols: Any) -> Any:
        return jaxrnn.scan(cell, params, symbols, lengths=np.array([T, 2, 0]), backend=backend)

    assert reported(by_lengths, np.array([T, 0, 3])) is None
    assert "`lengths` must be between 0 and T = 6" in (reported(by_lengths, np.array([T + 1, 0, 3])) or "")
    assert "`lengths`" in (reported(by_lengths, np.array([T, -1, 3])) or "")
    symbols = np.zeros((T, B), int)
    assert reported(by_symbols, symbols) is None
    symbols[5, 1] = D  # in padding
    assert reported(by_symbols, symbols) is None
    symbols[1, 1] = D
    assert "`xs` must be integers in [0, 3)" in (reported(by_symbols, symbols) or "")


def test_checkify_reports_a_traced_symbol_of_step() -> None:
    cell = jaxrnn.gru(4)
    params = cell.init(jax.random.key(0), D)

    def step(x: Any) -> Any:
        return cell.step(params, cell.initial_carry((2,)), x)

    assert reported(step, np.array([0, 2])) is None
    assert "`x` must be integers in [0, 3)" in (reported(step, np.array([0, 3])) or "")
