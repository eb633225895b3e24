"""Cells that are a step of an ordinary differential equation, or close to one."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle import sigmoid
from tests.oracles.forms import inputs, skew, times


def antisymmetric(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, epsilon: float, gamma: float) -> Any:
    """Chang et al. 2019, arXiv:1902.09689: h += epsilon tanh(x + h (U - U^T - gamma I)).

    One gate; carry (h). `kernel [D, 1, H]`, `bias [1, H]`, `recurrent_kernel [H, 1, H]`, the raw U. The paper tunes
    both numbers and starts U at N(0, sigma^2 / H).
    """
    (h,) = carry
    new = h + epsilon * np.tanh(inputs(p, x)[0] + h @ skew(p["recurrent_kernel"][:, 0], gamma))
    return (new,), new


def gated_antisymmetric(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, epsilon: float, gamma: float) -> Any:
    """Chang et al. 2019: the same product of h in the gate z and in the candidate.

    Gates z, n; carry (h). `kernel [D, 2, H]`, `bias [2, H]`, `recurrent_kernel [H, 1, H]`, the raw U.
    """
    (h,) = carry
    z, n = inputs(p, x) + h @ skew(p["recurrent_kernel"][:, 0], gamma)
    new = h + epsilon * sigmoid(z) * np.tanh(n)
    return (new,), new


def cornn(
    p: dict[str, Any],
    carry: tuple[Any, ...],
    x: Any,
    *,
    dt: float,
    gamma: float,
    epsilon: float,
    implicit: bool = False,
) -> Any:
    """Rusch & Mishra 2021, arXiv:2010.00951: coupled oscillators; `implicit` damps by the new velocity.

    One gate; carry (z, y): velocity, position; output y. `kernel [D, 1, H]`, `bias [1, H]`, `recurrent_kernel [H, 1,
    H]` of y, `velocity_kernel [H, H]` of z. The paper tunes all three numbers.
    """
    z, y = carry
    force = np.tanh(inputs(p, x)[0] + times(y, p["recurrent_kernel"])[0] + times(z, p["velocity_kernel"])) - gamma * y
    z = (z + dt * force) / (1 + dt * epsilon) if implicit else z + dt * (force - epsilon * z)
    y = y + dt * z
    return (z, y), y


def unicornn(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, dt: float, alpha: float) -> Any:
    """Rusch & Mishra 2021, arXiv:2103.05487: undamped oscillators, each with a rate sigmoid(c).

    One gate; carry (z, y); output y. `kernel [D, 1, H]`, `bias [1, H]`, `recurrent_kernel [1, H]`, diagonal, starts at
    U(0, 1); `rate [H]`, c, at U(-0.1, 0.1). The paper tunes both numbers.
    """
    z, y = carry
    step = dt * sigmoid(p["rate"])
    z = z - step * (np.tanh(inputs(p, x)[0] + p["recurrent_kernel"][0] * y) + alpha * y)
    y = y + step * z
    return (z, y), y


def lem(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, dt: float = 1.0) -> Any:
    """Rusch et al. 2022, arXiv:2110.04744: y sees the new z.

    Gates a, b (the time steps of z and of y), z, y; carry (z, y); output y. `kernel [D, 4, H]`, `bias [4, H]`,
    `recurrent_kernel [H, 3, H]` of y into a, b, z, `cell_kernel [H, H]` of z into y.
    """
    z, y = carry
    net = inputs(p, x)
    a, b, inner = net[:3] + times(y, p["recurrent_kernel"])
    a, b = dt * sigmoid(a), dt * sigmoid(b)
    z = (1 - a) * z + a * np.tanh(inner)
    y = (1 - b) * y + b * np.tanh(net[3] + times(z, p["cell_kernel"]))
    return (z, y), y


def lipschitz_rnn(
    p: dict[str, Any],
    carry: tuple[Any, ...],
    x: Any,
    *,
    epsilon: float,
    beta: tuple[float, float],
    gamma: tuple[float, float],
) -> Any:
    """Erichson et al. 2021, arXiv:2006.12070: h += epsilon (h A + tanh(h W + x)).

    One gate; carry (h). `kernel [D, 1, H]`, `bias [1, H]`, `recurrent_kernel [H, 1, H]` the raw W, `linear_kernel [H,
    H]` the raw A; each map is (1 - beta)(M + M^T) + beta (M - M^T) - gamma I, with numbers for A first, then for W.
    """
    (h,) = carry

    def mapped(raw: Any, beta: float, gamma: float) -> Any:
        return (1 - beta) * (raw + raw.T) + beta * skew(raw) - gamma * np.eye(len(raw))

    linear = mapped(p["linear_kernel"], beta[0], gamma[0])
    inner = mapped(p["recurrent_kernel"][:, 0], beta[1], gamma[1])
    new = h + epsilon * (h @ linear + np.tanh(inputs(p, x)[0] + h @ inner))
    return (new,), new
