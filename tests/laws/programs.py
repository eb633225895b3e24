"""The compiled programs that the laws share: few shapes, compiled once a process, called with many values.

One program computes outputs and all gradients of one row on one backend in one direction, with lengths, mask, resets
and segments as arguments. The cases of the table, NaN in padding, and rows of length zero all go through it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.engine.registry import BACKENDS
from tests import oracle
from tests.table import CASES, ROWS, Steps, arrays, cotangents

BACKEND_NAMES = tuple(BACKENDS)
# Those that run cells of any kind, not linear ones alone.
GENERAL = tuple(
    name
    for name, b in BACKENDS.items()
    if not b.compiles_long and not b.declines(jaxrnn.lstm(2), jnp.float32, jnp.float32)
)
DIRECTIONS = {"forward": False, "reverse": True}
TOLERANCE = 1e-10  # float64, absolute and relative

# Two products in series, two kernels and two states, a cell of a user's own with a per-step input. What compiles long
# runs for these in every test run, and for all rows with `-m slow`.
QUICK = ("gru, reset before", "lstm, projection", "a user's own")
WAYS = [  # rows and directions: backwards, the rows that differ most
    pytest.param(row, direction, marks=() if direction == "forward" or row in QUICK else pytest.mark.slow)
    for row in ROWS
    for direction in DIRECTIONS
]
QUICK_ROWS = [pytest.param(row, marks=() if row in QUICK else pytest.mark.slow) for row in ROWS]


@cache
def declines(row: str, backend: str, dtype: Any = jnp.float64) -> str | None:
    """Why a backend does not run a row; None where it does, or where the test has others in mind."""
    if row not in ROWS or backend not in BACKENDS:
        return None
    cell = ROWS[row].cell
    return BACKENDS[backend].declines(cell, dtype, cell.carry_dtype_for(dtype))


def call(row: str, backend: str, args: dict[str, Any], **options: Any) -> Any:
    """`jaxrnn.scan` of a row, with the dict that `arrays` makes."""
    given = dict(args)
    params, xs, carry, per_step = (given.pop(k) for k in ("params", "xs", "carry", "per_step"))
    return jaxrnn.scan(
        ROWS[row].cell, params, xs, carry, per_step=per_step or None, backend=backend, **given, **options
    )


def without_reset(args: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in args.items() if k != "reset_carry"}


@cache
def masked(row: str, backend: str, reverse: bool) -> Any:
    """(args, steps, cotangents) -> (outputs, gradients), in two blocks of 3. Law 2 has blocks that leave a rest."""

    def program(args: Any, steps: Steps, cotangent: Any) -> Any:
        outputs, pull = jax.vjp(
            lambda args: call(row, backend, args, **steps._asdict(), reverse=reverse, chunk=3), args
        )
        return outputs, pull(cotangent)[0]

    return jax.jit(program)


@cache
def plain(row: str, backend: str) -> Any:
    """The same without lengths, mask, resets and segments, and with the engine's own choice of blocks."""

    def program(args: Any, cotangent: Any) -> Any:
        outputs, pull = jax.vjp(lambda args: call(row, backend, args), args)
        return outputs, pull(cotangent)[0]

    return jax.jit(program)


@cache
def result(row: str, backend: str, reverse: bool, case: str) -> Any:
    """What the engine says of a case, as NumPy."""
    return to_numpy(masked(row, backend, reverse)(arrays(row), CASES[case], cotangents(row)))


@cache
def truth(row: str, reverse: bool, case: str) -> Any:
    """What the oracle says of a case: (final carry, outputs)."""
    return run_oracle(row, arrays(row), CASES[case], reverse)


def run_oracle(row: str, args: dict[str, Any], steps: Steps, reverse: bool) -> Any:
    params, xs, carry = (args[k] for k in ("params", "xs", "carry"))
    return oracle.scan(
        ROWS[row].equations,
        params,
        xs,
        tuple(carry),
        reset_carry=tuple(args["reset_carry"]),
        per_step=args["per_step"],
        reverse=reverse,
        **steps._asdict(),
    )


@cache
def true_gradients(row: str, reverse: bool, case: str) -> Any:
    """The oracle's gradients of the loss, by complex step; the structure of `arrays`."""
    args = arrays(row)
    paths, treedef = jax.tree_util.tree_flatten_with_path(args)
    names = [jax.tree_util.keystr(path) for path, _ in paths]
    weights = cotangents(row)

    def loss(flat: dict[str, Any]) -> Any:
        moved = jax.tree.unflatten(treedef, [flat[n] for n in names])
        carry, ys = run_oracle(row, moved, CASES[case], reverse)
        return sum((w * a).sum() for w, a in zip(weights[0], carry, strict=True)) + (weights[1] * ys).sum()

    gradient = oracle.complex_step(loss, {n: a for n, (_, a) in zip(names, paths, strict=True)})
    return jax.tree.unflatten(treedef, [gradient[n] for n in names])


def to_numpy(tree: Any) -> Any:
    return jax.tree.map(np.asarray, tree)


def assert_close(actual: Any, expected: Any, tolerance: float = TOLERANCE, what: str = "") -> None:
    """Every leaf within `tolerance`; structures may differ in the type of tuples only."""
    have = jax.tree_util.tree_leaves_with_path(actual)
    want = jax.tree.leaves(expected)
    assert len(have) == len(want), (jax.tree.structure(actual), jax.tree.structure(expected))
    for (path, a), e in zip(have, want, strict=True):
        name = f"{what}{jax.tree_util.keystr(path)}"
        np.testing.assert_allclose(
            np.asarray(a, np.float64), np.asarray(e, np.float64), tolerance, tolerance, err_msg=name, strict=True
        )


def assert_same_bits(actual: Any, expected: Any, what: str = "") -> None:
    """Every leaf equal, bit for bit (and so NaN nowhere, since the expected values have none)."""
    have = jax.tree_util.tree_leaves_with_path(actual)
    for (path, a), e in zip(have, jax.tree.leaves(expected), strict=True):
        name = f"{what}{jax.tree_util.keystr(path)}"
        assert np.isfinite(e).all(), f"{name} is not finite"
        assert np.asarray(a).tobytes() == np.asarray(e).tobytes(), f"{name} differs by {np.abs(a - e).max()}"
