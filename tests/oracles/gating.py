"""Gated cells that are neither LSTM nor GRU: ATR, BRC, nBRC, CFN, RAN, intersection RNN, FastRNN, FastGRNN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.oracle import relu, sigmoid
from tests.oracles.forms import diagonal, inputs, times


def atr(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Zhang et al. 2018, arXiv:1810.12546: one projection of each side makes both gates.

    One gate p; carry (h). `kernel [D, 1, H]`, `bias [1, H]`, which is in the value p too, `recurrent_kernel [H, 1, H]`.
    """
    (h,) = carry
    value, q = inputs(p, x)[0], times(h, p["recurrent_kernel"])[0]
    new = sigmoid(value + q) * value + sigmoid(value - q) * h
    return (new,), new


def nbrc(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Vecoven et al. 2021, doi 10.1371/journal.pone.0252676: the neuromodulated bistable recurrent cell.

    Gates a, c, n; carry (h). `kernel [D, 3, H]`, `bias [2, H]` of a and c, `recurrent_kernel [H, 2, H]` of a and c.
    """
    (h,) = carry
    net = inputs(p, x)
    a, c = net[:2] + times(h, p["recurrent_kernel"])
    new = sigmoid(c) * h + (1 - sigmoid(c)) * np.tanh(net[2] + (1 + np.tanh(a)) * h)
    return (new,), new


def brc(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Vecoven et al. 2021: the bistable recurrent cell, whose `recurrent_kernel [2, H]` is diagonal and starts at 1."""
    return nbrc({**p, "recurrent_kernel": diagonal(p["recurrent_kernel"])}, carry, x)


def cfn(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Laurent & von Brecht 2017, arXiv:1612.06212: h = theta tanh(h) + eta tanh(x).

    Gates theta, eta, n; carry (h). `kernel [D, 3, H]`, `bias [2, H]` of theta and eta, `recurrent_kernel [H, 2, H]`.
    """
    (h,) = carry
    net = inputs(p, x)
    theta, eta = net[:2] + times(h, p["recurrent_kernel"])
    new = sigmoid(theta) * np.tanh(h) + sigmoid(eta) * np.tanh(net[2])
    return (new,), new


def ran(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, activation: Callable = np.tanh) -> Any:
    """Lee et al. 2017, arXiv:1705.07393: the candidate is linear in the input alone, the gates see h.

    Gates i, f, n; carry (c, h). `kernel [D, 3, H]`, `bias [2, H]` of i and f, `recurrent_kernel [H, 2, H]`.
    """
    c, h = carry
    net = inputs(p, x)
    i, f = net[:2] + times(h, p["recurrent_kernel"])
    c = sigmoid(i) * net[2] + sigmoid(f) * c
    h = activation(c)
    return (c, h), h


def intersection_rnn(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Collins et al. 2016, arXiv:1611.09913: a gate over time for the state and one over depth for the output.

    Gates y (relu), n (tanh), and theirs: d mixes y with the input, g mixes n with h; both keep the old. Carry (h),
    output y of the input's size, which must be H. `kernel [H, 4, H]`, `bias [4, H]`, `recurrent_kernel [H, 4, H]`.
    """
    (h,) = carry
    y, n, d, g = inputs(p, x) + times(h, p["recurrent_kernel"])
    new = sigmoid(g) * h + (1 - sigmoid(g)) * np.tanh(n)
    return (new,), sigmoid(d) * x + (1 - sigmoid(d)) * relu(y)


def fast_rnn(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, activation: Callable = np.tanh) -> Any:
    """Kusupati et al. 2018, arXiv:1901.02358: h = sigmoid(alpha) phi(x + h) + sigmoid(beta) h.

    One gate; carry (h). `kernel [D, 1, H]`, `bias [1, H]`, `recurrent_kernel [H, 1, H]`, `alpha [1]` (starts at -3),
    `beta [1]` (at 3).
    """
    (h,) = carry
    candidate = activation(inputs(p, x)[0] + times(h, p["recurrent_kernel"])[0])
    new = sigmoid(p["alpha"]) * candidate + sigmoid(p["beta"]) * h
    return (new,), new


def fast_grnn(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Kusupati et al. 2018: gate and candidate read the same two products.

    Gates z, n; carry (h). `kernel [D, 1, H]`, `recurrent_kernel [H, 1, H]`, `bias [2, H]` of z and n, `zeta [1]`
    (starts at 1), `nu [1]` (at -4): h = (sigmoid(zeta)(1 - z) + sigmoid(nu)) n + z h.
    """
    (h,) = carry
    net = times(x, p["kernel"])[0] + times(h, p["recurrent_kernel"])[0]
    z, n = sigmoid(net + p["bias"][0]), np.tanh(net + p["bias"][1])
    new = (sigmoid(p["zeta"]) * (1 - z) + sigmoid(p["nu"])) * n + z * h
    return (new,), new
