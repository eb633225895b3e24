"""Cells with a fixed part: echo state networks and the Legendre memory unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from tests.oracles.forms import inputs, times


def esn(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, leak: float = 1.0) -> Any:
    """Jaeger 2001 (GMD report 148), leaky units as in Jaeger et al. 2007: the leak scales the tanh too.

    One gate; carry (h). `kernel [D, 1, H]`, `bias [1, H]`, `recurrent_kernel [H, 1, H]`, all frozen: the recurrent
    kernel is sparse and scaled to a spectral radius, `scaled`.
    """
    (h,) = carry
    new = (1 - leak) * h + leak * np.tanh(inputs(p, x)[0] + times(h, p["recurrent_kernel"])[0])
    return (new,), new


def scaled(kernel: Any, radius: float) -> Any:
    """The kernel `[H, H]` with this largest absolute eigenvalue."""
    return kernel * radius / np.abs(np.linalg.eigvals(kernel)).max()


def ridge(states: Any, targets: Any, penalty: float) -> tuple[Any, Any]:
    """The readout of states `[N, H]` for targets `[N, O]` in closed form: kernel `[H, O]`, and bias `[O]`, free."""
    mean, goal = states.mean(0), targets.mean(0)
    centred = states - mean
    kernel = np.linalg.solve(centred.T @ centred + penalty * np.eye(states.shape[1]), centred.T @ (targets - goal))
    return kernel, goal - mean @ kernel


def legendre(order: int, theta: float) -> tuple[Any, Any]:
    """The memory of Voelker et al. 2019 by zero-order hold over a step of 1: `A [d, d]` for a column m, `B [d]`."""
    row, column = np.ogrid[:order, :order]
    a = (2.0 * row + 1) * np.where(row < column, -1.0, (-1.0) ** (row - column + 1)) / theta
    b = (2.0 * np.arange(order) + 1) * (-1.0) ** np.arange(order) / theta
    hold = scipy.linalg.expm(np.block([[a, b[:, None]], [np.zeros((1, order + 1))]]))
    return hold[:order, :order], hold[:order, order]


def lmu(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, theta: float) -> Any:
    """Voelker et al., NeurIPS 2019: u of x, old h, old m; m = A m + B u; h = tanh of x, old h, new m.

    Carry (m, h): memory `[d]`, state `[H]`. `input_encoder [D]`, `state_encoder [H]`, `memory_encoder [d]` (starts at
    0), `kernel [D, 1, H]`, `recurrent_kernel [H, 1, H]`, `memory_kernel [d, H]`; no bias. A and B are fixed by d and
    `theta`.
    """
    m, h = carry
    A, B = legendre(len(m), theta)
    u = x @ p["input_encoder"] + h @ p["state_encoder"] + m @ p["memory_encoder"]
    m = A @ m + B * u
    h = np.tanh(inputs(p, x)[0] + times(h, p["recurrent_kernel"])[0] + times(m, p["memory_kernel"]))
    return (m, h), h
