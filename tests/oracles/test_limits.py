"""Each oracle where its cell is another one: an LSTM, a GRU, an Elman network, or itself in another form."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests import oracle
from tests.oracles import blocks, delayed, diagonal, dynamics, highway, lstms, timed
from tests.oracles.convolutional import conv_gru, conv_lstm
from tests.oracles.draws import CELL, STATE, D, H, X, drawn, gates, normal, same
from tests.oracles.multiplicative import multiplicative_lstm
from tests.oracles.orthogonal import exp_rnn


def test_convolutions_of_one_place_are_dense():
    p = gates(4) | drawn(peepholes=(3, H))
    wide = {name: a[None] if "kernel" in name else a for name, a in p.items()}
    image, c, h = normal(5, D), normal(5, H, name="c"), normal(5, H, name="h")
    (_, ys) = conv_lstm(wide, (c, h), image)
    for k in range(5):
        _, y = oracle.lstm(p, (c[k], h[k]), image[k], peepholes=True)
        np.testing.assert_allclose(ys[k], y, 1e-13, 1e-13)
    p = gates(3) | drawn(recurrent_bias=(H,))
    wide = {name: a[None] if "kernel" in name else a for name, a in p.items()}
    for after in (False, True):
        (_, ys) = conv_gru(wide, (h,), image, reset_after=after)
        for k in range(5):
            _, y = oracle.gru(p, (h[k],), image[k], reset_after=after)
            np.testing.assert_allclose(ys[k], y, 1e-13, 1e-13)


def test_lstms_at_their_limits():
    p = gates(4) | drawn(peepholes=(3, H), decomposition_kernel=(H, H), decomposition_bias=(H,))
    plain = oracle.lstm(p, (CELL, STATE), X)
    same(timed.time_lstm(p, (CELL, STATE), X, dt=0.0), plain)
    never = drawn(input_mogrifier=(0, H, D), state_mogrifier=(0, D, H))
    same(lstms.mogrifier_lstm(p | never, (CELL, STATE), X), plain)
    same(lstms.working_memory_lstm(p | {"memory_kernel": np.zeros((H, 3, H))}, (CELL, STATE), X), plain)
    wide_open = {"period": np.full(H, 2.0), "shift": np.zeros(H), "ratio": np.full(H, 0.5)}
    peeping = oracle.lstm(p, (CELL, STATE), X, peepholes=True)
    same(timed.phased_lstm(p | wide_open, (CELL, STATE), X, t=4.5), peeping)
    projected = {"projection": np.eye(H), "residual_kernel": np.zeros((D, H))}
    same(lstms.res_lstm(p | projected, (CELL, STATE), X), peeping)
    held = p | drawn(master_kernel=(D, 2, 2), master_recurrent_kernel=(H, 2, 2)) | {"master_bias": np.zeros((2, 2))}
    held["master_bias"][:] = [[800.0, 0.0], [0.0, 800.0]]  # the lower half may be forgotten and overwritten
    (c, _), _ = lstms.on_lstm(held, (CELL, STATE), X)
    np.testing.assert_allclose(c, np.concatenate([plain[0][0][:2], CELL[2:]]), 1e-13)
    controlled = {name: np.concatenate([a, a[..., 3:, :]], -2) for name, a in gates(4).items()}
    (_, v), y = lstms.control_gate_lstm(controlled, (CELL, STATE), X)
    np.testing.assert_array_equal(v, y)
    middle = p | {"kernel": np.concatenate([p["kernel"], X[:, None, None] * np.ones((D, 1, H)) / (X @ X)], 1)}
    same(multiplicative_lstm(middle | {"multiplicative_kernel": np.eye(H)}, (CELL, STATE), X), plain)


def test_on_lstm_keeps_the_units_in_order():
    """Master gates rise over the chunks, and so a lower unit is never kept more than a higher one of equal gates."""
    p = gates(4) | drawn(master_kernel=(D, 2, 2), master_recurrent_kernel=(H, 2, 2), master_bias=(2, 2))
    p["kernel"][:, :3] = p["recurrent_kernel"][:, :3] = p["bias"][:3] = 0
    (c, _), _ = lstms.on_lstm(p, (np.ones(H), STATE), X)
    assert c[0] == c[1] < c[2] == c[3]


def test_grus_at_their_limits():
    p = gates(3)
    observed = drawn(observed_kernel=(D, 3, H), mean=(D,)) | {
        "input_decay": np.ones(D),
        "input_decay_bias": np.zeros(D),
        "state_decay_kernel": np.ones((D, H)),
        "state_decay_bias": np.zeros(H),
    }
    step = partial(timed.gru_d, p | observed, (X + 1, STATE), X)
    (last, h), _ = step(observed=np.ones(D), elapsed=np.zeros(D))
    np.testing.assert_array_equal(last, X)
    flipped = {name: a * np.array([1.0, -1.0, 1.0])[:, None] for name, a in p.items()}
    seen = flipped | {"bias": flipped["bias"] + observed["observed_kernel"].sum(0) * [[1], [-1], [1]]}
    _, expected = oracle.gru(seen, (STATE,), X, reset_after=False)
    np.testing.assert_allclose(h, expected, 1e-13)
    (last, h), _ = step(observed=np.zeros(D), elapsed=np.full(D, 1e4 / D))
    np.testing.assert_array_equal(last, X + 1)
    _, expected = timed.gru_d(p | observed, (X, 0 * STATE), X, observed=np.zeros(D), elapsed=np.full(D, 1e4))
    np.testing.assert_allclose(h, expected, 1e-12, err_msg="after a long time the state is gone")
    one_by_one = {**p, "recurrent_kernel": np.stack([np.diag(u) for u in drawn(u=(3, H))["u"]], 1)}
    turned = {name: a * np.array([1.0, -1.0, 1.0])[:, None] for name, a in one_by_one.items()}
    short = one_by_one | {"recurrent_kernel": np.einsum("hgh->gh", one_by_one["recurrent_kernel"])}
    same(diagonal.para_gru(short, (STATE,), X), oracle.gru(turned, (STATE,), X, reset_after=False))


def test_block_gru():
    """With one head: u - 1 is a bias, and the reset scales the whole net of the candidate."""
    p = drawn(kernel=(D, 3, H), recurrent_kernel=(1, H, 3, H), bias=(3, H))
    r, n, u = X @ p["kernel"].swapaxes(0, 1) + STATE @ p["recurrent_kernel"][0].swapaxes(0, 1) + p["bias"]
    u = oracle.sigmoid(u - 1)
    expected = u * np.tanh(oracle.sigmoid(r) * n) + (1 - u) * STATE
    np.testing.assert_allclose(blocks.block_gru(p, (STATE,), X)[1], expected, 1e-13)


def test_m2rnn_is_a_leaky_elman_a_row():
    """Each of the K rows of a head is an Elman state of V units with the head's kernel and leak."""
    N, K, V = 2, 3, 2
    p = drawn(query_kernel=(D, N, K), key_kernel=(D, N, K), value_kernel=(D, N, V), forget_kernel=(D, N))
    p |= drawn(forget_bias=(N,), recurrent_kernel=(N, V, V))
    h = normal(N, K, V)
    (new,), y = blocks.m2rnn(p, (h,), X)
    for n in range(N):
        leak = 1 - oracle.sigmoid(X @ p["forget_kernel"][:, n] + p["forget_bias"][n])
        rows = []
        for k in range(K):
            given = {"kernel": np.eye(V)[:, None], "recurrent_kernel": p["recurrent_kernel"][n][:, None]}
            pushed = (X @ p["key_kernel"][:, n, k]) * (X @ p["value_kernel"][:, n])
            rows.append(oracle.elman(given, (h[n, k],), pushed, leak=leak)[1])
        np.testing.assert_allclose(new[n], rows, 1e-13)
        np.testing.assert_allclose(y[V * n : V * n + V], (X @ p["query_kernel"][:, n]) @ np.array(rows), 1e-12)
    turned = p | {"forget_kernel": -p["forget_kernel"], "forget_bias": -p["forget_bias"], "forget_rate": np.zeros(N)}
    same(blocks.m2rnn(turned, (h,), X), ((new,), y))
    (slow,), _ = blocks.m2rnn(turned | {"forget_rate": np.full(N, -50.0)}, (h,), X)
    np.testing.assert_allclose(slow, h, 1e-12, err_msg="at a rate near zero nothing is forgotten")


def test_dynamics_at_their_limits():
    p = gates(1)
    numbers = dict(epsilon=0.3, beta=(0.7, 1.0), gamma=(0.0, 0.2))
    lipschitz = dynamics.lipschitz_rnn(p | {"linear_kernel": np.zeros((H, H))}, (STATE,), X, **numbers)
    same(lipschitz, dynamics.antisymmetric(p, (STATE,), X, epsilon=0.3, gamma=0.2))
    both = [
        dynamics.cornn(p | {"velocity_kernel": np.eye(H)}, (CELL, STATE), X, dt=0.1, gamma=1.0, epsilon=e, implicit=i)
        for e, i in ((0.0, False), (0.0, True), (2.0, False), (2.0, True))
    ]
    same(*both[:2])
    (z, y), _ = both[3]
    (free, _), _ = both[0]
    np.testing.assert_allclose(z + 0.1 * 2.0 * z, free, 1e-13, err_msg="the new velocity damps")
    np.testing.assert_allclose(y, STATE + 0.1 * z, 1e-13)


def test_lipschitz_maps():
    """beta = 0 is the symmetric part twice, beta = 1 the skew one twice; gamma is off the diagonal's numbers."""
    raw = normal(H, H)
    p = {"kernel": np.zeros((D, 1, H)), "recurrent_kernel": np.zeros((H, 1, H)), "linear_kernel": raw}
    for beta, expected in ((0.0, raw + raw.T), (1.0, raw - raw.T)):
        (h,), _ = dynamics.lipschitz_rnn(p, (STATE,), X, epsilon=0.1, beta=(beta, 1.0), gamma=(0.3, 0.0))
        np.testing.assert_allclose(h, STATE + 0.1 * STATE @ (expected - 0.3 * np.eye(H)), 1e-13)


def test_exp_rnn_keeps_the_length():
    p = drawn(kernel=(D, 1, H), recurrent_kernel=(H, 1, H)) | {"threshold": np.zeros(H)}
    (h,), _ = exp_rnn(p, (STATE,), 0 * X)
    np.testing.assert_allclose(np.linalg.norm(h), np.linalg.norm(STATE), 1e-12)
    (h,), _ = exp_rnn(p | {"threshold": np.full(H, -0.1)}, (STATE,), X)
    (wide,), _ = exp_rnn(p, (STATE,), X)
    np.testing.assert_allclose(h, np.sign(wide) * np.maximum(abs(wide) - 0.1, 0), 1e-12)


def test_rhn_of_one_step_and_of_many():
    p = drawn(kernel=(D, 3, H), recurrent_kernel=(1, H, 3, H), bias=(1, 3, H))
    p["kernel"][:, 2], p["recurrent_kernel"][:, :, 2], p["bias"][:, 2] = (
        -p["kernel"][:, 1],
        -p["recurrent_kernel"][:, :, 1],
        -p["bias"][:, 1],
    )
    coupled = {name: a[..., :2, :] for name, a in p.items()}
    same(highway.rhn(p, (STATE,), X), highway.rhn(coupled, (STATE,), X))
    deep = drawn(kernel=(D, 2, H), recurrent_kernel=(3, H, 2, H), bias=(3, 2, H))
    first, later = ({k: a[s] if k != "kernel" else a for k, a in deep.items()} for s in (slice(1), slice(1, 3)))
    (s,), _ = highway.rhn(first, (STATE,), X)
    same(highway.rhn(deep, (STATE,), X), highway.rhn(later, (s,), 0 * X))


def test_clockwork():
    """At time 2 the groups of periods 1 and 2 work; the first reads all, the second itself and the slowest."""
    p = drawn(kernel=(D, 1, 6), recurrent_kernel=(6, 1, 6), bias=(1, 6))
    h, u = normal(6), p["recurrent_kernel"][:, 0]
    net = X @ p["kernel"][:, 0] + p["bias"][0]
    (new,), _ = delayed.clockwork_rnn(p, (h,), X, t=2, periods=(1, 2, 4))
    np.testing.assert_allclose(new[:2], np.tanh(net + h @ u)[:2], 1e-13)
    np.testing.assert_allclose(new[2:4], np.tanh(net[2:4] + h[2:] @ u[2:, 2:4]), 1e-13)
    np.testing.assert_array_equal(new[4:], h[4:])
    (new,), _ = delayed.clockwork_rnn(p, (h,), X, t=0, periods=(1, 2, 4))
    np.testing.assert_allclose(new[4:], np.tanh(net[4:] + h[4:] @ u[4:, 4:]), 1e-13)
