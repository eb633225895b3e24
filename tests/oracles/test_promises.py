"""What the papers say that a cell does: mass is conserved, a gate opens with time, a memory is a delay."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import scipy.special

from tests import oracle
from tests.oracles import gating, mass, memories, timed
from tests.oracles.draws import CELL, STATE, D, H, X, drawn, gates, normal, same


def test_mass_is_conserved():
    A, M = 2, 1
    p = drawn(kernel=(A, 1, H), recurrent_kernel=(H, 1, H), bias=(1, H), input_kernel=(A, M, H))
    p |= drawn(input_recurrent_kernel=(H, M, H), input_bias=(M, H), redistribution_kernel=(A, H, H))
    p |= drawn(redistribution_recurrent_kernel=(H, H, H), redistribution_bias=(H, H))
    rng = np.random.default_rng(0)
    c, gone, come = np.zeros(H), 0.0, 0.0
    for _ in range(20):
        x = np.abs(rng.standard_normal(M + A))
        (c,), y = mass.mass_conserving_lstm(p, (c,), x)
        gone, come = gone + y.sum(), come + x[0]
        assert (c >= 0).all()
    np.testing.assert_allclose(c.sum() + gone, come, 1e-12)


@pytest.mark.parametrize(
    ("t", "expected"), [(1.0, 0.5), (2.0, 1.0), (3.0, 0.5), (4.0, 0.0004), (7.5, 0.00075), (11.0, 0.5)]
)
def test_phased_lstm_opens_and_closes(t, expected):
    """Period 10, ratio 0.4: up until 2, down until 4, then leak times phase; from shift on, and again."""
    p = gates(4) | {"peepholes": np.zeros((3, H)), "period": np.full(H, 10.0), "ratio": np.full(H, 0.4)}
    p |= {"shift": np.full(H, 0.5)}
    full = oracle.lstm(p, (CELL, STATE), X)
    (c, h), _ = timed.phased_lstm(p, (CELL, STATE), X, t=t + 0.5)
    np.testing.assert_allclose(c, expected * full[0][0] + (1 - expected) * CELL, 1e-9)
    np.testing.assert_allclose(h, expected * full[0][1] + (1 - expected) * STATE, 1e-9)


def test_time_lstm_forgets_the_short_term_in_the_long_run():
    p = gates(4) | drawn(decomposition_kernel=(H, H), decomposition_bias=(H,))
    (c, _), _ = timed.time_lstm(p, (CELL, STATE), X, dt=1e300)
    short = np.tanh(CELL @ p["decomposition_kernel"] + p["decomposition_bias"])
    kept = CELL - short * (1 - 1 / np.log(1e300))
    np.testing.assert_allclose(c, oracle.lstm(p, (kept, STATE), X)[0][0], 1e-12)


def test_legendre_memory_by_scipy_and_as_a_delay():
    """Read by the shifted Legendre polynomials at the end of the window, the memory is the input theta steps ago."""
    order, theta = 12, 50.0
    A, B = memories.legendre(order, theta)
    i = np.arange(order)
    a = np.array([[(2 * r + 1) * (-1.0 if r < c else (-1.0) ** (r - c + 1)) for c in i] for r in i]) / theta
    b = ((2 * i + 1) * (-1.0) ** i / theta)[:, None]
    held = scipy.signal.cont2discrete((a, b, np.eye(order), np.zeros((order, 1))), 1.0, "zoh")
    np.testing.assert_allclose(A, held[0], 1e-9, 1e-12)
    np.testing.assert_allclose(B, held[1][:, 0], 1e-9, 1e-12)
    signal = np.sin(np.arange(400) / 30)
    p = {"input_encoder": np.ones(1), "state_encoder": np.zeros(H), "memory_encoder": np.zeros(order)}
    p |= {"kernel": np.zeros((1, 1, H)), "recurrent_kernel": np.zeros((H, 1, H)), "memory_kernel": np.zeros((order, H))}
    m = np.zeros(order)
    for u in signal:
        (m, _), _ = memories.lmu(p, (m, np.zeros(H)), np.array([u]), theta=theta)
    for delay in (0.0, 0.5, 1.0):
        read = scipy.special.eval_sh_legendre(i, delay) @ m
        np.testing.assert_allclose(read, np.sin((399.5 - delay * theta) / 30), atol=0.02)


def test_lmu_couples_old_and_new():
    """u sees the old m, h the new one."""
    p = drawn(input_encoder=(D,), state_encoder=(H,), memory_encoder=(5,), kernel=(D, 1, H), recurrent_kernel=(H, 1, H))
    p |= drawn(memory_kernel=(5, H))
    m = normal(5)
    A, B = memories.legendre(5, 7.0)
    new = A @ m + B * (X @ p["input_encoder"] + STATE @ p["state_encoder"] + m @ p["memory_encoder"])
    h = np.tanh(X @ p["kernel"][:, 0] + STATE @ p["recurrent_kernel"][:, 0] + new @ p["memory_kernel"])
    same(memories.lmu(p, (m, STATE), X, theta=7.0), ((new, h), h))


def test_esn():
    p = gates(1)
    same(memories.esn(p, (STATE,), X, leak=0.3), oracle.elman(p, (STATE,), X, leak=0.3))
    radius = np.abs(np.linalg.eigvals(memories.scaled(p["recurrent_kernel"][:, 0], 0.9))).max()
    np.testing.assert_allclose(radius, 0.9, 1e-12)


def test_bistable_cell_has_two_states():
    """nBRC, Vecoven et al.: above a = 1 the unit holds either sign without input, below it forgets."""
    for feedback, held in ((3.0, True), (-3.0, False)):
        p = {"kernel": np.zeros((D, 3, 1)), "recurrent_kernel": np.zeros((2, 1)), "bias": np.array([[feedback], [0.0]])}
        for sign in (1.0, -1.0):
            h = np.array([sign])
            for _ in range(200):
                (h,), _ = gating.brc(p, (h,), X)
            assert (sign * h[0] > 0.5) if held else abs(h[0]) < 1e-3
