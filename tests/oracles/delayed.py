"""Cells that see an older state or the last input, or that sleep: tau-GRU, the strongly typed ones, clockwork."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle import sigmoid
from tests.oracles.forms import inputs, times


def tau_gru(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Erichson et al. 2022, arXiv:2212.00228: h = (1 - g) h + g (u + a z), z of the state d steps before h.

    Gates u, z (tanh), g, a (logistic); carry (past, h): `[d, H]`, oldest first, and `[H]`. `kernel [D, 4, H]`, `bias
    [4, H]`, `recurrent_kernel [H, 3, H]` of h into u, g, a, `delayed_kernel [H, H]` of the oldest state into z.
    """
    past, h = carry
    net, seen = inputs(p, x), times(h, p["recurrent_kernel"])
    u = np.tanh(net[0] + seen[0])
    z = np.tanh(net[1] + times(past[0], p["delayed_kernel"]))
    g, a = sigmoid(net[2] + seen[1]), sigmoid(net[3] + seen[2])
    new = (1 - g) * h + g * (u + a * z)
    return (np.concatenate([past[1:], h[None]]), new), new


def t_rnn(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Balduzzi & Ghifary 2016, arXiv:1602.02218, T-RNN: h = f h + (1 - f) z, gate and value of the input alone.

    Gates f, z; carry (h). `kernel [D, 2, H]`, `bias [1, H]` of f in the paper, or `[2, H]`.
    """
    (h,) = carry
    f, z = inputs(p, x)
    new = sigmoid(f) * h + (1 - sigmoid(f)) * z
    return (new,), new


def t_gru(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Balduzzi & Ghifary 2016, T-GRU: h = f h + z tanh(o), all of this input and the last.

    Gates z, f, o; carry (x, h): last input `[D]`, state. `kernel`, `previous_kernel [D, 3, H]`, `bias [3, H]`.
    """
    last, h = carry
    z, f, o = inputs(p, x) + times(last, p["previous_kernel"])
    new = sigmoid(f) * h + z * np.tanh(o)
    return (x, new), new


def t_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Balduzzi & Ghifary 2016, T-LSTM: c = f c + (1 - f) z, output c tanh(o); as `t_gru` with carry (x, c)."""
    last, c = carry
    z, f, o = inputs(p, x) + times(last, p["previous_kernel"])
    c = sigmoid(f) * c + (1 - sigmoid(f)) * z
    return (x, c), c * np.tanh(o)


def clockwork_rnn(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, t: Any, periods: tuple[int, ...]) -> Any:
    """Koutník et al. 2014, arXiv:1402.3511: group k works at times t that its period divides, else keeps h.

    One gate; carry (h); per step the time `t`, counted from 0. Groups of equal size, periods ascending; a group reads
    its own state and those of longer periods. `kernel [D, 1, H]`, `bias [1, H]`, `recurrent_kernel [H, 1, H]`, whose
    other entries are not read.
    """
    (h,) = carry
    period = np.repeat(periods, len(h) // len(periods))
    read = period[:, None] >= period[None, :]
    works = np.mod(np.real(t), period) == 0
    new = np.where(works, np.tanh(inputs(p, x)[0] + h @ (p["recurrent_kernel"][:, 0] * read)), h)
    return (new,), new
