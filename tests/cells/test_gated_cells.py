"""Gated cells of the collection beside LSTM and GRU: where they start, what their options do, what they refuse."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn import forms
from jaxrnn.cells import COLLECTION
from jaxrnn.core.linear import declared
from tests.laws.programs import assert_close
from tests.oracles import dynamics, gating, minimal
from tests.peers.live import agree, by_cell, by_oracle, case
from tests.table import BARE

KEY = jax.random.key(5)
H, D, T, B = 4, 3, 6, 2
OTHERS = {  # with further biases, per-step inputs, inputs that they read themselves, or gates that see no state
    *("m2rnn", "cfc", "phased_lstm", "time_lstm", "gru_d", "lmu", "esn"),
    *("clockwork_rnn", "ltc", "mass_conserving_lstm", "on_lstm", "t_gru", "t_lstm", "t_rnn"),
}
GATED = tuple(list(COLLECTION)[list(COLLECTION).index("gru, reset before") + 1 :])
GATED = tuple(name for name in GATED if name.partition(",")[0] not in OTHERS)
PLAIN = tuple(name for name in GATED if name != "mogrifier_lstm")  # which reads its inputs
LINEAR = tuple(n for n in PLAIN if declared(COLLECTION[n](H)) is not None)  # of which no gate sees the state


def drawn(cell: jaxrnn.Cell, inputs: int = D) -> dict[str, Any]:
    return {name: np.asarray(a) for name, a in cell.init(KEY, inputs).items()}


def moved(cell: jaxrnn.Cell, inputs: int) -> tuple[dict[str, Any], Any]:
    """Parameters that are all at random, and inputs."""
    rng = np.random.default_rng(0)
    return {n: rng.standard_normal(p.shape) for n, p in cell.declare(inputs).items()}, rng.standard_normal(
        (T, B, inputs)
    )


# ---------------------------------------------------------------- initial values


def test_brc_starts_with_one_on_its_diagonals_and_nbrc_with_orthogonal_kernels() -> None:
    np.testing.assert_array_equal(drawn(jaxrnn.brc(H))["recurrent_kernel"], np.ones((2, H)))
    for kernel in (drawn(jaxrnn.nbrc(H)), drawn(jaxrnn.brc(H, recurrent=jaxrnn.dense))):
        for gate in np.moveaxis(kernel["recurrent_kernel"], 1, 0):
            np.testing.assert_allclose(gate @ gate.T, np.eye(H), atol=1e-6)


def test_unicornn_starts_with_frequencies_and_rates_in_their_ranges() -> None:
    params = drawn(jaxrnn.unicornn(4000))
    for name, low, high in (("recurrent_kernel", 0.0, 1.0), ("rate", -0.1, 0.1)):
        assert low <= params[name].min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < params[name].max() < high


@pytest.mark.parametrize(
    "factory", [jaxrnn.antisymmetric_rnn, jaxrnn.gated_antisymmetric_rnn], ids=lambda f: f.__name__
)
def test_antisymmetric_kernels_start_with_variance_one_over_what_is_read(factory: Any) -> None:
    params = drawn(factory(100), 50)
    for name, read in (("kernel", 50), ("recurrent_kernel", 100)):
        assert abs(params[name].std() * np.sqrt(read) - 1) < 5 / np.sqrt(2 * params[name].size)


def test_fast_cells_start_near_the_state_that_they_keep() -> None:
    params = drawn(jaxrnn.fast_rnn(H)) | drawn(jaxrnn.fast_grnn(H))
    assert {n: params[n].tolist() for n in ("alpha", "beta", "zeta", "nu")} == dict(
        alpha=[-3.0], beta=[3.0], zeta=[1.0], nu=[-4.0]
    )


def test_rhn_carries_at_first_in_every_micro_step() -> None:
    params = drawn(jaxrnn.rhn(H, depth=3, coupled=False, transform_bias=-3.0))
    for name in ("bias", "bias_2", "bias_3"):
        np.testing.assert_array_equal(params[name], np.repeat([[0.0], [-3.0], [0.0]], H, 1))
    for name in ("recurrent_kernel", "recurrent_kernel_2", "recurrent_kernel_3"):
        for gate in np.moveaxis(params[name], 1, 0):
            np.testing.assert_allclose(gate @ gate.T, np.eye(H), atol=1e-6)
    assert np.abs(params["recurrent_kernel"] - params["recurrent_kernel_2"]).max() > 0.1


# ---------------------------------------------------------------- options


@pytest.mark.parametrize("name", GATED)
def test_without_bias_is_with_biases_of_zero(name: str) -> None:
    inputs = H if name in BARE else D
    cell, bare = COLLECTION[name](H), partial(COLLECTION[name], use_bias=False)(H)
    params, xs = moved(cell, inputs)
    zero = {n: 0 * a if n.startswith("bias") else a for n, a in params.items()}
    without = {n: a for n, a in params.items() if not n.startswith("bias")}
    assert without.keys() == bare.declare(inputs).keys()
    assert (without.keys() < zero.keys()) == (name.partition(",")[0] not in ("lin_oss", "lru", "s4d", "s5"))
    given = {n: np.ones((T, B, D)) for n in cell.per_step} or None
    assert_close(jaxrnn.scan(bare, without, xs, per_step=given), jaxrnn.scan(cell, zero, xs, per_step=given))


@pytest.mark.parametrize("name", [name for name in PLAIN if name not in ("fast_rnn", *LINEAR)])
def test_multiplicative_integration_without_products_is_addition(name: str) -> None:
    inputs = H if name in BARE else D
    cell, integrating = COLLECTION[name](H), COLLECTION[name](H, multiplicative=True)  # type: ignore[call-arg]
    params, xs = moved(cell, inputs)
    shape = (len(cell.gates), H)
    added = params | {"alpha": np.zeros(shape), "beta_input": np.ones(shape), "beta_state": np.ones(shape)}
    expected = jaxrnn.scan(cell, params, xs)
    assert_close(jaxrnn.scan(integrating, added, xs), expected)
    other = jaxrnn.scan(integrating, added | {"alpha": np.ones(shape)}, xs)
    moving = np.abs(other[1] - expected[1]).max() > 1e-6
    assert moving == (name != "minimal_rnn")  # no gate of which sees both


CHOSEN: dict[str, tuple[jaxrnn.Cell, Any]] = {
    "fast_rnn, relu": (
        jaxrnn.fast_rnn(H, activation=jax.nn.relu),
        partial(gating.fast_rnn, activation=lambda a: np.where(np.real(a) > 0, a, 0 * a)),
    ),
    "ran, identity": (jaxrnn.ran(H, activation=lambda c: c), partial(gating.ran, activation=lambda c: c)),
    "lem, dt": (jaxrnn.lem(H, dt=0.3), partial(dynamics.lem, dt=0.3)),
    "cornn, implicit": (
        jaxrnn.cornn(H, dt=0.3, gamma=0.7, epsilon=1.4, implicit=True),
        partial(dynamics.cornn, dt=0.3, gamma=0.7, epsilon=1.4, implicit=True),
    ),
    "brc, dense": (jaxrnn.brc(H, recurrent=jaxrnn.dense), gating.nbrc),
    "ugrnn, TensorFlow's": (jaxrnn.ugrnn(H, bias_init={"g": jax.nn.initializers.ones}), minimal.ugrnn),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_options_beside_the_oracle(name: str) -> None:
    cell, equations = CHOSEN[name]
    shapes = {n: tuple(p.shape) for n, p in cell.declare(D).items()}
    given = case(shapes, [(H,)] * len(cell.carry_shapes(())))
    agree(by_oracle(equations, given), by_cell(cell, given))


def test_ligru_takes_any_activation() -> None:
    """With none it is linear in the candidate, beside the oracle at inputs where relu changes nothing."""
    cell, relu = jaxrnn.ligru(H, activation=lambda a: a), jaxrnn.ligru(H)
    params = {n: np.abs(a) + 0.1 for n, a in moved(cell, D)[0].items()}
    xs, carry = np.ones((T, B, D)), relu.carry_type(np.ones((B, H)))
    assert_close(jaxrnn.scan(cell, params, xs, carry), jaxrnn.scan(relu, params, xs, carry))
    assert jaxrnn.scan(cell, params, -9 * xs, carry)[1].min() < 0 <= jaxrnn.scan(relu, params, -9 * xs, carry)[1].min()


def test_cfn_is_at_rest_without_inputs() -> None:
    """Laurent & von Brecht 2017: every state decays to zero."""
    cell = jaxrnn.cfn(H)
    params, xs = moved(cell, D)
    carry, _ = jaxrnn.scan(cell, params, np.zeros((3000, *xs.shape[1:])), cell.carry_type(np.ones((B, H))))
    assert np.abs(carry.h).max() < 0.05


def test_what_is_said_of_the_recurrent_kernel_is_said_of_all_micro_steps() -> None:
    cell = jaxrnn.rhn(H, depth=3, recurrent=jaxrnn.heads(2), recurrent_kernel_init=jax.nn.initializers.ones)
    params = drawn(cell)
    for name in ("recurrent_kernel", "recurrent_kernel_2", "recurrent_kernel_3"):
        np.testing.assert_array_equal(params[name], np.ones((2, 2, 2, 2)))


def test_cells_show_their_own_defaults_by_leaving_them_out() -> None:
    assert repr(jaxrnn.brc(H, recurrent=jaxrnn.diagonal)) == "brc(4)"
    assert repr(jaxrnn.brc(H, recurrent=jaxrnn.dense)) == "brc(4, recurrent=dense)"
    assert repr(jaxrnn.antisymmetric_rnn(H, gamma=0.01, epsilon=1)) == "antisymmetric_rnn(4, epsilon=1.0)"
    assert repr(jaxrnn.mut1(H, project_input=True)) == "mut1(4, project_input=True)"


# ---------------------------------------------------------------- errors


MISTAKES: dict[str, tuple[Any, str]] = {
    "another kernel of antisymmetric_rnn": (
        lambda: jaxrnn.antisymmetric_rnn(H, recurrent=jaxrnn.diagonal),
        "recurrent",
    ),
    "two arrays in place of one": (lambda: jaxrnn.antisymmetric_rnn(H, recurrent=forms.weight_norm()), "recurrent"),
    "another kernel beside a bare input": (lambda: jaxrnn.mut1(H, input=jaxrnn.low_rank(2)), "input"),
    "a bare input of another size": (lambda: jaxrnn.intersection_rnn(H).init(KEY, D), "input"),
    "no micro-step": (lambda: jaxrnn.rhn(H, depth=0), "depth"),
    "a step back": (lambda: jaxrnn.lem(H, dt=-1.0), "dt"),
    "a negative damping": (lambda: jaxrnn.cornn(H, epsilon=-1.0), "epsilon"),
    "two that are called alpha": (lambda: jaxrnn.fast_rnn(H, multiplicative=True), "multiplicative"),
    "no gate that has a kernel": (lambda: jaxrnn.gru(H, input=forms.identity("r", "z", "n")), "input"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_does_not_fit_is_named(mistake: str) -> None:
    make, argument = MISTAKES[mistake]
    with pytest.raises(ValueError, match=f"^`{argument}` must be"):
        make()


def test_numbers_for_all_units_may_be_seen_as_one_a_unit() -> None:
    """By `step` in any batch, and by a user's own cell."""

    @jaxrnn.gate_cell(
        gates=("h",), carry=jaxrnn.ElmanCarry, parameters={"rate": jaxrnn.Parameter((1,), jax.nn.initializers.ones)}
    )
    def scaled(carry: Any, x: Any, recur: Any, theta: Any) -> Any:
        assert theta["rate"].shape == carry.h.shape
        h = theta["rate"] * jnp.tanh(x.h + recur(carry.h).h)
        return jaxrnn.ElmanCarry(h), h

    cell, plain = scaled(H), jaxrnn.elman(H)
    params, xs = moved(plain, D)
    expected = jaxrnn.scan(plain, params, xs)
    assert_close(jaxrnn.scan(cell, params | {"rate": np.ones(1)}, xs), expected)
    assert_close(cell.step(params | {"rate": np.ones(1)}, cell.initial_carry(()), xs[0, 0])[1], expected[1][0, 0])


@pytest.mark.parametrize(
    ("rate", "bias", "kept"),
    [(100.0, -100.0, np.exp(-1)), (1e3, -1e3, np.exp(-1)), (200.0, -100.0, 0.0), (1e3, 1e3, 0.0), (-1e3, 1e3, 1.0)],
)
def test_a_decay_of_factors_that_float32_does_not_hold(rate: float, bias: float, kept: float) -> None:
    """exp(100) is more than float32 holds, and softplus(-100) less: their product, one, is neither."""
    cell = jaxrnn.m2rnn(4, keys=1, decay="exponential", recurrent=jaxrnn.heads(2), param_dtype=np.float32)
    params = cell.init(jax.random.key(0), inputs=3)
    params |= {
        name: 0 * params[name] for name in ("forget_kernel", "recurrent_kernel", "key_kernel")
    }  # nothing comes in

    def state(rate: Any, bias: Any) -> Any:
        given = params | {"forget_rate": rate, "forget_bias": bias}
        return cell.step(given, cell.carry_type(np.ones((1, 4), np.float32)), np.ones((1, 3), np.float32))[0].h

    rates = np.full(2, rate, np.float32), np.full(2, bias, np.float32)
    np.testing.assert_allclose(state(*rates), np.full((1, 4), kept), rtol=1e-5)
    slope = -np.exp(-1) if 0 < kept < 1 else 0.0
    for gradient in jax.grad(lambda *rates: state(*rates).sum(), (0, 1))(*rates):
        np.testing.assert_allclose(gradient, np.full(2, 2 * slope), rtol=1e-4)


@pytest.mark.parametrize("cell", [jaxrnn.gru_d(16), jaxrnn.s6(16)], ids=str)
def test_who_is_told_the_number_of_inputs(cell: Any) -> None:
    with pytest.raises(ValueError, match=r"`inputs` must be 16, .* got 3\. .* where it is made: by `inputs`"):
        cell.init(jax.random.key(0), inputs=3)
