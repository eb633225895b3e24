"""Graves's window against a NumPy loop in float64 and torch's gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.decode import WindowCarry, window
from tests import oracle
from tests.refusal import assert_refused

T, B, S, D, M, H, K = 6, 4, 5, 3, 2, 5, 3
LENGTHS = np.array([5, 0, 2, 1])  # of the texts
STEPS = np.array([3, 6, 0, 5])
LAYER = window(jaxrnn.lstm(H, peepholes=True), K, stride=0.4)


def drawn(seed: int = 0) -> Any:
    """Parameters, inputs and texts."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda: LAYER.init(jax.random.key(0), inputs=D, memory=M))
    params = jax.tree.map(lambda s: rng.normal(size=s.shape) * 0.5, shapes)
    return params, rng.normal(size=(T, B, D)), rng.normal(size=(B, S, M))


def written(p: Any, xs: Any, text: Any) -> tuple[Any, list[Any]]:
    """One row, its valid steps and the characters of its text alone."""
    carry, kappa, w, steps = (np.zeros(H), np.zeros(H)), np.zeros(K), np.zeros(M), []
    for x in xs:
        carry, y = oracle.lstm(p["cell"], carry, np.concatenate([x, w]), peepholes=True)
        a, b, d = (np.exp(y @ p["window"]["kernel"][:, n] + p["window"]["bias"][n]) for n in range(3))
        kappa = kappa + d
        phi = [(a * np.exp(-b * (kappa - u) ** 2)).sum() for u in range(1, len(text) + 2)]
        w = sum((f * c for f, c in zip(phi, text, strict=False)), np.zeros(M))
        steps.append((y, w, phi[:-1], phi[-1]))
    return (*carry, kappa, w), steps


def run(p: Any, xs: Any, text: Any, **given: Any) -> Any:
    memory = LAYER.memory(text, lengths=LENGTHS)
    return LAYER.scan(p, xs, LAYER.initial_carry(memory), memory, **given)


def test_scan_equals_numpy() -> None:
    p, xs, text = drawn()
    carry, ys = jax.jit(run)(p, xs, text, lengths=STEPS)
    for b in range(B):
        end, steps = written(p, xs[: STEPS[b], b], text[b, : LENGTHS[b]])
        for found, expected in zip(jax.tree.leaves(carry), end, strict=True):
            np.testing.assert_allclose(found[b], expected, atol=1e-12)
        for t, (y, w, phi, beyond) in enumerate(steps):
            np.testing.assert_allclose(ys.output[t, b], y, atol=1e-12)
            np.testing.assert_allclose(ys.context[t, b], w, atol=1e-12)
            np.testing.assert_allclose(ys.weights[t, b, : LENGTHS[b]], phi, atol=1e-12)
            np.testing.assert_allclose(ys.beyond[t, b], beyond, atol=1e-12)
            assert (ys.weights[t, b, LENGTHS[b] :] == 0).all()
        assert all((leaf[STEPS[b] :, b] == 0).all() for leaf in ys)


def test_scan_equals_steps_and_two_halves() -> None:
    p, xs, text = drawn(1)
    end, whole = run(p, xs, text)
    memory = LAYER.memory(text, lengths=LENGTHS)
    carry, step = LAYER.initial_carry(memory), jax.jit(LAYER.step)
    for t in range(T):
        carry, y = step(p, carry, xs[t], memory)
        jax.tree.map(lambda a, b, t=t: np.testing.assert_allclose(a, b[t], atol=1e-13), y, whole)
    half, _ = run(p, xs[:2], text)
    again, _ = LAYER.scan(p, xs[2:], half, memory)
    for found in (carry, again):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-13), found, end)


def loss(p: Any, xs: Any, text: Any) -> Any:
    carry, ys = run(p, xs, text, lengths=STEPS)
    return sum((leaf**2).sum() for leaf in jax.tree.leaves((carry, ys)))


def test_gradients_equal_torch() -> None:
    torch = pytest.importorskip("torch")
    given = drawn(2)
    found = jax.grad(loss, (0, 1, 2))(*given)
    p, xs, text = jax.tree.map(lambda a: torch.tensor(a, requires_grad=True), given)
    total = torch.zeros((), dtype=torch.float64)
    for b in range(B):
        h, c, kappa, w = (torch.zeros(n, dtype=torch.float64) for n in (H, H, K, M))
        letters = text[b, : LENGTHS[b]]
        places = torch.arange(1.0, LENGTHS[b] + 2, dtype=torch.float64)
        for x in xs[: STEPS[b], b]:
            cell, peep = p["cell"], p["cell"]["peepholes"]
            net = torch.cat([x, w]) @ cell["kernel"].flatten(1) + h @ cell["recurrent_kernel"].flatten(1)
            i, f, g, o = (net + cell["bias"].flatten()).split(H)
            c, before = torch.sigmoid(f + peep[1] * c) * c, c
            c = c + torch.sigmoid(i + peep[0] * before) * torch.tanh(g)
            h = torch.sigmoid(o + peep[2] * c) * torch.tanh(c)
            hats = (h @ p["window"]["kernel"].flatten(1)).reshape(3, K) + p["window"]["bias"]
            a, s, d = torch.exp(hats)
            kappa = kappa + d
            phi = (a * torch.exp(-s * (kappa - places[:, None]) ** 2)).sum(1)
            w = phi[:-1] @ letters
            total = total + sum((part**2).sum() for part in (h, w, phi))
        total = total + sum((part**2).sum() for part in (h, c, kappa, w))
    total.backward()
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves((p, xs, text)), strict=True):
        np.testing.assert_allclose(ours, theirs.grad, rtol=1e-9, atol=1e-11)


def test_garbage_in_padding_changes_no_bit() -> None:
    p, xs, text = drawn(3)
    dirty_xs = np.where((np.arange(T)[:, None] < STEPS)[..., None], xs, [np.nan, np.inf, 1e300])
    dirty_text = np.where((np.arange(S) < LENGTHS[:, None])[..., None], text, [np.nan, -np.inf])
    both = jax.jit(lambda *given: (run(*given, lengths=STEPS), jax.grad(loss, (0, 1, 2))(*given)))
    jax.tree.map(np.testing.assert_array_equal, both(p, xs, text), both(p, dirty_xs, dirty_text))


@pytest.mark.parametrize("cell", [jaxrnn.gru(4), jaxrnn.stack([jaxrnn.lstm(4), jaxrnn.elman(3)])], ids=["gru", "stack"])
@pytest.mark.parametrize("batch", [(), (0,), (2, 3)])
def test_any_cell_and_batch_axes(cell: Any, batch: tuple[int, ...]) -> None:
    layer = window(cell, 1)
    p = layer.init(jax.random.key(0), inputs=D, memory=M)
    rng = np.random.default_rng(4)
    xs, text = rng.normal(size=(1, *batch, D)), rng.normal(size=(*batch, S, M))
    memory = layer.memory(text)
    carry = layer.initial_carry(memory, p)
    end, ys = layer.scan(p, xs, carry, memory)
    expected = cell.step(p["cell"], carry.cell, jnp.concatenate([xs[0], np.zeros((*batch, M))], -1))[1]
    np.testing.assert_allclose(ys.output[0], expected, atol=1e-13)
    np.testing.assert_array_equal(end.context, ys.context[0])


def test_moves_by_its_stride_at_first() -> None:
    layer = window(jaxrnn.lstm(H), K, stride=0.05)
    p = layer.init(jax.random.key(0), inputs=D, memory=M)
    p["window"]["kernel"] = jnp.zeros_like(p["window"]["kernel"])
    memory = layer.memory(np.ones((B, S, M)))
    end, _ = layer.scan(p, np.zeros((20, B, D)), layer.initial_carry(memory), memory)
    np.testing.assert_allclose(end.position, 1.0)


def test_wrong_calls(unchecked: None) -> None:
    p, xs, text = drawn()
    memory = LAYER.memory(text)
    carry = LAYER.initial_carry(memory)
    assert isinstance(carry, WindowCarry)
    assert_refused("cell", lambda: window(3, 2))
    assert_refused("components", lambda: window(LAYER.cell, 0))
    assert_refused("stride", lambda: window(LAYER.cell, 1, 0.0))
    assert_refused("values", lambda: LAYER.memory(np.zeros(3)))
    assert_refused("lengths", lambda: LAYER.memory(text, lengths=np.array([9, 0, 0, 0])))
    assert_refused("xs", lambda: LAYER.scan(p, xs[0], carry, memory))
    assert_refused("x", lambda: LAYER.step(p, carry, xs, memory))
    assert_refused("memory", lambda: LAYER.step(p, carry, xs[0], text))
    assert_refused("carry", lambda: LAYER.step(p, carry.cell, xs[0], memory))
    assert_refused("params", lambda: LAYER.step({"cell": p["cell"]}, carry, xs[0], memory))
