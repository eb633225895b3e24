"""Initial values that are another than zeros, Glorot's and orthogonal ones: those of the papers."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn

KEY = jax.random.key(5)


def drawn(cell: Any, inputs: int = 6) -> dict[str, Any]:
    return {name: np.asarray(a) for name, a in cell.init(KEY, inputs).items()}


@pytest.mark.parametrize("depth", [0.0, 0.5, 1.0])
def test_slstm(depth: float) -> None:
    """The recurrent kernel is zero; b_f falls by a power law over the units of each head, the other biases are zero."""
    params = drawn(jaxrnn.slstm(24, depth=depth))
    np.testing.assert_array_equal(params["recurrent_kernel"], np.zeros((4, 6, 4, 6)))
    head = [5 - 12 * (k / 5) ** (0.3 + 1.3 * depth) for k in range(6)]
    np.testing.assert_allclose(params["bias"][1], head * 4, 1e-6)
    np.testing.assert_array_equal(params["bias"][[0, 2, 3]], 0.0)


def test_slstm_in_heads_of_one_unit_and_without() -> None:
    np.testing.assert_array_equal(drawn(jaxrnn.slstm(4))["bias"][1], 5.0)
    dense = drawn(jaxrnn.slstm(3, recurrent=jaxrnn.dense))
    assert dense["recurrent_kernel"].shape == (3, 4, 3)
    np.testing.assert_allclose(dense["bias"][1], [5.0, 5 - 12 * 0.5**0.3, -7.0], 1e-6)


def test_slstm_starts_as_the_users_initialiser_says() -> None:
    cell = jaxrnn.slstm(8, recurrent_kernel_init=jax.nn.initializers.orthogonal(), bias_init=jax.nn.initializers.ones)
    params = drawn(cell)
    np.testing.assert_array_equal(params["bias"], 1.0)
    for head in np.moveaxis(params["recurrent_kernel"], 2, 1).reshape(-1, 2, 2):
        np.testing.assert_allclose(head @ head.T, np.eye(2), atol=1e-12)


@pytest.mark.parametrize(("steps", "bound"), [(None, 1.0), (3, 2 ** (1 / 3))])
def test_ind_rnn(steps: float | None, bound: float) -> None:
    """u ~ U(0, 2^(1/T))."""
    u = drawn(jaxrnn.ind_rnn(4000, steps=steps))["recurrent_kernel"]
    assert u.min() >= 0
    assert 0.99 * bound < u.max() < bound
    assert abs(u.mean() - bound / 2) < 5 * bound / np.sqrt(12 * 4000)


def test_mgu_and_janet_keep_at_first() -> None:
    np.testing.assert_array_equal(drawn(jaxrnn.mgu(5))["bias"], np.repeat([[1.0], [0.0]], 5, 1))
    np.testing.assert_array_equal(drawn(jaxrnn.janet(5))["bias"], np.repeat([[1.0], [0.0]], 5, 1))
    span = drawn(jaxrnn.janet(2000, chrono=50))["bias"]
    np.testing.assert_array_equal(span[1], 0.0)
    u = np.exp(span[0])
    assert u.min() >= 1
    assert u.max() <= 49
    assert abs(u.mean() - 25) < 5 * 48 / np.sqrt(12 * 2000)


@pytest.mark.parametrize("factory", [jaxrnn.para_gru, jaxrnn.para_lstm], ids=lambda f: f.__name__)
def test_para(factory: Any) -> None:
    """Diagonals as a Glorot matrix [H, H] has its entries, and peepholes likewise; input kernels as He's."""
    params = drawn(factory(1000), inputs=50)
    for name in {"recurrent_kernel", "peepholes"} & params.keys():
        for gate in params[name]:
            assert abs(gate.std() * np.sqrt(1000) - 1) < 5 / np.sqrt(2 * 1000)
    assert 0.999 * np.sqrt(6 / 50) < np.abs(params["kernel"]).max() <= np.sqrt(6 / 50)
    np.testing.assert_array_equal(params["bias"], 0.0)


def test_multiplicative_lstm_multiplies_by_orthogonal_matrices() -> None:
    kernel = drawn(jaxrnn.multiplicative_lstm(5))["multiplicative_kernel"]
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(5), atol=1e-12)


def test_the_users_form_wins_over_the_cells() -> None:
    """Also where it is the form of all other cells."""
    assert drawn(jaxrnn.block_gru(8, recurrent=jaxrnn.dense))["recurrent_kernel"].shape == (8, 3, 8)
    assert drawn(jaxrnn.ind_rnn(8, recurrent=jaxrnn.heads(2)))["recurrent_kernel"].shape == (2, 4, 1, 4)
    assert (
        jaxrnn.block_gru(8, recurrent=jaxrnn.heads(8))
        == jaxrnn.block_gru(8)
        != jaxrnn.block_gru(8, recurrent=jaxrnn.dense)
    )
    assert repr(jaxrnn.block_gru(8, recurrent=jaxrnn.dense)) == "block_gru(8, recurrent=dense)"
    assert repr(jaxrnn.block_gru(8, recurrent=jaxrnn.heads(8))) == "block_gru(8)"


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: jaxrnn.slstm(6), "recurrent"),
        (lambda: jaxrnn.block_gru(12), "recurrent"),
        (lambda: jaxrnn.slstm(8, forget="relu"), "forget"),
        (lambda: jaxrnn.slstm(8, depth=1.5), "depth"),
        (lambda: jaxrnn.ind_rnn(8, steps=5, recurrent_kernel_init=jax.nn.initializers.ones), "steps"),
        (lambda: jaxrnn.janet(8, chrono=5, forget_bias=2.0), "forget_bias"),
        (lambda: jaxrnn.janet(8, chrono=5, use_bias=False), "chrono"),
    ],
)
def test_options_that_do_not_fit(make: Any, argument: str) -> None:
    with pytest.raises(ValueError, match=f"^`{argument}` must be"):
        make()
