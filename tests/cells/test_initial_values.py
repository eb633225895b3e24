"""Initial values that are another than zeros, Glorot's and orthogonal ones: those of the papers."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
import scipy.special

import jaxrnn
from jaxrnn.cells.fixed.esn import scale_to
from jaxrnn.cells.fixed.lmu import legendre
from tests.oracles import memories

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
    span = drawn(jaxrnn.janet(500, chrono=50))["bias"]
    np.testing.assert_array_equal(span[1], 0.0)
    u = np.exp(span[0])
    assert u.min() >= 1
    assert u.max() <= 49
    assert abs(u.mean() - 25) < 5 * 48 / np.sqrt(12 * 500)


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


def test_cfc() -> None:
    params = drawn(jaxrnn.cfc(5, mode="pure"))
    np.testing.assert_array_equal(params["tau"], np.zeros(5))
    np.testing.assert_array_equal(params["amplitude"], np.ones(5))
    shapes = {name: a.shape for name, a in drawn(jaxrnn.cfc(5, backbone=7, backbone_layers=3, use_bias=False)).items()}
    assert shapes == {
        "kernel": (6, 1, 7),
        "recurrent_kernel": (5, 1, 7),
        **dict.fromkeys(["backbone_2_kernel", "backbone_3_kernel"], (7, 7)),
        **dict.fromkeys([f"{gate}_kernel" for gate in "fgab"], (7, 5)),
    }


def test_phased_lstm() -> None:
    """Periods are uniform in their logarithm, shifts within periods; a ratio of 0.05."""
    cell = jaxrnn.phased_lstm(4000, period_min=2.0, period_max=200.0, recurrent=jaxrnn.diagonal)
    params = drawn(cell)
    period, shift = params["clock"]
    log, turn = np.log(period / 2) / np.log(100), shift / period
    for share in (log, turn):
        assert 0 <= share.min() < 0.01
        assert 0.99 < share.max() <= 1
        assert abs(share.mean() - 0.5) < 5 / np.sqrt(12 * 4000)
    assert abs(np.corrcoef(log, turn)[0, 1]) < 5 / np.sqrt(4000)
    np.testing.assert_array_equal(params["ratio"], 0.05)
    np.testing.assert_array_equal(params["peepholes"], np.zeros((3, 4000)))
    assert jaxrnn.labels(params)["clock"] == "vector"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("size", "radius", "connectivity"), [(200, 0.9, 0.1), (40, 1.3, 1.0), (3, 0.5, 1.0)])
def test_esn_has_its_spectral_radius_and_connectivity(
    size: int, radius: float, connectivity: float, dtype: str
) -> None:
    cell = jaxrnn.esn(size, radius=radius, connectivity=connectivity, input_scale=0.3, param_dtype=dtype)
    params = drawn(cell)
    kernel = params["recurrent_kernel"][:, 0]
    largest = np.abs(np.linalg.eigvals(kernel.astype(float))).max()
    np.testing.assert_allclose(largest, radius, 1e-4 if dtype == "float32" else 1e-8)
    assert abs((kernel != 0).mean() - connectivity) < 5 * 0.5 / size
    assert 0.2 < np.abs(params["kernel"]).max() <= 0.3
    assert np.abs(params["bias"]).max() <= 0.3


def test_esn_in_heads_and_without_cycles() -> None:
    """Each head has the radius; a reservoir without cycles has none, and is left as it is."""
    params = drawn(jaxrnn.esn(20, connectivity=1.0, recurrent=jaxrnn.forms.frozen(jaxrnn.heads(2))))
    for head in params["recurrent_kernel"][:, :, 0]:
        np.testing.assert_allclose(np.abs(np.linalg.eigvals(head)).max(), 0.9, 1e-8)
    assert float(scale_to(0.9, jax.numpy.triu(jax.numpy.ones((5, 5)), 1))) == 1
    assert float(scale_to(0.9, jax.numpy.zeros((5, 5)))) == 1


def test_esn_is_not_trained_where_its_forms_are_frozen() -> None:
    xs = jax.numpy.ones((4, 2, 3))
    for options, trained in ({}, set()), ({"recurrent": jaxrnn.dense}, {"recurrent_kernel"}):
        cell = jaxrnn.esn(5, connectivity=1.0, **options)
        slopes = jax.grad(lambda params, cell=cell: jaxrnn.scan(cell, params, xs)[1].sum())(cell.init(KEY, 3))
        assert {name for name, slope in slopes.items() if np.abs(slope).max() > 0} == trained


@pytest.mark.parametrize(("order", "theta"), [(1, 3.0), (8, 20.0), (64, 784.0)])
def test_lmu(order: int, theta: float) -> None:
    """The constants are the oracle's, which scipy and a delay have confirmed; the memory is not read by itself."""
    for ours, theirs in zip(legendre(order, theta), memories.legendre(order, theta), strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-12, 1e-12)
    params = drawn(jaxrnn.lmu(5, order=order, theta=theta))
    np.testing.assert_array_equal(params["memory_encoder"], np.zeros((order, 1)))
    assert "bias" not in params
    assert "bias" in drawn(jaxrnn.lmu(5, order=order, theta=theta, use_bias=True))


def test_lmu_remembers_its_window() -> None:
    """What was written theta steps ago is what the Legendre polynomials read at the end of the window."""
    cell, delay = jaxrnn.lmu(3, order=12, theta=50.0), 50
    params = {name: jax.numpy.zeros_like(a) for name, a in cell.init(KEY, 1).items()}
    params["input_encoder"] = jax.numpy.ones((1, 1))
    signal = np.sin(np.arange(400) / 30)
    carries, _ = jaxrnn.scan_carries(cell, params, signal[:, None])
    read = scipy.special.eval_sh_legendre(np.arange(12), 1.0) @ np.asarray(carries.m[-1])
    np.testing.assert_allclose(read, np.sin((399.5 - delay) / 30), atol=0.02)


def test_m2rnn() -> None:
    kernel = drawn(jaxrnn.m2rnn(12, keys=2, recurrent=jaxrnn.heads(4)))["recurrent_kernel"]
    np.testing.assert_array_equal(kernel[:, :, 0], np.broadcast_to(np.eye(3), (4, 3, 3)))


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
        (lambda: jaxrnn.cfc(8, mode="liquid"), "mode"),
        (lambda: jaxrnn.cfc(8, backbone_layers=2), "backbone_layers"),
        (lambda: jaxrnn.cfc(8, mode="pure", activation=jax.nn.relu), "activation"),
        (lambda: jaxrnn.phased_lstm(8, period_min=5, period_max=2), "period_min"),
        (lambda: jaxrnn.phased_lstm(8, ratio=1.5), "ratio"),
        (lambda: jaxrnn.phased_lstm(8, leak=-0.1), "leak"),
        (lambda: jaxrnn.esn(8, radius=0), "radius"),
        (lambda: jaxrnn.esn(8, connectivity=0.5, recurrent_kernel_init=jax.nn.initializers.ones), "connectivity"),
        (lambda: jaxrnn.lmu(8, theta=-1), "theta"),
        (lambda: jaxrnn.m2rnn(6), "recurrent"),
        (lambda: jaxrnn.m2rnn(8, decay="none"), "decay"),
    ],
)
def test_options_that_do_not_fit(make: Any, argument: str) -> None:
    with pytest.raises(ValueError, match=f"^`{argument}` must be"):
        make()
