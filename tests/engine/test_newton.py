"""Newton's method over time: right to a bound or the loop itself, bit by bit; derivatives are the loop's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.engine.newton import backend, solve
from jaxrnn.engine.newton.iterate import TOLERANCE
from tests.laws.programs import assert_close, assert_same_bits

T, B, D, H = 37, 3, 3, 4
RNG = np.random.default_rng(0)
XS = RNG.standard_normal((T, B, D))
MARKS: dict[str, Any] = dict(
    mask=RNG.random((T, B)) < 0.8, resets=RNG.random((T, B)) < 0.1, lengths=np.array([T, 0, 20])
)
# A dense cell of one state and of two, one product after another, heads, each unit by itself.
CELLS = {
    "gru": (jaxrnn.gru(H), 1),
    "lstm, projected": (jaxrnn.lstm(H, projection=2), 1),
    "gru, reset before": (jaxrnn.gru(H, reset_after=False), 1),
    "heads": (jaxrnn.lstm(H, recurrent=jaxrnn.heads(2)), 2),
    "diagonal": (jaxrnn.elman(H, recurrent=jaxrnn.diagonal), H),
    "a pair a unit": (jaxrnn.lstm(H, recurrent=jaxrnn.diagonal), H),
    "relu": (jaxrnn.ind_rnn(H), H),
}


def drawn(cell: jaxrnn.Cell) -> tuple[Any, Any]:
    """Parameters, and a carry; states contract."""
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda a: 0.4 * rng.standard_normal(a.shape), cell.init(jax.random.key(0), D))
    return params, jax.tree.map(lambda a: 0.3 * rng.standard_normal(a.shape), cell.initial_carry((B,)))


@pytest.mark.parametrize("name", CELLS)
def test_structure_is_read_off_the_equations(name: str) -> None:
    """So many groups of units; and no Jacobian has an entry outside of its block."""
    cell, groups = CELLS[name]
    assert backend.settled(cell, "float64", "float64") == groups
    params, carry = drawn(cell)
    found = jax.jacobian(lambda c: cell.step(params, c, XS[0])[0])(carry)
    for row in found:
        for J in row:
            size, other = J.shape[1], J.shape[3]
            apart = np.arange(size)[:, None] // (size // groups) != np.arange(other)[None] // (other // groups)
            assert (np.asarray(J)[0, :, 0][apart] == 0).all()


def with_gradients(cell: jaxrnn.Cell, name: str, **options: Any) -> Any:
    def loss(params: Any, xs: Any, carry: Any) -> Any:
        outputs = jaxrnn.scan(cell, params, xs, carry, backend=name, **options)
        return sum(
            (jnp.sin(a) * np.cos(np.arange(a.size)).reshape(a.shape)).sum() for a in jax.tree.leaves(outputs)
        ), outputs

    params, carry = drawn(cell)
    return jax.jit(jax.value_and_grad(loss, (0, 1, 2), has_aux=True))(params, XS, carry)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_values_and_gradients_are_the_loops(name: str, reverse: bool) -> None:
    """With lengths, mask and resets."""
    cell, _ = CELLS[name]
    options = dict(MARKS, reverse=reverse)
    assert_close(with_gradients(cell, "newton", **options), with_gradients(cell, "reference", **options))
    params, carry = drawn(cell)
    _, report = jaxrnn.scan_newton(cell, params, XS, carry, **options)
    assert not report.fell_back.any()
    assert (report.bound < TOLERANCE["float64"]).all()
    assert (report.iterations[::2] > 1).all()
    assert report.iterations[1] == 1  # of no steps


@pytest.mark.parametrize("name", ["gru", "diagonal"])
def test_hessian_and_jvp_are_the_loops(name: str) -> None:
    cell, _ = CELLS[name]
    params, carry = drawn(cell)

    def seconds(backend: str) -> Any:
        loss = lambda p, c: (jaxrnn.scan(cell, p, XS[:9], c, backend=backend, mask=MARKS["mask"][:9])[1] ** 2).sum()  # noqa: E731
        at = params, carry
        along = jax.jvp(jax.grad(loss, (0, 1)), at, jax.tree.map(jnp.ones_like, at))
        return along, jax.hessian(lambda c: loss(params, c))(carry)

    assert_close(jax.jit(seconds, static_argnums=0)("newton"), jax.jit(seconds, static_argnums=0)("reference"))


class Chaos(NamedTuple):
    cell: jaxrnn.Cell
    params: Any
    xs: Any
    carry: Any


def chaos(gain: float = 2.0, steps: int = 100, rows: int = 2, units: int = 64) -> Chaos:
    """A tanh network whose states repel each other; but the last row is driven so hard that they do not."""
    rng = np.random.default_rng(0)
    cell = jaxrnn.elman(units)
    params = {k: np.zeros(p.shape) for k, p in cell.declare(units).items()}
    params["recurrent_kernel"] = gain / np.sqrt(units) * rng.standard_normal((units, 1, units))
    params["kernel"] = np.eye(units)[:, None]
    xs = np.zeros((steps, rows, units))
    xs[:, -1] = 10 * np.sign(rng.standard_normal((steps, units)))
    return Chaos(cell, params, xs, jaxrnn.elman(units).carry_type(rng.standard_normal((rows, units))))


def test_chaos_falls_back_and_is_the_loops_bit_by_bit() -> None:
    """A tanh network of 64 units and gain 2. The other row, which contracts, does not fall back with it."""
    c = chaos()
    (carry, ys), report = jaxrnn.scan_newton(*c)
    assert report.fell_back.tolist() == [True, False]
    assert report.bound[0] > TOLERANCE["float64"] > report.bound[1]
    expected = jaxrnn.scan(*c)
    assert_same_bits(jax.tree.map(lambda a: a[..., 0, :], (carry, ys)), jax.tree.map(lambda a: a[..., 0, :], expected))
    assert_close((carry, ys)[1][:, 1], expected[1][:, 1])
    asked = jaxrnn.scan(*c, backend="newton")
    assert_same_bits(asked, (carry, ys))


def test_derivatives_of_a_row_that_fell_back_are_the_loops_bit_by_bit() -> None:
    c = chaos(steps=60)

    def gradient(backend: str) -> Any:
        loss = lambda xs: jaxrnn.scan(c.cell, c.params, xs, c.carry, backend=backend)[1][:, 0].sum()  # noqa: E731
        return jax.jit(jax.grad(loss))(c.xs)

    assert_same_bits(gradient("newton"), gradient("native"))


def test_a_small_residual_is_not_believed() -> None:
    """Two runs that both solve every step to 1e-10, and come to differ by more than one: only the bound tells."""
    c = chaos(rows=1, steps=250)
    step = jax.jit(c.cell.step)
    runs = []
    for push in (0.0, 1e-11):
        carry, states = jax.tree.map(lambda a, p=push: a + p, c.carry), []
        for x in c.xs:
            carry = step(c.params, carry, x * 0)[0]
            states.append(carry.h)
        runs.append(np.stack(states))
    assert np.abs(runs[0] - runs[1]).max() > 1
    assert jaxrnn.scan_newton(*c._replace(xs=c.xs * 0))[1].fell_back.all()


def test_blocks_go_where_all_steps_at_once_do_not() -> None:
    """A network far from where it will rest: all steps at once fail, blocks get there; errors are handed on."""
    cell, params, xs, carry = chaos(units=24)
    (_, ys), report = jaxrnn.scan_newton(cell, params, xs, carry)
    assert not report.fell_back.any()
    assert report.blocks.tolist()[0] > 2
    assert report.blocks.tolist()[1] == 0
    expected = jaxrnn.scan(cell, params, xs, carry)[1]
    assert (np.abs(ys - expected).max((0, 2)) < 2 * report.bound + 1e-14).all()
    assert (report.bound <= TOLERANCE["float64"]).all()


def test_rows_do_not_see_each_other() -> None:
    """Not in how often they iterate either: NaN in one changes no bit of the others."""
    cell, _ = CELLS["gru"]
    params, carry = drawn(cell)
    sick = XS.copy()
    sick[11:, 0] = np.nan
    run = jax.jit(lambda xs: jaxrnn.scan_newton(cell, params, xs, carry))
    (_, expected), _ = run(XS)
    (_, ys), report = run(sick)
    assert report.fell_back.tolist() == [True, False, False]
    assert np.isinf(report.bound[0])
    assert np.isnan(ys[11:, 0]).all()
    assert_same_bits(ys[:, 1:], expected[:, 1:])
    assert_close(ys[:11, 0], expected[:11, 0])


def test_float32_is_within_the_bound() -> None:
    cell, _ = CELLS["gru"]
    params, carry = jax.tree.map(np.float32, drawn(cell))
    xs = np.float32(RNG.standard_normal((500, B, D)))
    (_, ys), report = jaxrnn.scan_newton(cell, params, xs, carry)
    exact = np.asarray(jaxrnn.scan(cell, *jax.tree.map(lambda a: np.asarray(a, np.float64), (params, xs, carry)))[1])
    assert not report.fell_back.any()
    assert ys.dtype == np.float32
    error, bound = (
        np.abs(np.asarray(ys, np.float64) - exact) / (1 + np.abs(exact)),
        np.asarray(report.bound, np.float64),
    )
    assert (error.max((0, 2)) < bound).all()
    assert (bound < TOLERANCE["float32"]).all()


@pytest.mark.parametrize("M", [1, 2, 3])
@pytest.mark.parametrize("steps", [1, 7, 16])
def test_linear_solves_are_the_loop(M: int, steps: int) -> None:
    J, w, start = (RNG.standard_normal(s) for s in ((steps, B, 2, M, M), (steps, B, 2, M), (B, 2, M)))
    h, expected = start, []
    for j, b in zip(J, w, strict=True):
        h = np.einsum("...ik,...k->...i", j, h) + b
        expected.append(h)
    np.testing.assert_allclose(solve.follow(*map(jnp.asarray, (J, w, start))), np.stack(expected), 1e-10, 1e-10)


def stopped(carry: Any, x: Any, h: Any) -> Any:
    new = jnp.tanh(x.a + jax.lax.stop_gradient(h.a))
    return type(carry)(new), new


@jax.custom_jvp
def wrong(x: Any) -> Any:
    return jnp.tanh(x)


wrong.defjvp(lambda p, t: (jnp.tanh(p[0]), t[0]))


def ruled(carry: Any, x: Any, h: Any) -> Any:
    new = wrong(x.a + h.a)
    return type(carry)(new), new


class State(NamedTuple):
    h: jax.Array


OWN: Callable[..., Any] = jaxrnn.gate_cell(gates=("a",), carry=State)
DECLINED = {
    "linear": (jaxrnn.min_gru(H), 3, "this one is, and runs at once by .chunked."),
    "large": (jaxrnn.gru(512), 1000, "768,000,000|786,432,000"),
    "stops a gradient": (OWN(stopped)(H), 3, "stop a gradient"),
    "a rule of its own": (OWN(ruled)(H), 3, "a derivative of its own"),
    "bfloat16": (jaxrnn.gru(H, dtype=jnp.bfloat16), 3, "float32 or float64 throughout, not bfloat16"),
}


@pytest.mark.parametrize("name", DECLINED)
def test_what_it_declines_it_says(name: str) -> None:
    cell, steps, reason = DECLINED[name]
    params = cell.init(jax.random.key(0), D)
    with pytest.raises(ValueError, match=rf"'newton', which declines: .*({reason})"):
        jaxrnn.scan(cell, params, np.zeros((steps, B, D)), backend="newton")
    with pytest.raises(ValueError, match=rf"'newton', which declines: .*({reason})"):
        jaxrnn.scan_newton(cell, params, np.zeros((steps, B, D)))
    text = str(jaxrnn.explain(cell, steps=steps, batch=B))
    line = next(line for line in text.splitlines() if "'newton'" in line)
    assert "declines" in line


def test_explain_and_what_runs() -> None:
    text = str(jaxrnn.explain(jaxrnn.gru(H), backend="newton", steps=50))
    assert "cell: gru runs on 'newton'" in text
    assert text.endswith(
        "gru, 50 steps at once by Newton's method; else in blocks of 8 to 128; else one after the other"
    )
    with pytest.raises(ValueError, match="`backend` must be left out, got 'native'"):
        jaxrnn.scan_newton(jaxrnn.gru(H), drawn(jaxrnn.gru(H))[0], XS, backend="native")


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_exponents_are_those_of_a_loop_in_numpy(gain: float) -> None:
    """Of a tanh network: the growth of a vector under its Jacobians; and what follows from the sign."""
    c = chaos(gain, steps=300, rows=1)
    c = c._replace(xs=0 * c.xs)
    W, h = c.params["recurrent_kernel"][:, 0], np.asarray(c.carry.h[0])
    v, growth = np.random.default_rng(5).standard_normal(64), 0.0
    v /= np.linalg.norm(v)
    for _ in range(300):
        h = np.tanh(h @ W)
        v = (v @ W) * (1 - h**2)
        growth += np.log(np.linalg.norm(v))
        v /= np.linalg.norm(v)
    forecast = jaxrnn.newton_forecast(*c)
    assert abs(float(forecast.exponent[0]) - growth / 300) < 0.02
    assert (growth > 0) == (gain > 1)
    assert ("are likely to fall back" in forecast.why) == (gain > 1)
    assert not forecast.can_pay
    assert "on CPUs the loop is faster" in forecast.why
