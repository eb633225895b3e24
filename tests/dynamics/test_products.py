"""Norms against products of Jacobians that JAX and torch make; rows, lengths, padding, directions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import jaxrnn
from jaxrnn import dynamics
from tests.dynamics.cells import drawn, minimal

CELLS = {
    "gru": jaxrnn.gru(5),
    "lstm": jaxrnn.lstm(4, peepholes=True),
    "a user's own": minimal(6),
    "linear": jaxrnn.min_gru(5),
    "stack": jaxrnn.stack([jaxrnn.residual(jaxrnn.gru(3)), jaxrnn.lstm(4)]),
}


def products(layer: Any, params: Any, xs: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """dz[T] / dz[T - k] of one row, and dz[t]/dz[t-1], by jax.jacobian of `step`."""
    carry = layer.initial_carry((), params)
    z, unravel = ravel_pytree(carry)
    one = jax.jit(jax.jacobian(lambda z, x: ravel_pytree(layer.step(params, unravel(z), x)[0])[0]))
    each = []
    for x in xs:
        each.append(np.asarray(one(z, x)))
        z = ravel_pytree(layer.step(params, unravel(z), x)[0])[0]
    whole = [np.eye(len(z))]
    for jacobian in each[::-1]:
        whole.append(whole[-1] @ jacobian)
    return whole, each


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in ("lstm", "linear") else pytest.mark.slow) for n in CELLS]
)
def test_norms_are_those_of_the_product(name: str) -> None:
    with jax.enable_x64(True):
        layer = CELLS[name]
        inputs = 3
        params, xs = drawn(layer, inputs, 9, 2)
        found = dynamics.gradient_norms(layer, params, xs)
        lengths = dynamics.memory_lengths(layer, params, xs, level=0.5)
        for row in range(2):
            whole, _ = products(layer, params, xs[:, row])
            np.testing.assert_allclose(found.norms[:, row], [np.linalg.norm(p) for p in whole], rtol=1e-11)
            columns = np.array([np.linalg.norm(p, axis=0) for p in whole])
            mine = np.concatenate([np.ravel(a[row]) for a in jax.tree.leaves(lengths)])
            for unit, length in enumerate(mine):
                k = int(np.flatnonzero(columns[:, unit] >= 0.5).max())
                assert length == np.inf if k == 9 else k <= length <= k + 1


@pytest.mark.slow
def test_exponents_are_those_of_the_product() -> None:
    """Sums of all exponents are mean log determinants, exactly, at every step."""
    with jax.enable_x64(True):
        layer = CELLS["lstm"]
        params, xs = drawn(layer, 3, 30, 2)
        for every in (1, 4):
            found = dynamics.lyapunov(layer, params, xs, skip=0, every=every)
            for row in range(2):
                _, each = products(layer, params, xs[:, row])
                logs = [np.linalg.slogdet(j)[1] for j in each]
                np.testing.assert_allclose(found.exponents[row].sum(), np.mean(logs), rtol=1e-9)
                ends = [sum(logs[: (b + 1) * every]) / min((b + 1) * every, 30) for b in range(len(found.steps))]
                np.testing.assert_allclose(found.history[:, row].sum(-1), ends, rtol=1e-9)


def test_a_row_is_its_valid_steps_alone() -> None:
    """Each equals the run of its own steps, with NaN in the padding."""
    with jax.enable_x64(True):
        layer = jaxrnn.gru(4)
        params, xs = drawn(layer, 3, 12, 3)
        lengths = np.array([12, 5, 1])
        xs = jnp.where((np.arange(12)[:, None] < lengths)[..., None], xs, jnp.nan)
        norms = dynamics.gradient_norms(layer, params, xs, lengths=lengths)
        memory = dynamics.memory_lengths(layer, params, xs, lengths=lengths, level=0.9)
        exponents = dynamics.lyapunov(layer, params, xs, lengths=lengths, skip=0).exponents
        gates = dynamics.gate_saturation(layer, params, xs, lengths=lengths)
        loss = dynamics.gradient_norms(layer, params, xs, lengths=lengths, loss=lambda ys: (ys**2).sum())
        for row, n in enumerate(lengths):
            own = xs[:n, row]
            alone = dynamics.gradient_norms(layer, params, own)
            np.testing.assert_allclose(norms.norms[: n + 1, row], alone.norms, rtol=1e-12)
            assert np.isnan(norms.norms[n + 1 :, row]).all()
            np.testing.assert_allclose(memory.h[row], dynamics.memory_lengths(layer, params, own, level=0.9).h)
            np.testing.assert_allclose(exponents[row], dynamics.lyapunov(layer, params, own, skip=0).exponents)
            np.testing.assert_allclose(
                gates["z"].values[:n, row], dynamics.gate_saturation(layer, params, own)["z"].values
            )
            assert np.isnan(gates["z"].values[n:, row]).all()
            single = dynamics.gradient_norms(layer, params, own, loss=lambda ys: (ys**2).sum())
            np.testing.assert_allclose(loss.norms[: n + 1, row], single.norms, rtol=1e-12)


@pytest.mark.slow
def test_the_gradient_of_a_loss_is_that_of_jax() -> None:
    """By adding a vector to the state between two steps and asking JAX."""
    with jax.enable_x64(True):
        layer = jaxrnn.lstm(4)
        params, xs = drawn(layer, 3, 7)

        def whole(nudges: Any) -> Any:
            carry, total = layer.initial_carry((), params), 0.0
            for x, nudge in zip(xs, nudges, strict=True):
                carry = jax.tree.map(jnp.add, carry, nudge)
                carry, y = layer.step(params, carry, x)
                total = total + jnp.sin(y).sum()
            return total

        zero = [layer.initial_carry((), params)] * 7
        expected = jax.grad(whole)(zero)
        found = dynamics.gradient_norms(layer, params, xs, loss=lambda ys: jnp.sin(ys).sum())
        np.testing.assert_allclose(
            found.norms[1:], [np.linalg.norm(ravel_pytree(g)[0]) for g in expected[::-1]], rtol=1e-11
        )
        np.testing.assert_allclose(found.states.c[1:], [np.linalg.norm(g.c) for g in expected[::-1]], rtol=1e-11)
        assert found.norms[0] == 0  # outputs of the last step are before the state after it


@pytest.mark.slow
def test_random_directions_are_right_in_the_mean() -> None:
    with jax.enable_x64(True):
        layer = jaxrnn.gru(12)
        params, xs = drawn(layer, 3, 15)
        exact = dynamics.gradient_norms(layer, params, xs).norms ** 2
        keys = jax.random.split(jax.random.key(5), 60)
        several = [dynamics.gradient_norms(layer, params, xs, directions=4, key=k).norms ** 2 for k in keys]
        error = np.std(several, axis=0) / np.sqrt(len(several))
        assert (np.abs(np.mean(several, 0) - exact) <= 4 * error + 1e-9 * exact).all()
        assert (error[5:] > 0).all()


@pytest.mark.parametrize("kind", ["GRU", pytest.param("LSTM", marks=pytest.mark.slow)])
def test_torch_says_the_same(kind: str) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    live = getattr(torch.nn, kind)(3, 5).double()
    cell = getattr(torch.nn, f"{kind}Cell")(3, 5).double()
    state = live.state_dict()
    cell.load_state_dict({name.removesuffix("_l0"): a for name, a in state.items()})
    xs = torch.randn(8, 3, dtype=torch.float64)
    with jax.enable_x64(True):
        layer, params = jaxrnn.interop.load(live)
        found = dynamics.gradient_norms(layer, params, np.asarray(xs))
    lstm = kind == "LSTM"

    def step(z: Any, x: Any) -> Any:  # ours is c, then h
        if not lstm:
            return cell(x[None], z[None])[0]
        c, h = z.split(5)
        h, c = cell(x[None], (h[None], c[None]))
        return torch.cat([c[0], h[0]])

    z, each = torch.zeros(10 if lstm else 5, dtype=torch.float64), []
    for x in xs:
        each.append(torch.autograd.functional.jacobian(lambda z, x=x: step(z, x), z))
        z = step(z, x).detach()
    whole, norms = torch.eye(len(z), dtype=torch.float64), []
    for jacobian in [None, *each[::-1]]:
        whole = whole if jacobian is None else whole @ jacobian
        norms.append(float(torch.linalg.norm(whole)))
    np.testing.assert_allclose(found.norms, norms, rtol=1e-10)
