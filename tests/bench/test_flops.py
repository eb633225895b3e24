"""Operations are those of the products, by formulas written out here; the machine's rates are numbers of a machine."""

from __future__ import annotations

import pytest

from jaxrnn.bench.cases import Case
from jaxrnn.bench.flops import count_flops
from jaxrnn.bench.problem import make_problem

B, T, D, H = 3, 5, 8, 16
STEPS = B * T
COUNTED = {
    "lstm": (Case("lstm", B, T, D, H), 4 * H * (D + H)),
    "gru": (Case("gru", B, T, D, H), 3 * H * (D + H)),
    "gru, reset before": (Case("gru, reset before", B, T, D, H), 3 * H * (D + H)),
    "elman": (Case("elman", B, T, D, H), H * (D + H)),
    "lstm, projection": (Case("lstm, projection", B, T, D, H), 4 * H * (D + H // 2) + H * H // 2),
    "heads": (Case("lstm", B, T, D, H, recurrent="heads(4)"), 4 * H * (D + H // 4)),
    "diagonal": (Case("lstm", B, T, D, H, recurrent="diagonal"), 4 * H * D),
    "projected": (Case("lstm", B, T, D, H, projected=True), 4 * H * H),
    "two layers": (Case("lstm", B, T, D, H, layers=2), 4 * H * (D + 3 * H)),
    "both ways": (Case("lstm", B, T, D, H, bidirectional=True), 8 * H * (D + H)),
    "rhn": (Case("rhn, depth 3", B, T, D, H), 2 * H * (D + 3 * H)),
}


@pytest.mark.parametrize("name", COUNTED)
def test_products_are_counted(name: str) -> None:
    case, multiplied = COUNTED[name]
    assert count_flops(case) == {"forward": 2 * STEPS * multiplied, "train": 6 * STEPS * multiplied}


def test_padding_is_not_counted() -> None:
    case = Case("lstm", 4, 10, D, H, ragged=True, shortest=5)
    lengths = make_problem(case).lengths
    assert lengths.min() >= 5
    assert count_flops(case)["forward"] == 2 * lengths.sum() * 4 * H * (D + H)
