"""Cells that are linear in the state: how they start, what a user declares, and what is refused."""

from __future__ import annotations

import decimal
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrnn
from jaxrnn.cells.linear.s5 import discretized
from tests.laws.programs import assert_close


class One(NamedTuple):
    h: Any


class Two(NamedTuple):
    re: Any
    im: Any


class Three(NamedTuple):
    a: Any
    b: Any
    c: Any


def average(x: Any) -> Any:
    return jax.nn.sigmoid(x.f), x.g


def params_of(cell: Any, inputs: int) -> Any:
    return jax.tree.map(np.asarray, cell.init(jax.random.key(1), inputs))


def test_the_lru_starts_in_its_ring() -> None:
    nu, theta, gamma = np.float64(params_of(jaxrnn.lru(400, smallest=0.5, largest=0.9, angle=1.0), 3)["ring"])
    size, angle = np.exp(-np.exp(nu)), np.exp(theta)
    assert 0.5 <= size.min() < 0.52
    assert 0.88 < size.max() <= 0.9001
    assert angle.max() <= 1.0001
    np.testing.assert_allclose(np.exp(gamma), np.sqrt(1 - size**2), 1e-4)


def test_rg_lru_starts_with_long_memory() -> None:
    decay = np.float64(params_of(jaxrnn.rg_lru(300), 300)["decay"])
    a = np.exp(-8 * np.log1p(np.exp(decay)))  # where r is one
    assert 0.899 < a.min() < 0.905
    assert 0.995 < a.max() < 0.9991


def test_s5_starts_from_the_normal_part_of_hippo() -> None:
    """Poles by brute force: eigenvalues of the LegS matrix with P P^T added to it."""
    H = 6
    n = np.arange(2 * H)
    root = np.sqrt(2 * n + 1)
    legs = -(np.tril(root[:, None] * root[None], -1) + np.diag(n + 1.0))
    p = np.sqrt(n + 0.5)
    poles = np.linalg.eigvals(legs + np.outer(p, p))
    decay, frequency = np.float64(params_of(jaxrnn.s5(H), 3)["pole"])
    np.testing.assert_allclose(-np.exp(decay), np.sort(poles.real)[:H], 1e-5)
    np.testing.assert_allclose(np.sort(frequency), np.sort(poles.imag)[H:], 1e-5)


def test_s4d_and_s6_start_as_their_papers_say() -> None:
    pole = params_of(jaxrnn.s4d(3, states=4), 3)["pole"]
    np.testing.assert_allclose(-np.exp(pole[:4]), -0.5, 1e-6)
    np.testing.assert_allclose(pole[4:, 1], np.pi * np.arange(4), 1e-6)
    s6 = params_of(jaxrnn.s6(200, states=4), 200)
    np.testing.assert_allclose(np.exp(s6["decay"][:, 0]), [1, 2, 3, 4], 1e-6)
    dt = np.log1p(np.exp(np.float64(s6["bias"])))
    assert 0.00099 < dt.min() < 0.0015
    assert 0.07 < dt.max() < 0.1001


@pytest.mark.parametrize("a_of", [lambda re, im: jax.lax.complex(re, im), lambda re, im: (re, im)])
def test_complex_arrays_and_pairs_are_the_same(a_of: Any) -> None:
    def turning(x: Any) -> Any:
        size, angle = jax.nn.sigmoid(x.f), x.g
        return a_of(size * jnp.cos(angle), size * jnp.sin(angle)), a_of(x.f, x.g)

    cell = jaxrnn.linear_cell(gates=("f", "g"), carry=Two)(turning)(4)
    params, xs = params_of(cell, 3), np.random.default_rng(0).standard_normal((7, 2, 3))
    carry, ys = jaxrnn.scan(cell, params, xs)
    z = np.einsum("tbd,dgh->tbgh", xs, params["kernel"])
    h, expected = 0, []
    for t in range(7):
        f, g = z[t, :, 0], z[t, :, 1]
        h = np.exp(1j * g) / (1 + np.exp(-f)) * h + f + 1j * g
        expected.append(h.real)
    assert_close(ys, np.stack(expected), 1e-6)
    assert_close(carry.im, h.imag, 1e-6)


def test_a_and_b_are_float32_under_bfloat16() -> None:
    """In bfloat16 0.999 is 1, and the state would grow without end."""

    def slow(x: Any) -> Any:
        return jnp.full_like(x.g, 0.999), x.g

    cell = jaxrnn.linear_cell(gates=("g",), carry=One)(slow)(2, dtype=jnp.bfloat16, use_bias=False)
    params = {"kernel": jnp.ones((1, 1, 2), jnp.bfloat16)}
    for backend in ("one_pass", "native", "chunked", "associative", "reference"):
        carry, ys = jaxrnn.scan(cell, params, jnp.ones((4000, 1, 1), jnp.bfloat16), backend=backend)
        assert (carry.h.dtype, ys.dtype) == (jnp.float32, jnp.bfloat16)
        np.testing.assert_allclose(carry.h, (1 - 0.999**4000) / 0.001, 1e-3)


@pytest.mark.parametrize(
    ("made", "match"),
    [
        (lambda: jaxrnn.linear_cell(gates=("f", "g"), carry=Three)(average), "`carry` must be a NamedTuple class of"),
        (lambda: jaxrnn.linear_cell(gates=["f"], carry=One)(average), "`gates` must be a tuple of distinct names"),
        (lambda: jaxrnn.linear_cell(gates=("f",), carry=One)(lambda: 1), "`equations` must be a function of x"),
        (lambda: jaxrnn.linear_cell(gates=("f",), carry=One)(lambda carry, x: (x.f, x.f)), "`equations` .*gate_cell`"),
        (lambda: jaxrnn.linear_cell(gates=("f",), carry=One)(lambda *a, b: 1), "`equations` .*gate_cell`"),
        (lambda: jaxrnn.linear_cell(gates=("f",), carry=One, shows=lambda c: c)(average), "`shows` must be a function"),
        (lambda: jaxrnn.linear_cell(gates=("f", "g"), carry=One)(average)(3, multiplicative=True), "`multiplicative`"),
        (lambda: jaxrnn.min_gru(3, recurrent=jaxrnn.heads(3)), "`recurrent` must be left out"),
        (lambda: jaxrnn.lru(3, smallest=0.99, largest=0.9), "`largest` must be above `smallest`"),
        (lambda: jaxrnn.hgrn(3, lower_bound=1.0), "`lower_bound` must be a number of 0 or more, below 1"),
        (lambda: jaxrnn.qrnn(3, pooling="of"), "`pooling` must be one of"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_what_does_not_fit_is_refused(made: Any, match: str) -> None:
    with pytest.raises((TypeError, ValueError), match=match):
        made()


@pytest.mark.parametrize(
    ("equations", "carry", "match"),
    [
        (lambda x: x.f, One, r"must be a function that returns \(a, b\)"),
        (lambda x: (x.f, x.f, x.g), One, r"must be a function that returns \(a, b\)"),
        (average, Two, "must be a function that returns a and b for each unit of the carry"),
        (lambda x: (x.f[..., :1], x.g), One, "must be a function that returns a and b for each unit"),
        # Arguments taken for those of a gate cell.
        (lambda s, x: (x.f, s.g), One, r"`equations` .*reads `.f` of argument 2, theta: a dict of nothing"),
        (lambda s, x: (s.h * x.f, x.g), One, r"`equations` .*reads `.h` of argument 1, x: a named tuple of f, g"),
        (lambda s, x, h: (x.f, s.g), One, r"`equations` .*reads `.f` of argument 2, recur: a function"),
    ],
)
@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_what_equations_return_is_checked(equations: Any, carry: Any, match: str, backend: str) -> None:
    cell = jaxrnn.linear_cell(gates=("f", "g"), carry=carry)(equations)(3)
    params = {name: np.ones(p.shape) for name, p in cell.declare(2).items()}
    with pytest.raises((TypeError, ValueError), match=match):
        jaxrnn.scan(cell, params, np.ones((4, 2, 2)), backend=backend)


LAYERS = {
    "stack": lambda: jaxrnn.stack([jaxrnn.min_gru(5), jaxrnn.lru(5), jaxrnn.lstm(5)]),
    "bidirectional": lambda: jaxrnn.bidirectional(jaxrnn.min_lstm(5)),
    "residual": lambda: jaxrnn.residual(jaxrnn.hgrn(3)),
    "zoneout": lambda: jaxrnn.zoneout(jaxrnn.min_gru(5), h=0.3),
    "states of channels": lambda: jaxrnn.stack([jaxrnn.s4d(3, states=2), jaxrnn.s6(3, states=2)]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_linear_cells_are_the_references(name: str) -> None:
    """With lengths, resets, noise; and a module of either kind around them."""
    layer = LAYERS[name]()
    params = jax.tree.map(np.asarray, layer.init(jax.random.key(0), 3))
    xs = np.random.default_rng(0).standard_normal((9, 2, 3))
    given = dict(lengths=np.array([9, 6]), resets=np.arange(18).reshape(9, 2) % 5 == 4)

    def loss(params: Any, backend: str, **options: Any) -> Any:
        carry, ys = jaxrnn.scan(layer, params, xs, **given, backend=backend, **options)
        return (ys**2).sum() + sum((a**2).sum() for a in jax.tree.leaves(carry))

    for options in ({}, {"rng": jax.random.key(1)}, {"chunk": 4}):
        assert_close(*(jax.grad(loss)(params, b, **options) for b in ("auto", "reference")))
    module = jaxrnn.nnx.RNN(layer, in_features=3, rngs=nnx.Rngs(0))
    ys = module(jnp.asarray(xs.swapaxes(0, 1)), seq_lengths=given["lengths"], deterministic=True)
    own = nnx.to_pure_dict(nnx.state(module, nnx.Param))
    wanted = jaxrnn.scan(layer, own, xs, lengths=given["lengths"])[1]
    assert_close(jnp.swapaxes(ys, 0, 1), wanted, 1e-6)


def test_what_equations_read_is_differentiated() -> None:
    """An array in a closure, on every backend; none has to trace such equations as one step."""
    xs = np.random.default_rng(0).standard_normal((6, 2, 3))

    def loss(gain: Any, backend: str) -> Any:
        def equations(x: Any) -> Any:
            return jax.nn.sigmoid(gain * x.f), gain * x.g

        cell = jaxrnn.linear_cell(gates=("f", "g"), carry=One)(equations)(4)
        params = {name: np.full(p.shape, 0.3) for name, p in cell.declare(3).items()}
        return (jaxrnn.scan(cell, params, xs, backend=backend)[1] ** 2).sum()

    wanted = jax.grad(loss)(jnp.float64(0.7), "reference")
    for backend in ("auto", *jaxrnn.backends().keys() - {"pallas"}):  # which runs on TPUs and GPUs
        assert_close(jax.grad(loss)(jnp.float64(0.7), backend), wanted)
        assert_close(jax.jit(jax.grad(loss), static_argnums=1)(jnp.float64(0.7), backend), wanted)


def test_pieces_and_all_carries_of_a_long_sequence() -> None:
    """Parallel is sequential is in pieces: a complex cell of long memory, every algorithm, both directions."""
    cell, T = jaxrnn.lru(8, smallest=0.9, largest=0.9999), 500
    params = jax.tree.map(np.float64, cell.init(jax.random.key(0), 3))
    xs = np.random.default_rng(0).standard_normal((T, 2, 3))
    for reverse in (False, True):
        whole, ys = jaxrnn.scan_carries(cell, params, xs, reverse=reverse, backend="reference")
        for backend in ("one_pass", "chunked", "associative"):
            for chunk in (None, 77, "sqrt"):
                assert_close(
                    jaxrnn.scan_carries(cell, params, xs, reverse=reverse, backend=backend, chunk=chunk), (whole, ys)
                )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gates_of_a_minimal_lstm_too_small_for_numbers(dtype: Any) -> None:
    """f / (f + i) of f = exp(-1000), i = exp(-999), in decimals of sixty digits; nothing is 0 / 0."""
    pairs = [
        (-1000.0, -999.0),
        (-120.0, -104.0),
        (-1000.0, 5.0),
        (5.0, -1000.0),
        (-1e30, -1e30),
        (1e30, -3.0),
        (0.5, -2.0),
    ]
    wanted = []
    with decimal.localcontext(decimal.Context(prec=60)):
        for f, i in pairs:
            log = [-(1 + (-decimal.Decimal(a)).exp()).ln() if a > -1e6 else decimal.Decimal(a) for a in (f, i)]
            wanted.append(float(1 / (1 + (log[1] - log[0]).exp())))
    x = np.array(pairs, dtype)
    z = np.stack([x[:, 1], x[:, 0], np.ones(len(pairs), dtype)])[None, None]  # gates i, f, g of a unit a pair
    cell = jaxrnn.min_lstm(len(pairs))
    params = {n: np.zeros(p.shape, dtype) for n, p in cell.declare(1).items()}
    carry = cell.carry_type(np.full((1, len(pairs)), 3, dtype))
    for backend in ("auto", "one_pass", "reference"):

        def run(z: Any, backend: str = backend) -> Any:
            return jaxrnn.scan(cell, params, z, carry, projected=True, backend=backend)[1]

        np.testing.assert_allclose(run(z)[0, 0], 1 + 2 * np.array(wanted), rtol=3 * np.finfo(dtype).eps)
        assert jnp.isfinite(jax.grad(lambda z: run(z).sum())(z)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decay", [-400.0, -60.0, -40.0, -22.0, -18.0, -12.0, -1.0])
def test_poles_near_zero(decay: float, dtype: Any) -> None:
    """Of (exp(p) - 1) / p and its slope, which are 1 and 1 / 2 where p is 0; here by their series."""
    frequency, step = np.array([0.0, 1e-30, 1e-12, 1e-9, 1e-6, 0.3], dtype), np.full(6, -2.0, dtype)
    real, dt = np.full(6, -np.exp(np.float64(decay))), np.exp(-2.0)
    p = dt * (real + 1j * frequency.astype(np.float64))
    factorial = [math.factorial(k + 1) for k in range(25)]
    b = dt * sum(p**k / factorial[k] for k in range(25))
    slope = dt**2 * sum(k * p ** (k - 1) / factorial[k] for k in range(1, 25))  # of b, as the pole changes

    def factor(decay: Any, frequency: Any) -> Any:
        return discretized("zoh", -jnp.exp(decay), frequency, jnp.exp(jnp.asarray(step)))[1]

    given = np.full(6, decay, dtype), frequency
    near = 30 * np.finfo(dtype).eps
    np.testing.assert_allclose(factor(*given)[0], b.real, rtol=near)
    np.testing.assert_allclose(factor(*given)[1], b.imag, rtol=1e-4, atol=near * dt)
    by_decay, by_frequency = jax.grad(lambda d, f: factor(d, f)[0].sum(), (0, 1))(*given)
    assert np.isfinite(by_decay).all()
    few = 3 * np.sqrt(np.finfo(dtype).eps) * dt**2  # half of the digits are left where the series begins
    np.testing.assert_allclose(by_frequency, (1j * slope).real, rtol=1e-4, atol=few)
    least = np.finfo(dtype).tiny
    np.testing.assert_allclose(by_decay, (slope * real).real, rtol=1e-4, atol=few * np.exp(decay) + least)


@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_a_pole_that_has_come_to_zero_sums(backend: str) -> None:
    cell = jaxrnn.s5(4)
    params = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), params_of(cell, 3))
    params["pole"] = jnp.stack([jnp.full(4, -60.0, jnp.float32), jnp.zeros(4, jnp.float32)])
    xs = np.random.default_rng(0).standard_normal((9, 2, 3)).astype(np.float32)

    def run(params: Any) -> Any:
        return jaxrnn.scan(cell, params, xs, backend=backend)[1]

    there = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    re, im, skip = np.moveaxis(np.einsum("tbd,dgh->tbgh", xs, there["kernel"]), 2, 0)
    re, im = (np.exp(there["step"]) * np.cumsum(part, 0) for part in (re, im))
    wanted = 2 * (re @ there["output_re"] + im @ there["output_im"]) + skip
    np.testing.assert_allclose(run(params), wanted, rtol=1e-4, atol=1e-5)
    assert all(jnp.isfinite(a).all() for a in jax.tree.leaves(jax.grad(lambda p: run(p).sum())(params)))
