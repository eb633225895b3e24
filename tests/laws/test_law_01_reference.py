"""Law 1: every backend equals the oracle and the reference in outputs, final carry and every derivative."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import numpy as np
import pytest

from tests import oracle
from tests.laws import programs
from tests.laws.programs import BACKEND_NAMES, DIRECTIONS, QUICK_ROWS, assert_close, call
from tests.table import CASES, ROWS, arrays, cotangents

WITH_ORACLE_GRADIENTS = ("everything",)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", ROWS)
def test_outputs_and_carries_equal_the_oracle(row: str, backend: str, direction: str) -> None:
    for case in CASES:
        outputs, _ = programs.result(row, backend, DIRECTIONS[direction], case)
        assert_close(outputs, programs.truth(row, DIRECTIONS[direction], case), what=case)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", ROWS)
def test_gradients_equal_the_oracle(row: str, backend: str, direction: str) -> None:
    """Of every parameter, xs, carry, reset_carry and per-step inputs."""
    for case in WITH_ORACLE_GRADIENTS:
        _, gradients = programs.result(row, backend, DIRECTIONS[direction], case)
        assert_close(gradients, programs.true_gradients(row, DIRECTIONS[direction], case), what=case)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("backend", [b for b in BACKEND_NAMES if b != "reference"])
@pytest.mark.parametrize("row", ROWS)
def test_gradients_equal_the_reference(row: str, backend: str, direction: str) -> None:
    for case in CASES:
        actual, expected = (programs.result(row, b, DIRECTIONS[direction], case)[1] for b in (backend, "reference"))
        assert_close(actual, expected, what=case)


@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", QUICK_ROWS)
def test_nothing_given_is_all_steps(row: str, backend: str) -> None:
    """Without lengths, mask, resets and segments, in the engine's own blocks: the case where they are all neutral."""
    args = programs.without_reset(arrays(row))
    outputs, gradients = programs.to_numpy(programs.plain(row, backend)(args, cotangents(row)))
    assert_close(outputs, programs.truth(row, False, "all steps"))
    expected = programs.result(row, "reference", False, "all steps")[1]
    assert_close(gradients, programs.without_reset(expected))


@cache
def second_order(row: str, backend: str) -> Any:
    """The tangent of outputs, and the tangent of the gradient, in a random direction."""

    def program(args: Any, tangent: Any, cotangent: Any) -> Any:
        steps = CASES["everything"]._asdict()

        def forward(args: Any) -> Any:
            return call(row, backend, args, **steps, chunk=3)

        def gradient(args: Any) -> Any:
            outputs, pull = jax.vjp(forward, args)
            # Not linear in the outputs, so that their own tangent counts as well.
            return pull(jax.tree.map(lambda w, a: w * (1 + a), cotangent, outputs))[0]

        return jax.jvp(forward, (args,), (tangent,)), jax.jvp(gradient, (args,), (tangent,))

    args = arrays(row)
    return programs.to_numpy(jax.jit(program)(args, arrays(row, seed=1), cotangents(row)))


@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", QUICK_ROWS)
def test_jvp_is_the_gradient_along_the_tangent(row: str, backend: str) -> None:
    """The oracle's gradient times the tangent is the functional's change: forward mode against an independent truth."""
    (outputs, moved), _ = second_order(row, backend)
    assert_close(outputs, programs.truth(row, False, "everything"))
    change = sum((w * d).sum() for w, d in zip(jax.tree.leaves(cotangents(row)), jax.tree.leaves(moved), strict=True))
    gradient, tangent = (
        jax.tree.leaves(programs.true_gradients(row, False, "everything")),
        jax.tree.leaves(arrays(row, seed=1)),
    )
    assert_close(change, sum((g * t).sum() for g, t in zip(gradient, tangent, strict=True)))


@pytest.mark.parametrize("backend", [b for b in BACKEND_NAMES if b != "reference"])
@pytest.mark.parametrize("row", QUICK_ROWS)
def test_jvp_and_jvp_of_gradient_equal_the_reference(row: str, backend: str) -> None:
    actual, expected = (second_order(row, b) for b in (backend, "reference"))
    moving = expected[1][1]["xs" if row == "esn" else "params"]  # whose parameters have no gradient
    assert max(np.abs(a).max() for a in jax.tree.leaves(moving)) > 1e-3
    assert_close(actual, expected)


@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", ["lstm 1997, truncated gradient"])
def test_truncated_gradient_is_the_papers_rule(row: str, backend: str) -> None:
    """Against the rule of the paper's appendix, worked out by hand with forward sensitivities."""
    args, (carry_cotangent, ys_cotangent) = arrays(row), cotangents(row)
    expected = oracle.truncated_gradient_1997(args["params"], args["xs"], args["carry"], carry_cotangent, ys_cotangent)
    _, gradients = programs.result(row, backend, False, "all steps")
    actual = gradients["params"] | {"xs": gradients["xs"], "c": gradients["carry"].c}
    assert_close(actual, expected)
    assert (
        np.abs(gradients["carry"].h).max() == 0
    )  # the initial h reaches the loss only through gates' recurrent inputs
    full = programs.result("lstm 1997", backend, False, "all steps")[1]
    assert np.abs(full["carry"].h).max() > 1e-3  # which the untruncated cell does differentiate
