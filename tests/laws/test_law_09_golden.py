"""Law 9: golden numbers are frozen, every cell names its paper, and every cell of the collection has its oracle."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jaxrnn.cells import COLLECTION
from tests.laws import golden
from tests.table import ORACLES, ROWS

FROZEN = json.loads(golden.FILE.read_text())


@pytest.mark.parametrize("row", ROWS)
def test_numbers_are_the_frozen_ones(row: str) -> None:
    hint = f"To freeze numbers that are meant to change: {golden.COMMAND}"
    assert row in FROZEN, hint
    actual = golden.numbers(row)
    for kind, values in FROZEN[row].items():
        names = values if isinstance(values, dict) else {"": values}
        have = actual[kind] if isinstance(values, dict) else {"": actual[kind]}
        assert list(names) == list(have), hint
        for name, value in names.items():
            np.testing.assert_allclose(have[name], value, 1e-10, 1e-10, err_msg=f"{kind} {name}. {hint}")


def test_no_row_is_frozen_that_does_not_exist() -> None:
    assert list(FROZEN) == list(ROWS), golden.COMMAND


def test_every_cell_has_paper_and_oracle() -> None:
    assert set(ORACLES) == set(COLLECTION)
    for name, factory in COLLECTION.items():
        assert factory(3).paper, name
