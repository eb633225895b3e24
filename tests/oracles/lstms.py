"""LSTMs with further connections: control gate, working memory, residual, ordered neurons, mogrifier."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle import sigmoid
from tests.oracles.forms import inputs, times


def control_gate_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """An LSTM that feeds back v = m tanh(c) by a gate m of its own, and shows o tanh(c) (NIPS workshop 2017, Intel).

    Gates i, f, g, o, m; carry (c, v); output h. `kernel [D, 5, H]`, `bias [5, H]`, `recurrent_kernel [H, 5, H]` of v.
    """
    c, v = carry
    i, f, g, o, m = inputs(p, x) + times(v, p["recurrent_kernel"])
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return (c, sigmoid(m) * np.tanh(c)), sigmoid(o) * np.tanh(c)


def working_memory_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Landi et al. 2021, arXiv:2109.00020: every gate sees tanh of a product of the cell; o that of the new one.

    Gates i, f, g, o; carry (c, h). `kernel [D, 4, H]`, `bias [4, H]`, `recurrent_kernel [H, 4, H]`, `memory_kernel [H,
    3, H]` of c into i, f, o.
    """
    c, h = carry
    i, f, g, o = inputs(p, x) + times(h, p["recurrent_kernel"])
    memory = p["memory_kernel"]
    i, f = sigmoid(i + np.tanh(times(c, memory[:, 0]))), sigmoid(f + np.tanh(times(c, memory[:, 1])))
    c = f * c + i * np.tanh(g)
    h = sigmoid(o + np.tanh(times(c, memory[:, 2]))) * np.tanh(c)
    return (c, h), h


def res_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Kim et al. 2017, arXiv:1701.03360: the output gate is over a projection and the input.

    Gates i, f, g, o; carry (c, h). `kernel [D, 4, H]`, `bias [4, H]`, `recurrent_kernel [H, 4, H]`, `peepholes [3, H]`
    of i, f (old cell), o (new cell), `projection [H, H]`, `residual_kernel [D, H]`, which is absent, the identity, if D
    = H.
    """
    c, h = carry
    i, f, g, o = inputs(p, x) + times(h, p["recurrent_kernel"])
    w_i, w_f, w_o = p["peepholes"]
    c = sigmoid(f + w_f * c) * c + sigmoid(i + w_i * c) * np.tanh(g)
    past = times(x, p["residual_kernel"]) if "residual_kernel" in p else x
    h = sigmoid(o + w_o * c) * (times(np.tanh(c), p["projection"]) + past)
    return (c, h), h


def cumax(a: Any) -> Any:
    weights = np.exp(a - np.real(a).max())
    return np.cumsum(weights / weights.sum())


def on_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Shen et al. 2019, arXiv:1810.09536: master gates order the units.

    Gates i, f, g, o; carry (c, h). `kernel [D, 4, H]`, `bias [4, H]`, `recurrent_kernel [H, 4, H]`; master gates f, i
    over M chunks of H / M units: `master_kernel [D, 2, M]`, `master_bias [2, M]`, `master_recurrent_kernel [H, 2, M]`.
    """
    c, h = carry
    i, f, g, o = inputs(p, x) + times(h, p["recurrent_kernel"])
    master = times(x, p["master_kernel"]) + times(h, p["master_recurrent_kernel"]) + p["master_bias"]
    forget, enter = cumax(master[0]), 1 - cumax(master[1])
    forget, enter = (np.repeat(a, len(c) // len(a)) for a in (forget, enter))
    both = forget * enter
    c = (sigmoid(f) * both + forget - both) * c + (sigmoid(i) * both + enter - both) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (c, h), h


def mogrifier_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Melis et al. 2020, arXiv:1909.01792: x and h gate each other before the LSTM sees them.

    Gates i, f, g, o; carry (c, h). `kernel [D, 4, H]`, `bias [4, H]`, `recurrent_kernel [H, 4, H]`; of r rounds, 5 by
    default, the odd ones change x by `input_mogrifier [ceil(r/2), H, D]`, the even ones h by `state_mogrifier
    [floor(r/2), D, H]`.
    """
    c, h = carry
    odd, even = p["input_mogrifier"], p["state_mogrifier"]
    for k in range(len(odd) + len(even)):
        if k % 2 == 0:
            x = 2 * sigmoid(times(h, odd[k // 2])) * x
        else:
            h = 2 * sigmoid(times(x, even[k // 2])) * h
    i, f, g, o = inputs(p, x) + times(h, p["recurrent_kernel"])
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (c, h), h
