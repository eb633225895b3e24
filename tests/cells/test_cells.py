"""Cells as values: equality, sizes, dtypes, options, and equations one can check by hand."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.base.dtypes import default_float
from jaxrnn.cells import COLLECTION
from tests import oracle
from tests.table import ROWS

KEY = jax.random.key(0)
DENSE = [name for name in ROWS if name.partition(",")[0] in ("elman", "lstm", "lstm 1997", "gru")]  # of all gates


@pytest.mark.parametrize("name", COLLECTION)
def test_cells_are_static_values(name: str) -> None:
    """Hashable, equal when made alike, unequal in size and options, without arrays."""
    one, two = COLLECTION[name](6), COLLECTION[name](6)
    assert one == two
    assert hash(one) == hash(two)
    assert one != COLLECTION[name](7)
    assert sum(one == factory(6) for factory in COLLECTION.values()) == 1
    assert not [leaf for leaf in jax.tree.leaves(one) if isinstance(leaf, (jax.Array, np.ndarray))]


@pytest.mark.parametrize("row", ROWS)
def test_shapes_follow_the_declaration(row: str) -> None:
    cell, inputs = ROWS[row].cell, ROWS[row].inputs
    params = cell.init(KEY, inputs)
    carry = cell.initial_carry((2, 4), params)
    assert [a.shape for a in carry] == list(cell.carry_shapes((2, 4)))
    assert cell.input_size(params) == inputs
    assert {name: a.shape for name, a in params.items()} == {name: p.shape for name, p in cell.declare(inputs).items()}


@pytest.mark.parametrize("row", DENSE)
def test_shapes_of_dense_kernels(row: str) -> None:
    cell = ROWS[row].cell
    params = cell.init(KEY, 3)
    assert params["kernel"].shape == (3, len(cell.gates), cell.size)
    assert params["recurrent_kernel"].shape == (cell.projection or cell.size, len(cell.gates), cell.size)


DTYPES = [
    # inputs, parameters, dtype, carry_dtype -> outputs, carry
    ("float32", "float32", None, None, "float32", "float32"),
    ("bfloat16", "float32", None, None, "float32", "float32"),
    ("bfloat16", "bfloat16", None, None, "bfloat16", "float32"),
    ("float32", "float32", "bfloat16", None, "bfloat16", "float32"),
    ("float16", "float16", None, None, "float16", "float32"),
    ("bfloat16", "bfloat16", None, "bfloat16", "bfloat16", "bfloat16"),
    ("float32", "float64", None, None, "float64", "float64"),
    ("float64", "float32", None, None, "float64", "float64"),
    ("float64", "float64", "float32", "float64", "float32", "float64"),
    ("int32", "bfloat16", None, None, "bfloat16", "float32"),
    ("int32", "float64", None, None, "float64", "float64"),
    ("uint8", "float32", "bfloat16", None, "bfloat16", "float32"),
]


@pytest.mark.parametrize(("inputs", "param_dtype", "dtype", "carry_dtype", "outputs", "carries"), DTYPES)
@pytest.mark.parametrize("backend", ["scheduled", "reference"])
def test_dtype_policy(
    backend: str, inputs: str, param_dtype: str, dtype: str | None, carry_dtype: str | None, outputs: str, carries: str
) -> None:
    """Products and outputs in one dtype, gates and carry in another that is at least float32 (traps 51, 52)."""
    cell = jaxrnn.lstm(4, param_dtype=param_dtype, dtype=dtype, carry_dtype=carry_dtype, layer_norm=True)
    shape = (5, 2, 3) if inputs.startswith(("float", "bfloat")) else (5, 2)
    params, xs = jax.eval_shape(lambda: (cell.init(KEY, 3), jnp.ones(shape, inputs)))
    carry, ys = jax.eval_shape(lambda params, xs: jaxrnn.scan(cell, params, xs, backend=backend), params, xs)
    assert ys.dtype == outputs
    assert {a.dtype.name for a in carry} == {carries}
    carry, y = jax.eval_shape(lambda params, carry, xs: cell.step(params, carry, xs[0]), params, carry, xs)
    assert y.dtype == outputs
    assert {a.dtype.name for a in carry} == {carries}


def test_default_dtype_is_jaxs_float() -> None:
    assert jaxrnn.gru(3).init(KEY, 2)["kernel"].dtype == default_float() == jnp.float64
    with jax.enable_x64(False):
        assert jaxrnn.gru(3).init(KEY, 2)["kernel"].dtype == default_float() == jnp.float32


def test_integer_step_gathers_a_row() -> None:
    cell = jaxrnn.gru(4)
    params = cell.init(KEY, 6)
    carry = cell.initial_carry((3,), params)
    symbols = np.array([5, 0, 2])
    for a, b in zip(
        jax.tree.leaves(cell.step(params, carry, symbols)),
        jax.tree.leaves(cell.step(params, carry, np.eye(6)[symbols])),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, 1e-14)


def test_step_goes_into_a_plain_scan() -> None:
    """`partial(cell.step, params)` is the body of `jax.lax.scan`; the carry keeps its structure and dtype."""
    from functools import partial

    cell = jaxrnn.lstm(4, peepholes=True)
    params, xs = cell.init(KEY, 3), jax.random.normal(KEY, (6, 2, 3))
    carry = cell.initial_carry((2,), params)
    for a, b in zip(
        jax.tree.leaves(jax.lax.scan(partial(cell.step, params), carry, xs)),
        jax.tree.leaves(jaxrnn.scan(cell, params, xs, carry)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, 1e-13)


def test_1997_squashing_functions() -> None:
    """The paper's ranges: g in [-2, 2], h in [-1, 1]; and its cell of no forget gate only adds."""
    cell = jaxrnn.lstm_1997(1)
    params = {"kernel": np.full((1, 3, 1), 50.0), "recurrent_kernel": np.zeros((1, 3, 1)), "bias": np.zeros((3, 1))}
    carry, ys = jaxrnn.scan(cell, params, np.ones((3, 1, 1)))
    np.testing.assert_allclose(carry.c, [[6.0]], 1e-12)  # two a step
    np.testing.assert_allclose(ys[:, 0, 0], oracle.squash_h(np.array([2.0, 4.0, 6.0])), 1e-12)
    low, _ = jaxrnn.scan(cell, params | {"bias": np.array([[0.0], [-100.0], [0.0]])}, np.ones((3, 1, 1)))
    np.testing.assert_allclose(low.c, [[-6.0]], 1e-12)


def test_cell_clip_bounds_the_cell_and_only_it() -> None:
    cell = jaxrnn.lstm_1997(1)
    clipped = jaxrnn.lstm(1, forget_gate=False, cell_clip=0.5)
    params = {"kernel": np.full((1, 3, 1), 3.0), "recurrent_kernel": np.zeros((1, 3, 1)), "bias": np.zeros((3, 1))}
    carry, ys = jaxrnn.scan(clipped, params, np.ones((4, 1, 1)))
    np.testing.assert_array_equal(carry.c, [[0.5]])
    np.testing.assert_allclose(ys[-1], [[oracle.sigmoid(3.0) * np.tanh(0.5)]], 1e-12)
    assert jaxrnn.scan(cell, params, np.ones((4, 1, 1)))[0].c > 4


def test_residual_elman_adds() -> None:
    """Without input and weights, tanh(b) is added at every step; with a leak, that share of it."""
    params = {"kernel": np.zeros((1, 1, 1)), "recurrent_kernel": np.zeros((1, 1, 1)), "bias": np.full((1, 1), 0.3)}
    for leak, rate in ((1.0, 1.0), (0.25, 0.25)):
        _, ys = jaxrnn.scan(jaxrnn.elman(1, residual=True, leak=leak), params, np.zeros((3, 1, 1)))
        np.testing.assert_allclose(ys[:, 0, 0], rate * np.tanh(0.3) * np.array([1, 2, 3]), 1e-14)


@pytest.mark.parametrize(
    "activation", [jax.nn.relu, jnp.sin, jax.nn.softplus, lambda a: 0.5 * a], ids=["relu", "sin", "softplus", "linear"]
)
def test_elman_takes_any_activation(activation: Any) -> None:
    cell = jaxrnn.elman(4, activation=activation)
    params, xs = jax.tree.map(np.asarray, (cell.init(KEY, 3), jax.random.normal(KEY, (5, 2, 3))))
    h = np.zeros((2, 4))
    _, ys = jaxrnn.scan(cell, params, xs)
    for t in range(5):
        h = np.asarray(
            activation(xs[t] @ params["kernel"][:, 0] + params["bias"][0] + h @ params["recurrent_kernel"][:, 0])
        )
        np.testing.assert_allclose(ys[t], h, 1e-12)
