"""Initial parameters: gate by gate, in every dtype, and options that only initialise stay out of the equations."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.cells import COLLECTION
from jaxrnn.core.layer import check_params
from tests.table import BARE, ROWS

D, H = 3, 8
KEY = jax.random.key(3)
DENSE = [name for name in COLLECTION if name.split(",")[0] in ("elman", "lstm 1997", "lstm", "gru")]
FACTORIES = {"lstm": jaxrnn.lstm, "gru": jaxrnn.gru, "elman": jaxrnn.elman}


@pytest.mark.parametrize("name", DENSE)
def test_every_gate_is_initialised_by_itself(name: str) -> None:
    """Each gate's recurrent block is orthogonal at full gain (trap 46), its kernel glorot for one gate's fan-out."""
    cell = COLLECTION[name](H)
    params = jax.tree.map(np.asarray, cell.init(KEY, D))
    recurrent = params["recurrent_kernel"]
    for g in range(len(cell.gates)):
        block = recurrent[:, g]
        small = block.T @ block if block.shape[0] >= block.shape[1] else block @ block.T
        np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-12)
        limit = np.sqrt(6 / (D + H))
        assert 0.5 * limit < np.abs(params["kernel"][:, g]).max() <= limit
        for other in range(g):
            assert np.abs(params["kernel"][:, g] - params["kernel"][:, other]).min() > 0


@pytest.mark.parametrize("name", DENSE)
def test_biases_are_zero_but_the_forget_gates(name: str) -> None:
    """The forget bias stands at the gate named f (trap 47); coupled gates keep by a low input gate."""
    cell = COLLECTION[name](H)
    expected = {"f": 1.0} if "f" in cell.gates else {"i": -1.0} if "coupled" in name else {}
    bias = np.asarray(cell.init(KEY, D)["bias"])
    np.testing.assert_array_equal(bias, np.stack([np.full(H, expected.get(g, 0.0)) for g in cell.gates]))


def test_forget_bias_is_an_initial_value_and_nothing_else() -> None:
    """Two cells that differ in it compute the same from the same parameters."""
    low, high = jaxrnn.lstm(H, forget_bias=-2.0), jaxrnn.lstm(H, forget_bias=3.0)
    params = low.init(KEY, D)
    np.testing.assert_array_equal(params["bias"][1], -2.0)
    np.testing.assert_array_equal(high.init(KEY, D)["bias"][1], 3.0)
    xs = jax.random.normal(KEY, (5, 2, D))
    for a, b in zip(
        jax.tree.leaves(jaxrnn.scan(low, params, xs)), jax.tree.leaves(jaxrnn.scan(high, params, xs)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64], ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", COLLECTION)
def test_every_parameter_dtype(name: str, dtype: Any) -> None:
    """Orthogonal in half precision too (trap 45): the float32 draw, rounded once."""
    factory, inputs = COLLECTION[name], H if name in ("gru_d", *BARE) else D
    cell = (
        factory(H, param_dtype=dtype)
        if name != "lstm, projection"
        else jaxrnn.lstm(H, projection=H // 2, param_dtype=dtype)
    )
    params = cell.init(KEY, inputs)
    assert {a.dtype for a in params.values()} == {jnp.dtype(dtype)}
    wide = jnp.float64 if dtype == jnp.float64 else jnp.float32
    same = (
        factory(H, param_dtype=wide)
        if name != "lstm, projection"
        else jaxrnn.lstm(H, projection=H // 2, param_dtype=wide)
    )
    if dtype in (jnp.bfloat16, jnp.float16) and "recurrent_kernel" in params:
        np.testing.assert_array_equal(
            params["recurrent_kernel"], same.init(KEY, inputs)["recurrent_kernel"].astype(dtype)
        )


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_initialisers_reach_the_gate_they_name(factory: Any) -> None:
    """An initialiser for all gates, or for one gate by name; none is ignored (trap 44)."""
    constant, first = jax.nn.initializers.constant(7.0), factory(H).gates[0]
    for argument, name in {
        "kernel_init": "kernel",
        "recurrent_kernel_init": "recurrent_kernel",
        "bias_init": "bias",
    }.items():
        everywhere = factory(H, **{argument: constant}).init(KEY, D)
        np.testing.assert_array_equal(everywhere[name], 7.0)
        one, default = factory(H, **{argument: {first: constant}}).init(KEY, D)[name], factory(H).init(KEY, D)[name]
        np.testing.assert_array_equal(one[..., 0, :], 7.0)
        np.testing.assert_array_equal(one[..., 1:, :], default[..., 1:, :])


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_without_bias(factory: Any) -> None:
    """No bias array at all, and a sequence of zeros stays at zero."""
    cell = factory(H, use_bias=False)
    params = cell.init(KEY, D)
    assert not any("bias" in name for name in params)
    _, ys = jaxrnn.scan(cell, params, jnp.zeros((4, 2, D)))
    np.testing.assert_array_equal(ys, 0.0)


@pytest.mark.parametrize(
    ("cell", "keep", "let_in"),
    [
        (jaxrnn.lstm(2000, chrono=50, recurrent_kernel_init=jax.nn.initializers.zeros), 1, 0),
        (jaxrnn.gru(2000, chrono=50, recurrent_kernel_init=jax.nn.initializers.zeros), 1, None),
    ],
    ids=["lstm", "gru"],
)
def test_chrono(cell: Any, keep: int, let_in: int | None) -> None:
    """b_keep = log u with u ~ U(1, T_max - 1), and b_input = -b_keep unit by unit; all others zero."""
    bias = np.asarray(cell.init(KEY, 2)["bias"])
    u = np.exp(bias[keep])
    assert u.min() >= 1
    assert u.max() <= 49
    # Mean and spread of the uniform distribution, within five standard errors of 2000 draws.
    error = 48 / np.sqrt(12 * 2000)
    assert abs(u.mean() - 25) < 5 * error
    assert abs(np.quantile(u, 0.25) - 13) < 5 * 2 * error
    if let_in is not None:
        np.testing.assert_array_equal(bias[let_in], -bias[keep])
    rest = [g for g in range(len(bias)) if g not in (keep, let_in)]
    np.testing.assert_array_equal(bias[rest], 0.0)


def test_chrono_of_coupled_gates_lets_in_little() -> None:
    """With f = 1 - i the input gate alone is set, to minus the log."""
    bias = np.asarray(
        jaxrnn.lstm(500, coupled=True, chrono=50, recurrent_kernel_init=jax.nn.initializers.zeros).init(KEY, 2)["bias"]
    )
    assert (bias[0] <= 0).all()
    assert -np.log(49) <= bias[0].min() < -3
    np.testing.assert_array_equal(bias[1:], 0.0)


@pytest.mark.parametrize("row", ROWS)
def test_parameters_are_those_declared_and_independent(row: str) -> None:
    cell, inputs = ROWS[row].cell, ROWS[row].inputs
    params = cell.init(KEY, inputs)
    check_params(cell, params)
    again, other = cell.init(KEY, inputs), cell.init(jax.random.key(4), inputs)
    for name, array in params.items():
        np.testing.assert_array_equal(array, again[name])
        given = name == "recurrent_kernel" and cell.name in ("brc", "slstm", "m2rnn")  # ones, zero, and the identity
        given |= name == "kernel" and cell.name == "s4d"  # ones too
        if name.endswith("kernel") and not given:
            assert np.abs(array - other[name]).max() > 0


def test_learned_initial_carry() -> None:
    """A parameter like others: drawn by its initialiser, used where no carry is given and where resets lead."""
    cell = jaxrnn.lstm(H, learn_carry=True, carry_init=jax.nn.initializers.normal(1.0))
    params = cell.init(KEY, D)
    carry = cell.initial_carry((3,), params)
    np.testing.assert_array_equal(carry.c, np.broadcast_to(params["initial_c"], (3, H)))
    np.testing.assert_array_equal(carry.h, np.broadcast_to(params["initial_h"], (3, H)))
    assert np.abs(params["initial_c"] - params["initial_h"]).max() > 0
    xs = jax.random.normal(KEY, (5, 3, D))
    whole, given = jaxrnn.scan(cell, params, xs), jaxrnn.scan(cell, params, xs, carry)
    fresh = jaxrnn.scan(cell, params, xs[2:])
    reset = jaxrnn.scan(cell, params, xs, resets=jnp.arange(5)[:, None] * jnp.ones((1, 3), int) == 2)
    np.testing.assert_array_equal(whole[1], given[1])
    np.testing.assert_allclose(reset[1][2:], fresh[1], 1e-12)


def test_orthogonal_kernels_of_many_seeds_are_made_one_after_the_other() -> None:
    """Below `vmap` the same as each by itself, and no QR of a batch: XLA's CPU may wait for ever in two at once."""
    cell, keys = jaxrnn.gru(6), jax.random.split(jax.random.key(0), 4)
    init = lambda key: cell.init(key, inputs=3)  # noqa: E731
    many = jax.jit(jax.vmap(init))(keys)
    for n, key in enumerate(keys):
        np.testing.assert_array_equal(many["recurrent_kernel"][n], jax.jit(init)(key)["recurrent_kernel"])
    products = re.findall(r"(\S+) \S+ = (?:qr|geqrf)\[", str(jax.make_jaxpr(jax.vmap(init))(keys)))
    assert products
    assert all(product.count(",") == 1 for product in products), products  # [6, 6], not [4, 6, 6]
