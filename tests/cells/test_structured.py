"""What the papers promise of cells that order, delay, conserve or clock their units; and how these start."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn

KEY = jax.random.key(2)
T, B, D, H = 9, 2, 3, 6


def inputs(seed: int = 0) -> Any:
    return jnp.asarray(np.random.default_rng(seed).standard_normal((T, B, D)))


def times() -> Any:
    return jnp.broadcast_to(jnp.arange(T)[:, None], (T, B))


def test_mass_is_neither_made_nor_lost() -> None:
    """What is held and what was put out are together what came in, of the valid steps."""
    cell = jaxrnn.mass_conserving_lstm(H, masses=2)
    params = cell.init(KEY, D)
    mass = np.random.default_rng(1).random((T, B, 2))
    lengths = np.array([T, 4])
    carry, ys = jaxrnn.scan(cell, params, inputs(), lengths=lengths, per_step={"mass": mass})
    came = np.where((np.arange(T)[:, None] < lengths)[..., None], mass, 0).sum((0, 2))
    np.testing.assert_allclose(carry.c.sum(-1) + ys.sum((0, 2)), came, 1e-12)
    assert ys.min() >= 0
    assert carry.c.min() >= 0


def test_no_mass_gives_nothing_and_has_a_gradient() -> None:
    cell = jaxrnn.mass_conserving_lstm(H)
    given = {"mass": jnp.zeros((T, B, 1))}
    loss = lambda p: jaxrnn.scan(cell, p, inputs(), per_step=given)[1].sum()  # noqa: E731
    value, gradient = jax.value_and_grad(loss)(cell.init(KEY, D))
    assert value == 0
    assert all(bool(jnp.isfinite(g).all()) for g in jax.tree.leaves(gradient))


@pytest.mark.parametrize("backend", ["reference", "scheduled"])
def test_idle_groups_keep_their_state_to_the_bit(backend: str) -> None:
    cell = jaxrnn.clockwork_rnn(H, periods=(1, 2, 4))
    _, ys = jaxrnn.scan(cell, cell.init(KEY, D), inputs(), per_step={"t": times()}, backend=backend)
    for group, period in enumerate((1, 2, 4)):
        own = np.asarray(ys[:, :, 2 * group : 2 * group + 2])
        for t in range(1, T):
            assert np.array_equal(own[t], own[t - 1]) == (t % period != 0)


def test_groups_read_no_shorter_period() -> None:
    """What is held above the diagonal of blocks has no effect and no gradient."""
    cell = jaxrnn.clockwork_rnn(H, periods=(1, 2, 4))
    params = cell.init(KEY, D)
    loss = lambda p: (jaxrnn.scan(cell, p, inputs(), per_step={"t": times()})[1] ** 2).sum()  # noqa: E731
    block = np.arange(H) // 2
    read = block[:, None] >= block[None]
    gradient = np.asarray(jax.grad(loss)(params)["recurrent_kernel"][:, 0])
    assert (gradient[~read] == 0).all()
    assert (gradient[read] != 0).all()


def test_times_may_be_whole_numbers_or_real_ones() -> None:
    cell = jaxrnn.clockwork_rnn(H, periods=(1, 3))
    params = cell.init(KEY, D)
    whole, real = (
        jaxrnn.scan(cell, params, inputs(), per_step={"t": times().astype(dtype)})[1] for dtype in (int, float)
    )
    np.testing.assert_array_equal(whole, real)


def test_exp_rnn_without_a_threshold_keeps_lengths() -> None:
    """Its matrix is orthogonal whatever is held, and modReLU without a bias is the identity."""
    cell = jaxrnn.exp_rnn(H, use_bias=False)
    params = cell.init(KEY, D) | {"recurrent_kernel": jax.random.normal(KEY, (H, 1, H))}
    start = jax.random.normal(KEY, (B, H))
    carry, _ = jaxrnn.scan(cell, params, jnp.zeros((T, B, D)), (start,))
    np.testing.assert_allclose(jnp.linalg.norm(carry.h, axis=-1), jnp.linalg.norm(start, axis=-1), 1e-12)


@pytest.mark.parametrize("size", [5, 6])
def test_exp_rnn_turns_pairs_at_first(size: int) -> None:
    """By angles within [0, pi / 4) in the plane of each pair; a unit without another stays."""
    cell = jaxrnn.exp_rnn(size)
    kernel = np.asarray(cell.prepare(cell.init(KEY, D))["recurrent_kernel"].arrays[0][:, 0])
    cosines = np.diag(kernel)
    pairs = size // 2 * 2
    np.testing.assert_allclose(cosines[0:pairs:2], cosines[1:pairs:2], 1e-12)
    assert (cosines[:pairs] > np.cos(1)).all()  # tan(pi / 4) = 1
    assert (cosines[pairs:] == 1).all()
    off = np.arange(size)[:, None] // 2 != np.arange(size)[None] // 2
    np.testing.assert_allclose(kernel[off], 0, atol=1e-15)


def test_lipschitz_maps_between_symmetric_and_antisymmetric() -> None:
    for beta, sign in ((0.0, 1), (1.0, -1)):
        cell = jaxrnn.lipschitz_rnn(H, beta_a=beta, beta_w=beta, gamma_a=0.0, gamma_w=0.0)
        prepared = cell.prepare(cell.init(KEY, D))
        for kernel in (prepared["recurrent_kernel"].arrays[0][:, 0], prepared["linear_kernel"].arrays[0]):
            np.testing.assert_allclose(kernel, sign * kernel.T, 1e-14, 1e-14)


def test_no_time_moves_no_potential() -> None:
    cell = jaxrnn.ltc(H)
    start = jax.random.normal(KEY, (B, H))
    _, ys = jaxrnn.scan(cell, cell.init(KEY, D), inputs(), (start,), per_step={"dt": jnp.zeros((T, B))})
    np.testing.assert_allclose(ys, jnp.broadcast_to(start, ys.shape), 1e-14)


def test_the_carry_of_tau_gru_is_what_was_last_seen() -> None:
    cell = jaxrnn.tau_gru(H, delay=3)
    carry, ys = jaxrnn.scan(cell, cell.init(KEY, D), inputs())
    np.testing.assert_array_equal(carry.past.reshape(B, 3, H), jnp.moveaxis(ys[-4:-1], 0, 1))
    np.testing.assert_array_equal(carry.h, ys[-1])


def test_a_context_forgets_by_alpha_alone() -> None:
    cell = jaxrnn.scrn(H, context=2, alpha=0.5)
    carry, _ = jaxrnn.scan(cell, cell.init(KEY, D), jnp.zeros((T, B, D)), (jnp.ones((B, 2)), jnp.ones((B, H))))
    np.testing.assert_allclose(carry.s, 0.5**T, 1e-14)


FORMS = {
    "low rank": jaxrnn.low_rank(2),
    "weight norm": jaxrnn.forms.weight_norm(),
    "non-negative": jaxrnn.forms.non_negative(),
    "some gates": jaxrnn.only("i", "g"),
    "one for two gates": jaxrnn.shared(("i", "f")),
}


@pytest.mark.parametrize("form", FORMS)
def test_kernels_of_few_units_have_the_form_of_the_others(form: str) -> None:
    """The product is what a dense kernel gives; of symbols too, and no input is multiplied within the loop."""
    cell, dense = jaxrnn.on_lstm(H, chunk=2, input=FORMS[form]), jaxrnn.on_lstm(H, chunk=2)
    params = cell.init(KEY, D)
    kernel = cell.input_kernel(params, params["bias"].dtype)
    seen = np.asarray(cell.project(params | {"bias": 0 * params["bias"]}, np.eye(D)))
    assert kernel.inputs == D
    assert (seen[:, 4:, 3:] == 0).all()
    same = {"kernel": seen[:, :4], "kernel_master": seen[:, 4:, :3]}
    rest = {name: a for name, a in params.items() if not name.startswith("kernel")}
    expected = jaxrnn.scan(dense, rest | same, inputs())[1]
    np.testing.assert_allclose(jaxrnn.scan(cell, params, inputs())[1], expected, 1e-12, 1e-14)
    symbols = np.array([[0, 2], [1, 1]])
    np.testing.assert_allclose(
        jaxrnn.scan(cell, params, symbols)[1], jaxrnn.scan(cell, params, np.eye(D)[symbols])[1], 1e-12, 1e-14
    )


WRONG: dict[str, tuple[Any, str]] = {
    "chunk": (lambda: jaxrnn.on_lstm(6, chunk=4), "`chunk` must be a divisor of the number of units, got 4"),
    "context": (lambda: jaxrnn.scrn(4, context=5), "`context` must be the number of units, or less, got 5"),
    "groups": (lambda: jaxrnn.clockwork_rnn(5, periods=(1, 2)), "`recurrent` must be a form for 5 units"),
    "periods fall": (lambda: jaxrnn.clockwork_rnn(4, periods=(2, 1)), "`periods` must be a tuple of rising whole"),
    "period": (
        lambda: jaxrnn.clockwork_rnn(4, periods=(0, 1)),
        r"`periods\[0\]` must be a positive integer",
    ),
    "no periods": (lambda: jaxrnn.clockwork_rnn(4, periods=()), "`periods` must be a tuple of rising whole"),
    "no state seen": (lambda: jaxrnn.t_gru(4, recurrent=jaxrnn.heads(2)), "`recurrent` must be left out"),
    "no product": (lambda: jaxrnn.t_rnn(4, multiplicative=True), "`multiplicative` must be left out"),
    "no bias": (lambda: jaxrnn.ltc(4, use_bias=False), "`use_bias` must be left out"),
    "no matrix": (lambda: jaxrnn.exp_rnn(4, recurrent=jaxrnn.diagonal), "`recurrent` must be a form of matrices"),
}


@pytest.mark.parametrize("case", WRONG)
def test_options_that_do_not_fit(case: str) -> None:
    make, message = WRONG[case]
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_initial_values() -> None:
    """Those of the papers, and of the authors' programs."""
    mass = jaxrnn.mass_conserving_lstm(H).init(KEY, D)
    np.testing.assert_array_equal(mass["bias"], -3.0)
    np.testing.assert_array_equal(mass["redistribution_bias"].reshape(H, H), np.eye(H))
    ltc = jaxrnn.ltc(50).init(KEY, D)
    bounds = {
        "kernel": (0.001, 1),
        "leak": (0.001, 1),
        "sigma": (3, 8),
        "input_mu": (0.3, 0.8),
        "capacitance": (0.4, 0.6),
    }
    for name, (low, high) in bounds.items():
        assert low <= ltc[name].min() < ltc[name].max() < high
    assert set(np.unique(ltc["reversal"])) == {-1.0, 1.0}
    for name in ("recurrent_kernel", "linear_kernel"):
        drawn = np.asarray(jaxrnn.lipschitz_rnn(100).init(KEY, D)[name])
        assert abs(drawn.std() - np.sqrt(0.1 / 100)) < 0.001
    for cell in (jaxrnn.res_lstm(H), jaxrnn.working_memory_lstm(H), jaxrnn.control_gate_lstm(H)):
        bias = cell.init(KEY, D)["bias"]
        np.testing.assert_array_equal(bias, np.eye(len(bias))[1][:, None] * np.ones(H))
