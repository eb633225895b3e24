"""Multiplicative LSTM: Krause et al. 2016, arXiv:1609.07959."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle import sigmoid
from tests.oracles.forms import inputs, times


def multiplicative_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """m = (x W_m) ∘ (h U_m) stands for h in every gate.

    Gates i, f, g, o, m; carry (c, h). `kernel [D, 5, H]`, `bias [4, H]` (m has none), `recurrent_kernel [H, 4, H]` of m
    into i, f, g, o, `multiplicative_kernel [H, H]` of h into m.
    """
    c, h = carry
    net = inputs(p, x)
    m = net[4] * times(h, p["multiplicative_kernel"])
    i, f, g, o = net[:4] + times(m, p["recurrent_kernel"])
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (c, h), h
