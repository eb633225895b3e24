"""A layer that runs backward, against the oracle's backward run, ragged and with resets."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import jaxrnn
from tests import oracle
from tests.table import ALL, CASES, ROWS, arrays


@pytest.mark.parametrize("case", ["all steps", "lengths", "everything"])
def test_equals_the_oracle_backwards(case: str) -> None:
    data, cell = arrays("gru"), ROWS["gru"].cell
    steps = CASES[case]._asdict()
    for layer, backward in ((jaxrnn.reverse(cell), True), (jaxrnn.reverse(jaxrnn.reverse(cell)), False)):
        start = cell.initial_carry((len(ALL),))
        carry, ys = jaxrnn.scan(layer, data["params"], data["xs"], data["carry"], **steps)
        final, expected = oracle.scan(
            oracle.gru,
            data["params"],
            data["xs"],
            tuple(data["carry"]),
            reset_carry=tuple(np.asarray(a) for a in start),
            reverse=backward,
            **steps,
        )
        np.testing.assert_allclose(ys, expected, 1e-10, 1e-10)
        np.testing.assert_allclose(carry.h, final[0], 1e-10, 1e-10)


def test_has_no_single_step() -> None:
    layer = jaxrnn.reverse(jaxrnn.gru(4))
    params = layer.init(jax.random.key(0), inputs=3)
    with pytest.raises(TypeError, match="needs the whole sequence"):
        layer.step(params, layer.initial_carry((2,)), np.ones((2, 3)))


def test_takes_a_layer_only(unchecked: None) -> None:
    with pytest.raises(TypeError, match="`layer` must be a jaxrnn Layer"):
        jaxrnn.reverse(3)
