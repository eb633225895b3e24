"""A linear recurrence alone: its truth, who takes part, and what its arrays take."""

from __future__ import annotations

import numpy as np
import pytest

from jaxrnn.bench.cases import ALONE, Case
from jaxrnn.bench.contestants import load
from jaxrnn.bench.gate import compare
from jaxrnn.bench.problem import make_problem, make_truth
from jaxrnn.bench.recurrence import measure_traffic

CASE = Case(ALONE, 2, 7, 3, 3)


def test_the_truth_is_sums_of_products() -> None:
    problem = make_problem(CASE)
    a, b, ct = (np.asarray(x, np.float64) for x in (*problem.xs, problem.weights))
    # reach[t, s]: what is left at step t of what came in at step s
    reach = np.array([[np.prod(a[s + 1 : t + 1], 0) * (s <= t) for s in range(7)] for t in range(7)])
    states = np.einsum("tsbh,sbh->tbh", reach, b)
    db = np.einsum("tsbh,tbh->sbh", reach, ct)
    da = db * np.concatenate([np.zeros((1, 2, 3)), states[:-1]])
    truth = make_truth(CASE)
    np.testing.assert_allclose(truth["ys"], states, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(truth["xs"], [da, db], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["auto", "chunked", "associative", "lax.scan"])
def test_all_algorithms_agree_with_it(name: str) -> None:
    library = load(name)
    assert library.declines(CASE, "gradients") is None
    agreement = compare(library.build(CASE, make_problem(CASE)).answer(), make_truth(CASE), "float32")
    assert agreement.holds, str(agreement)


def test_who_runs_step_after_step_or_has_no_such_thing_takes_no_part() -> None:
    assert load("scheduled").declines(CASE, "gradients") == "has no linear recurrence of all steps"
    assert load("torch").declines(CASE, "gradients") == "has no recurrence of these equations"


def test_more_arrays_take_longer() -> None:
    """A hundred times as many: the shorter is a call's latency at most."""
    assert 0 < measure_traffic(Case(ALONE, 1, 1, 16, 16)) < measure_traffic(Case(ALONE, 64, 128, 512, 512))
