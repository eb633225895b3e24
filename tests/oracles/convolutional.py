"""LSTM and GRU whose products are convolutions over one to three axes; states `[*S, H]`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle import sigmoid
from tests.oracles.forms import convolve


def convolved(p: dict[str, Any], x: Any, **options: Any) -> Any:
    """`[G, *S, H]`, the bias `[G, H]` the same at every place."""
    net = convolve(x, p["kernel"], **options)
    bias = p.get("bias", np.zeros((len(net), 1)))
    return net + bias.reshape(len(bias), *[1] * (net.ndim - 2), -1)


def conv_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, stride: Any = 1, dilation: Any = 1) -> Any:
    """Shi et al. 2015, arXiv:1506.04214, equation 3.

    Gates i, f, g, o; carry (c, h) of `[*S, H]`; `x [*S, C]`. `kernel [*W, C, 4, H]`, `recurrent_kernel [*W, H, 4, H]`,
    `bias [4, H]`; `peepholes [3, *S, H]` of i, f (old cell) and o (new cell) as in the paper, or `[3, H]` shared over
    space, or none. `stride` and `dilation` are the input's; the state's padding is "same".
    """
    c, h = carry
    i, f, g, o = convolved(p, x, stride=stride, dilation=dilation) + convolve(h, p["recurrent_kernel"])
    w_i, w_f, w_o = p.get("peepholes", np.zeros((3, 1)))
    c = sigmoid(f + w_f * c) * c + sigmoid(i + w_i * c) * np.tanh(g)
    h = sigmoid(o + w_o * c) * np.tanh(c)
    return (c, h), h


def conv_gru(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, reset_after: bool = False) -> Any:
    """Ballas et al. 2016, arXiv:1511.06432; reset before the product, as there, by default.

    Gates r, z, n; carry (h); arrays as `conv_lstm`'s with three gates, and `recurrent_bias [H]` if the reset comes
    after. z keeps the old here, as in this collection's dense GRU; the paper's z takes the new.
    """
    (h,) = carry
    net, u = convolved(p, x), p["recurrent_kernel"]
    r = sigmoid(net[0] + convolve(h, u[..., :1, :])[0])
    z = sigmoid(net[1] + convolve(h, u[..., 1:2, :])[0])
    if reset_after:
        n = np.tanh(net[2] + r * (convolve(h, u[..., 2:, :])[0] + p.get("recurrent_bias", 0.0)))
    else:
        n = np.tanh(net[2] + convolve(r * h, u[..., 2:, :])[0])
    new = (1 - z) * n + z * h
    return (new,), new
