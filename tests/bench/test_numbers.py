"""The gate and the statistics, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from jaxrnn.bench.gate import EPSILON, UNITS, compare
from jaxrnn.bench.ratios import geometric_mean, ratio, summarize

TRUTH = {"ys": np.linspace(-1, 1, 24).reshape(2, 3, 4), "kernel": np.ones((2, 4))}


def test_summaries_are_numpys() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 8):
        a, b = rng.uniform(1, 2, (2, n))
        one, two = a.tolist(), b.tolist()
        np.testing.assert_allclose(summarize(one), np.percentile(a, [25, 50, 75]), rtol=1e-15)
        np.testing.assert_allclose(ratio(one, two), np.percentile(a / b, [25, 50, 75]), rtol=1e-15)
        np.testing.assert_allclose(geometric_mean(one), np.prod(a) ** (1 / n), rtol=1e-14)


def test_ratios_are_pair_by_pair() -> None:
    """A round twice as slow for both sides changes nothing; the ratio of the medians would say 1.1."""
    assert ratio([1.0, 10.0, 11.0], [1.0, 10.0, 11.0]).median == 1.0
    with pytest.raises(ValueError, match="shorter"):
        ratio([1.0, 2.0], [1.0])


def test_the_truth_agrees_with_itself() -> None:
    assert compare(TRUTH, TRUTH, "float32") == (0.0, "ys", UNITS * EPSILON["float32"])


@pytest.mark.parametrize("dtype", EPSILON)
def test_the_bound_follows_the_dtype(dtype: str) -> None:
    within, beyond = (TRUTH | {"kernel": TRUTH["kernel"] * (1 + f * UNITS * EPSILON[dtype])} for f in (0.99, 1.01))
    assert compare(within, TRUTH, dtype).holds
    agreement = compare(beyond, TRUTH, dtype)
    assert not agreement.holds
    assert agreement.where == "kernel"


@pytest.mark.parametrize(
    "wrong",
    [
        {"ys": TRUTH["ys"]},
        TRUTH | {"bias": np.zeros(3)},
        TRUTH | {"kernel": np.ones((4, 2))},
        TRUTH | {"kernel": np.full((2, 4), np.nan)},
        TRUTH | {"kernel": np.full((2, 4), np.inf)},
    ],
    ids=["missing", "too much", "shape", "nan", "inf"],
)
def test_what_cannot_be_compared_is_refused(wrong: dict) -> None:
    agreement = compare(wrong, TRUTH, "bfloat16")
    assert agreement.worst == np.inf
    assert not agreement.holds


def test_a_zero_truth_is_met_by_zeros_alone() -> None:
    zero = {"kernel": np.zeros(4)}
    assert compare(zero, zero, "float32").holds
    assert not compare({"kernel": np.full(4, 1e-5)}, zero, "float32").holds


def test_where_the_equations_themselves_lose_much_more_is_allowed() -> None:
    """Four times what they lose, in that array alone."""
    truth = {"a": np.ones(4), "b": np.ones(4)}
    lost = {"a": 1e-5}
    assert compare(truth | {"a": truth["a"] * (1 + 3.9e-5)}, truth, "float32", rounding=lost).holds
    assert not compare(truth | {"a": truth["a"] * (1 + 4.1e-5)}, truth, "float32", rounding=lost).holds
    agreement = compare({"a": truth["a"] * (1 + 3e-5), "b": truth["b"] * (1 + 3e-6)}, truth, "float32", rounding=lost)
    assert (agreement.where, agreement.holds) == ("b", False)
