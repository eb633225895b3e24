"""Cells that take the time as an input: CfC, LTC, phased LSTM, time-aware LSTM, GRU-D."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle import relu, sigmoid
from tests.oracles.forms import inputs, times


def magnitude(a: Any) -> Any:
    return np.where(np.real(a) < 0, -a, a)


def lecun_tanh(a: Any) -> Any:
    return 1.7159 * np.tanh(0.666 * a)


def cfc(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, dt: Any, mode: str = "default") -> Any:
    """Hasani et al. 2022, arXiv:2106.13898: the gated closed form ("default"), "no_gate", the bare solution ("pure").

    Gates f, g (heads, tanh), a, b (time): f (1 - s) + g s, s = sigmoid(a dt + b); "no_gate" f + g s. "pure" has gate f
    alone, linear, and vectors `tau [H]` (starts at 0), `amplitude [H]` (at 1): A - A exp(-dt (|tau| + |f|)) f. Carry
    (h); per step `dt`. `kernel [D, G, H]`, `recurrent_kernel [H, G, H]`, `bias [G, H]` without a backbone. With one:
    `backbone_kernel [D, U]`, `backbone_recurrent_kernel [H, U]`, `backbone_bias [U]`, further layers
    `backbone_deep_kernel [L - 1, U, U]` and `backbone_deep_bias [L - 1, U]`, all by the scaled tanh, and then only
    `kernel [U, G, H]` and `bias [G, H]`. The authors' default has one layer of 128 units.
    """
    (h,) = carry
    if "backbone_kernel" in p:
        z = lecun_tanh(times(x, p["backbone_kernel"]) + times(h, p["backbone_recurrent_kernel"]) + p["backbone_bias"])
        for kernel, bias in zip(p.get("backbone_deep_kernel", []), p.get("backbone_deep_bias", []), strict=True):
            z = lecun_tanh(times(z, kernel) + bias)
        net = inputs(p, z)
    else:
        net = inputs(p, x) + times(h, p["recurrent_kernel"])
    if mode == "pure":
        new = p["amplitude"] - p["amplitude"] * np.exp(-dt * (magnitude(p["tau"]) + magnitude(net[0]))) * net[0]
    else:
        f, g, s = np.tanh(net[0]), np.tanh(net[1]), sigmoid(net[2] * dt + net[3])
        new = f + g * s if mode == "no_gate" else f * (1 - s) + g * s
    return (new,), new


def ltc(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, dt: Any, unfolds: int = 6, epsilon: float = 1e-8) -> Any:
    """Hasani et al. 2021, arXiv:2006.04439, the fused solver over sigmoid synapses.

    Carry (h), the potentials v; per step `dt`. Synapses `weight`, `mu`, `sigma`, `reversal [H, H]`, of the sending
    times the receiving unit, and `input_weight`, `input_mu`, `input_sigma`, `input_reversal [D, H]`; units
    `capacitance`, `leak`, `leak_reversal [H]`. A synapse conducts w sigmoid(sigma (v - mu)). `unfolds` substeps of dt /
    unfolds: v = (C/dt v + g_l e_l + sum w s e) / (C/dt + g_l + sum w s + epsilon). The authors start weights and leaks
    at U(0.001, 1), sigma U(3, 8), mu U(0.3, 0.8), capacitance U(0.4, 0.6), e_l U(-0.2, 0.2), reversals +1 or -1, and
    keep weights, leaks and capacitances from going below zero.
    """
    (v,) = carry

    def currents(sender: Any, prefix: str) -> tuple[Any, Any]:
        open_ = sigmoid(p[f"{prefix}sigma"] * (sender[:, None] - p[f"{prefix}mu"])) * p[f"{prefix}weight"]
        return (open_ * p[f"{prefix}reversal"]).sum(0), open_.sum(0)

    driven, conductance = currents(x, "input_")
    capacity = p["capacitance"] * unfolds / dt
    for _ in range(unfolds):
        pull, total = currents(v, "")
        above = capacity * v + p["leak"] * p["leak_reversal"] + pull + driven
        v = above / (capacity + p["leak"] + total + conductance + epsilon)
    return (v,), v


def phased_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, t: Any, leak: float = 0.001) -> Any:
    """Neil et al. 2016, arXiv:1610.09513: an LSTM with peepholes behind a gate that opens with time.

    Gates i, f, g, o; carry (c, h); per step the time `t`. `kernel [D, 4, H]`, `bias [4, H]`, `recurrent_kernel [H, 4,
    H]`, `peepholes [3, H]` of i, f (old cell) and o (the cell before it is mixed); `period [H]` starts at exp U(0, 3)
    or wider, `shift [H]` at U(0, period), `ratio [H]` at 0.05. The output is of the unmixed cell, and is mixed itself.
    """
    c, h = carry
    turns = (t - p["shift"]) / p["period"]
    phase = turns - np.floor(np.real(turns))
    ratio = p["ratio"]
    rising, falling = np.real(phase) < np.real(ratio) / 2, np.real(phase) < np.real(ratio)
    k = np.where(rising, 2 * phase / ratio, np.where(falling, 2 - 2 * phase / ratio, leak * phase))
    i, f, g, o = inputs(p, x) + times(h, p["recurrent_kernel"])
    w_i, w_f, w_o = p["peepholes"]
    full = sigmoid(f + w_f * c) * c + sigmoid(i + w_i * c) * np.tanh(g)
    shown = sigmoid(o + w_o * full) * np.tanh(full)
    c, h = k * full + (1 - k) * c, k * shown + (1 - k) * h
    return (c, h), h


def time_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, dt: Any) -> Any:
    """Baytas et al., KDD 2017: the cell's short-term part, s = tanh(c W_d + b_d), is discounted by 1 / log(e + dt).

    Gates i, f, g, o; carry (c, h); per step the elapsed time `dt`. `kernel [D, 4, H]`, `bias [4, H]`, `recurrent_kernel
    [H, 4, H]`, `decomposition_kernel [H, H]`, `decomposition_bias [H]`. The paper's s is a tanh; the authors'
    supervised program has a sigmoid there, and 2.7183 for e.
    """
    c, h = carry
    s = np.tanh(times(c, p["decomposition_kernel"]) + p["decomposition_bias"])
    c = c - s + s / np.log(np.e + dt)
    i, f, g, o = inputs(p, x) + times(h, p["recurrent_kernel"])
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (c, h), h


def gru_d(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, observed: Any, elapsed: Any) -> Any:
    """Che et al. 2018, arXiv:1606.01865: inputs decay to their mean, the state to zero.

    Gates r, z, n; z takes the new, and the mixture has the decayed state. Carry (x, h): the value last seen `[D]`, the
    state. Per step `observed [D]`, 1 where x is there, and `elapsed [D]`, the time since that input was last seen.
    `kernel`, `observed_kernel [D, 3, H]`, `bias [3, H]`, `recurrent_kernel [H, 3, H]`; `input_decay`, `input_decay_bias
    [D]`, `state_decay_kernel [D, H]`, `state_decay_bias [H]`; `mean [D]` of the data, not trained.
    """
    last, h = carry
    fade = np.exp(-relu(p["input_decay"] * elapsed + p["input_decay_bias"]))
    h = h * np.exp(-relu(times(elapsed, p["state_decay_kernel"]) + p["state_decay_bias"]))
    there = np.real(observed) > 0
    filled = np.where(there, x, fade * last + (1 - fade) * p["mean"])
    net, u = inputs(p, filled) + times(observed, p["observed_kernel"]), p["recurrent_kernel"]
    r = sigmoid(net[0] + times(h, u[:, 0]))
    z = sigmoid(net[1] + times(h, u[:, 1]))
    h = (1 - z) * h + z * np.tanh(net[2] + times(r * h, u[:, 2]))
    return (np.where(there, x, last), h), h
