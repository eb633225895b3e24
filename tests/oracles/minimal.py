"""Cells with one gate: MGU, JANET, MinimalRNN, LightRU, STAR, UGRNN, LiGRU, SGRN."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle import relu, sigmoid
from tests.oracles.forms import inputs, times


def mgu(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, reset: bool = True) -> Any:
    """Zhou et al. 2016, arXiv:1603.09420: f takes the new; without `reset` the candidate sees all of h.

    Gates f, n; carry (h). `kernel [D, 2, H]`, `bias [2, H]`, `recurrent_kernel [H, 2, H]`. b_f starts at 1 in the
    paper.
    """
    (h,) = carry
    net, u = inputs(p, x), p["recurrent_kernel"]
    f = sigmoid(net[0] + times(h, u[:, 0]))
    n = np.tanh(net[1] + times(f * h if reset else h, u[:, 1]))
    new = (1 - f) * h + f * n
    return (new,), new


def janet(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, beta: float = 1.0) -> Any:
    """van der Westhuizen & Lasenby 2018, arXiv:1804.04849: the forget gate alone.

    Gates f, g; carry (h), which is the cell. `kernel [D, 2, H]`, `bias [2, H]`, `recurrent_kernel [H, 2, H]`. `beta` is
    fixed; b_f starts at log U(1, T - 1) for the longest span T (chrono), b_g at zero.
    """
    (h,) = carry
    f, g = inputs(p, x) + times(h, p["recurrent_kernel"])
    new = sigmoid(f) * h + (1 - sigmoid(f - beta)) * np.tanh(g)
    return (new,), new


def minimal_rnn(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Chen 2017, arXiv:1711.06788, with a tanh layer for the embedding: u keeps the old.

    Gates z, u; carry (h). `kernel [D, 1, H]` of z, `bias [2, H]`, `recurrent_kernel [H, 1, H]` of h into u,
    `latent_kernel [H, H]` of z into u.
    """
    (h,) = carry
    z = np.tanh(times(x, p["kernel"])[0] + p["bias"][0])
    u = sigmoid(times(h, p["recurrent_kernel"])[0] + times(z, p["latent_kernel"]) + p["bias"][1])
    new = u * h + (1 - u) * z
    return (new,), new


def light_ru(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """LightRU (Electronics 13(16):3204, 2024): f takes the new, the candidate sees the input only.

    Gates f, n; carry (h). `kernel [D, 2, H]`, `bias [2, H]`, `recurrent_kernel [H, 1, H]` of f.
    """
    (h,) = carry
    net = inputs(p, x)
    f = sigmoid(net[0] + times(h, p["recurrent_kernel"])[0])
    new = (1 - f) * h + f * np.tanh(net[1])
    return (new,), new


def star(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Turkoglu et al. 2019, arXiv:1911.11033: k takes the new, and the mixture is squashed.

    Gates k, z; carry (h). `kernel [D, 2, H]`, `bias [2, H]`, `recurrent_kernel [H, 1, H]` of k. The authors' program
    has sigmoid(f) h + (1 - sigmoid(f - 1)) z instead, which is the mixture of `janet`.
    """
    (h,) = carry
    net = inputs(p, x)
    k = sigmoid(net[0] + times(h, p["recurrent_kernel"])[0])
    new = np.tanh((1 - k) * h + k * np.tanh(net[1]))
    return (new,), new


def ugrnn(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Collins et al. 2016, arXiv:1611.09913: h = g h + (1 - g) tanh(n).

    Gates n (the paper's c), g; carry (h). `kernel [D, 2, H]`, `bias [2, H]`, `recurrent_kernel [H, 2, H]`. TensorFlow 1
    adds 1 to g at run time, which is b_g = 1.
    """
    (h,) = carry
    n, g = inputs(p, x) + times(h, p["recurrent_kernel"])
    new = sigmoid(g) * h + (1 - sigmoid(g)) * np.tanh(n)
    return (new,), new


def ligru(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Ravanelli et al. 2018, arXiv:1803.10225: no reset, z keeps the old, relu.

    Gates z, n; carry (h). `kernel [D, 2, H]`, `bias [2, H]`, `recurrent_kernel [H, 2, H]`. The batch normalisation of
    the projected inputs is a layer of its own.
    """
    (h,) = carry
    z, n = inputs(p, x) + times(h, p["recurrent_kernel"])
    new = sigmoid(z) * h + (1 - sigmoid(z)) * relu(n)
    return (new,), new


def sgrn(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Simple gated recurrent network, doi 10.1049/gtd2.12056: f = sigmoid(x + h), h = tanh((1 - f) x + f h).

    One gate f, whose projection of the input is the candidate too; carry (h). `kernel [D, 1, H]`, `bias [1, H]`,
    `recurrent_kernel [H, 1, H]`.
    """
    (h,) = carry
    net = inputs(p, x)[0]
    f = sigmoid(net + times(h, p["recurrent_kernel"])[0])
    new = np.tanh((1 - f) * net + f * h)
    return (new,), new
