"""Cells with a diagonal recurrent kernel `[G, H]`: IndRNN, ParaGRU, ParaLSTM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.oracle import relu, sigmoid
from tests.oracles.forms import inputs


def ind_rnn(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, activation: Callable = relu) -> Any:
    """Li et al. 2018, arXiv:1803.04831: h = relu(W x + u h + b).

    One gate; carry (h). `kernel [D, 1, H]`, `bias [1, H]`, `recurrent_kernel [1, H]`. The paper holds abs(u) within
    2^(1/T) for sequences of T steps, and starts u at U(0, 2^(1/T)) or, last layer, near the bound.
    """
    (h,) = carry
    new = activation(inputs(p, x)[0] + p["recurrent_kernel"][0] * h)
    return (new,), new


def para_gru(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Danieli et al. 2025, arXiv:2510.21450, equations 3.1a and 3.3: reset before the product; z takes the new.

    Gates r, z, n; carry (h). `kernel [D, 3, H]`, `bias [3, H]`, `recurrent_kernel [3, H]`.
    """
    (h,) = carry
    net, u = inputs(p, x), p["recurrent_kernel"]
    r = sigmoid(net[0] + u[0] * h)
    z = sigmoid(net[1] + u[1] * h)
    new = (1 - z) * h + z * np.tanh(net[2] + u[2] * (r * h))
    return (new,), new


def para_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Danieli et al. 2025, equations 3.1b and 3.3: i = 1 - f; f sees the old cell, o the new one.

    Gates f, g (the paper's z), o; carry (c, h). `kernel [D, 3, H]`, `bias [3, H]`, `recurrent_kernel [3, H]`,
    `peepholes [2, H]` of f and o.
    """
    c, h = carry
    f, g, o = inputs(p, x) + p["recurrent_kernel"] * h
    f = sigmoid(f + p["peepholes"][0] * c)
    c = f * c + (1 - f) * np.tanh(g)
    h = sigmoid(o + p["peepholes"][1] * c) * np.tanh(c)
    return (c, h), h
